#include "tests/benchmarks/gpu/selection_case.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvscope::benchmark {

std::int64_t SelectionCase::kept() const noexcept {
  return std::min<std::int64_t>(std::llround(kept_share * static_cast<double>(model->tokens())), candidates());
}

double SelectionCase::flops() const {
  return 2.0 * static_cast<double>(model->head_dim * pairs()) * static_cast<double>(kObservers * candidates());
}

double SelectionCase::bytes() const {
  constexpr std::int64_t kElementBytes = 2;
  return static_cast<double>(kElementBytes * model->head_dim * pairs()) *
         static_cast<double>(candidates() + kObservers + 2 * 2 * kept());
}

std::string SelectionCase::name() const {
  return fmt::format("{} scale {}, {} image{}: {} of {} in {} pairs", model->name, scale, images,
                     images == 1 ? "" : "s", kept(), candidates(), pairs());
}

std::string TopkCase::name() const {
  return fmt::format("{} of {} in {} rows", kept, n, rows);
}

}  // namespace kvscope::benchmark
