#include "tests/benchmarks/gpu/attention_case.h"

#include "tests/benchmarks/head_lengths.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace kvscope::benchmark {

std::string_view name_of(Spread spread) {
  switch (spread) {
    case Spread::kEqual:
      return "equal";
    case Spread::kTwoClass:
      return "two-class";
    case Spread::kAdaptive:
      return "adaptive";
  }
  return "";
}

std::vector<std::int64_t> AttentionCase::lengths() const {
  const double kept = 1.0 - compression;
  std::vector<std::int64_t> lengths;
  switch (spread) {
    case Spread::kEqual:
      lengths.assign(static_cast<std::size_t>(model->heads), std::llround(kept * static_cast<double>(model->tokens())));
      break;
    case Spread::kTwoClass:
      lengths = two_class_lengths(model->heads, model->tokens(), kept);
      break;
    case Spread::kAdaptive:
      lengths = log_normal_lengths(model->heads, model->tokens(), kept);
      break;
  }
  for (std::int64_t& length : lengths) length = std::min(length, keys());
  return lengths;
}

double AttentionCase::flops() const {
  const std::vector<std::int64_t> keys_of_head = lengths();
  const std::int64_t sum = std::accumulate(keys_of_head.begin(), keys_of_head.end(), std::int64_t{0});
  return 4.0 * static_cast<double>(model->head_dim * queries()) * static_cast<double>(rows() * sum);
}

double AttentionCase::full_flops() const {
  return 4.0 * static_cast<double>(model->head_dim * queries()) * static_cast<double>(pairs() * keys());
}

double AttentionCase::bytes() const {
  constexpr std::int64_t kElementBytes = 2;
  const std::vector<std::int64_t> keys_of_head = lengths();
  const std::int64_t sum = std::accumulate(keys_of_head.begin(), keys_of_head.end(), std::int64_t{0});
  const std::int64_t tokens = 2 * pairs() * queries() + 2 * rows() * sum;
  return static_cast<double>(kElementBytes * model->head_dim * tokens);
}

std::string AttentionCase::name() const {
  std::string text = fmt::format("{} scale {}, {} image{}", model->name, scale, images, images == 1 ? "" : "s");
  if (compression > 0.0) text += fmt::format(", {:.0f} % {}", 100 * compression, name_of(spread));
  return text;
}

}  // namespace kvscope::benchmark
