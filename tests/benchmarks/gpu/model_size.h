#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace kvscope::benchmark {

/// What the cost of attention depends on in a VAR-like model.
struct ModelSize {
  std::string_view name;
  std::int64_t layers = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;
  std::span<const int> sides;  ///< of the square scales

  /// S: scales.
  [[nodiscard]] int scales() const noexcept { return static_cast<int>(sides.size()); }
  /// r_k: tokens of scale `scale`, which counts from 1 as in the papers.
  [[nodiscard]] std::int64_t queries(int scale) const noexcept;
  /// S_k: keys of that scale without compression, those of all scales so far.
  [[nodiscard]] std::int64_t keys(int scale) const noexcept;
  /// N: tokens of all scales.
  [[nodiscard]] std::int64_t tokens() const noexcept { return keys(scales()); }
};

[[nodiscard]] const ModelSize& var_d30();
[[nodiscard]] const ModelSize& infinity_2b();
[[nodiscard]] const ModelSize& infinity_8b();

}  // namespace kvscope::benchmark
