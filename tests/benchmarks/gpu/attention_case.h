#pragma once

#include "tests/benchmarks/gpu/model_size.h"

#include <cstdint>
#include <string>
#include <vector>

namespace kvscope::benchmark {

/// How a budget is spread over the heads of a layer.
enum class Spread {
  kEqual,     ///< every head the same
  kTwoClass,  ///< D1: two_class_lengths()
  kAdaptive,  ///< D2: log_normal_lengths()
};

[[nodiscard]] std::string_view name_of(Spread spread);

/// Attention of one layer at one scale: all rows (the conditional and unconditional branch of every image) and heads.
struct AttentionCase {
  const ModelSize* model = nullptr;
  int scale = 0;  ///< from 1
  std::int64_t images = 1;
  double compression = 0.0;  ///< 0.7: heads attend to 30 % of the tokens of the generation on average
  Spread spread = Spread::kEqual;

  [[nodiscard]] std::int64_t rows() const noexcept { return 2 * images; }
  [[nodiscard]] std::int64_t pairs() const noexcept { return rows() * model->heads; }
  [[nodiscard]] std::int64_t queries() const noexcept { return model->queries(scale); }
  /// Without compression.
  [[nodiscard]] std::int64_t keys() const noexcept { return model->keys(scale); }
  /// [heads]: keys that each head attends to, the same in all rows: its share of the budget (1 - compression) N, which
  /// a scale with fewer keys cannot use up.
  [[nodiscard]] std::vector<std::int64_t> lengths() const;

  /// Useful FLOP: 4 head_dim r_k for every key that is attended to.
  [[nodiscard]] double flops() const;
  /// Bytes that have to move with 16-bit elements: queries, output, keys and values once.
  [[nodiscard]] double bytes() const;
  /// The same for all keys.
  [[nodiscard]] double full_flops() const;

  /// "Infinity-2B scale 13, 1 image, 70 % two-class".
  [[nodiscard]] std::string name() const;
};

}  // namespace kvscope::benchmark
