#include "collectors/compute/simd_level.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <iterator>
#include <mutex>

namespace kvscope {
namespace {

struct Level {
  std::string_view name;
  std::int64_t target;
  bool bfloat16_products = false;
};

// Best first. The kernels are compiled for exactly these targets of Highway (see product_kernels.cpp).
constexpr std::array kLevels = {
#if HWY_ARCH_X86
    Level{"avx512bf16", HWY_AVX3, true}, Level{"avx512", HWY_AVX3}, Level{"avx2", HWY_AVX2}, Level{"sse4", HWY_SSE4},
#elif HWY_ARCH_ARM
    Level{"neon", HWY_NEON},
#endif
    Level{"scalar", HWY_EMU128 | HWY_SCALAR}};

constexpr bool is_fallback(const Level& level) {
  return (level.target & HWY_EMU128) != 0;
}

bool processor_has_bfloat16_products() {
#if HWY_ARCH_X86
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

// HWY_TARGETS are those this build has: without the ones below the compiler's own baseline.
bool available(const Level& level) {
  const std::int64_t built = HWY_TARGETS & level.target;
  if (level.bfloat16_products && !processor_has_bfloat16_products()) return false;
  return is_fallback(level) ? built != 0 : (hwy::SupportedTargets() & built) != 0;
}

/// The levels of this build and processor, best first. A forced level hides the others from Highway, so the
/// question is asked once, before any is forced.
const std::vector<Level>& available_levels() {
  static const std::vector<Level> levels = [] {
    std::vector<Level> list;
    std::ranges::copy_if(kLevels, std::back_inserter(list), available);
    return list;
  }();
  return levels;
}

std::atomic<const Level*> current{nullptr};

// Leaves Highway `level` and nothing better to choose from; "" lifts the restriction.
void choose(std::string_view level) {
  const std::vector<Level>& levels = available_levels();
  hwy::SetSupportedTargetsForTest(0);
  current = &levels.front();
  if (!level.empty()) {
    const auto found = std::ranges::find(levels, level, &Level::name);
    if (found == levels.end()) {
      throw usage_error("SIMD level '{}' is not available here; there are: {}", level, fmt::join(simd_levels(), ", "));
    }
    hwy::SetSupportedTargetsForTest(found->target);
    current = &*found;
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

std::vector<std::string> simd_levels() {
  std::vector<std::string> names;
  for (const Level& level : available_levels()) names.emplace_back(level.name);
  return names;
}

std::string simd_level() {
  apply_simd_environment();
  return std::string(current.load()->name);
}

bool has_bfloat16_products() {
  apply_simd_environment();
  return current.load()->bfloat16_products;
}

void force_simd_level(std::string_view level) {
  apply_simd_environment();
  choose(level);
}

void apply_simd_environment() {
  static std::once_flag once;
  std::call_once(once, [] {
    const char* wish = std::getenv("KVSCOPE_SIMD");
    if (wish != nullptr && *wish != '\0') {
      choose(wish);
    } else {
      current = &available_levels().front();
    }
  });
}

}  // namespace kvscope
