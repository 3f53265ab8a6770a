#pragma once

#include "tests/benchmarks/gpu/model_size.h"

#include <cstdint>
#include <string>

namespace kvscope::benchmark {

/// Choosing `kept` of `candidates` tokens in every (row, head) pair of a layer, after a scale.
struct SelectionCase {
  const ModelSize* model = nullptr;
  int scale = 0;  ///< from 1
  std::int64_t images = 1;
  double kept_share = 0.1;  ///< of the tokens of the generation

  static constexpr std::int64_t kObservers = 32;  ///< queries whose attention is the score

  [[nodiscard]] std::int64_t rows() const noexcept { return 2 * images; }
  [[nodiscard]] std::int64_t pairs() const noexcept { return rows() * model->heads; }
  [[nodiscard]] std::int64_t candidates() const noexcept { return model->keys(scale); }
  [[nodiscard]] std::int64_t kept() const noexcept;

  /// Of the scores: 2 head_dim for every (observer, candidate).
  [[nodiscard]] double flops() const;
  /// That have to move with 16-bit elements: keys once for the scores, and the kept keys and values from one place to
  /// another.
  [[nodiscard]] double bytes() const;

  /// "Infinity-2B scale 12, 8 images: 1052 of 6425 in 256 pairs".
  [[nodiscard]] std::string name() const;
};

/// The largest `kept` of `n` numbers in each of `rows` rows, their indices in ascending order.
struct TopkCase {
  std::int64_t rows = 0;
  std::int64_t n = 0;
  std::int64_t kept = 0;

  /// One read of the scores, one write of the indices.
  [[nodiscard]] double bytes() const noexcept { return static_cast<double>(rows * (4 * n + 4 * kept)); }
  /// "3156 of 10521 in 32 rows".
  [[nodiscard]] std::string name() const;
};

}  // namespace kvscope::benchmark
