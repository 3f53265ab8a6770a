#include "tests/benchmarks/gpu/model_size.h"

namespace kvscope::benchmark {
namespace {

constexpr int kVarSides[] = {1, 2, 3, 4, 5, 6, 8, 10, 13, 16};
constexpr int kInfinitySides[] = {1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64};

}  // namespace

std::int64_t ModelSize::queries(int scale) const noexcept {
  const std::int64_t side = sides[static_cast<std::size_t>(scale - 1)];
  return side * side;
}

std::int64_t ModelSize::keys(int scale) const noexcept {
  std::int64_t sum = 0;
  for (int earlier = 1; earlier <= scale; ++earlier) sum += queries(earlier);
  return sum;
}

const ModelSize& var_d30() {
  static constexpr ModelSize kSize{"VAR-d30", 30, 30, 64, kVarSides};
  return kSize;
}

const ModelSize& infinity_2b() {
  static constexpr ModelSize kSize{"Infinity-2B", 32, 16, 128, kInfinitySides};
  return kSize;
}

const ModelSize& infinity_8b() {
  static constexpr ModelSize kSize{"Infinity-8B", 40, 28, 128, kInfinitySides};
  return kSize;
}

}  // namespace kvscope::benchmark
