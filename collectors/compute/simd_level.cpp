#include "collectors/compute/simd_level.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>
#include <hwy/highway.h>
#include <hwy/targets.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <mutex>

namespace kvscope {
namespace {

struct Level {
  std::string_view name;
  std::int64_t target;
};

// Best first. The kernels are compiled for exactly these targets of Highway (see product_kernels.cpp).
constexpr std::array kLevels = {
#if HWY_ARCH_X86
    Level{"avx512", HWY_AVX3}, Level{"avx2", HWY_AVX2}, Level{"sse4", HWY_SSE4},
#elif HWY_ARCH_ARM
    Level{"neon", HWY_NEON},
#endif
    Level{"scalar", HWY_EMU128 | HWY_SCALAR}};

constexpr bool is_fallback(const Level& level) {
  return (level.target & HWY_EMU128) != 0;
}

// HWY_TARGETS are those this build has: without the ones below the compiler's own baseline.
bool available(const Level& level) {
  const std::int64_t built = HWY_TARGETS & level.target;
  return is_fallback(level) ? built != 0 : (hwy::SupportedTargets() & built) != 0;
}

// Leaves Highway `level` and nothing better to choose from; "" lifts the restriction.
void choose(std::string_view level) {
  hwy::SetSupportedTargetsForTest(0);
  if (!level.empty()) {
    const auto found = std::ranges::find_if(kLevels, [&](const Level& l) { return l.name == level && available(l); });
    if (found == kLevels.end()) {
      throw usage_error("SIMD level '{}' is not available here; there are: {}", level, fmt::join(simd_levels(), ", "));
    }
    hwy::SetSupportedTargetsForTest(found->target);
  }
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace

std::vector<std::string> simd_levels() {
  // A forced level hides the others from Highway, so the question is asked once, before any is forced.
  static const std::vector<std::string> levels = [] {
    std::vector<std::string> names;
    for (const Level& level : kLevels) {
      if (available(level)) names.emplace_back(level.name);
    }
    return names;
  }();
  return levels;
}

std::string simd_level() {
  apply_simd_environment();
  for (const Level& level : kLevels) {
    if (available(level)) return std::string(level.name);
  }
  return std::string(kLevels.back().name);
}

void force_simd_level(std::string_view level) {
  static_cast<void>(simd_levels());
  apply_simd_environment();
  choose(level);
}

void apply_simd_environment() {
  static std::once_flag once;
  std::call_once(once, [] {
    static_cast<void>(simd_levels());
    const char* wish = std::getenv("KVSCOPE_SIMD");
    if (wish != nullptr && *wish != '\0') choose(wish);
  });
}

}  // namespace kvscope
