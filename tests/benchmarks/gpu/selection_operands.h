#pragma once

#include "kernels/cuda/selection/device_selection.h"
#include "tests/benchmarks/gpu/benchmark_gpu.h"
#include "tests/benchmarks/gpu/selection_case.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope::benchmark {

/// What select_tokens() needs of a layer beside scores: places in the generation, rules, budgets, and room for lists.
/// Every pair holds `held` tokens and has `n_own` of the step, and keeps the best `kept`.
class SelectionTables {
 public:
  struct Sizes {
    std::int64_t rows = 0;
    std::int64_t heads = 0;
    std::int64_t head_dim = 0;
    std::int64_t held = 0;
    std::int64_t n_own = 0;
    std::int64_t kept = 0;

    [[nodiscard]] std::int64_t pairs() const noexcept { return rows * heads; }
    [[nodiscard]] std::int64_t candidates() const noexcept { return held + n_own; }
  };

  SelectionTables(const BenchmarkGpu& card, const Sizes& sizes);

  [[nodiscard]] const Sizes& sizes() const noexcept { return sizes_; }
  /// Floats between the scores of two pairs.
  [[nodiscard]] std::int64_t stride() const noexcept { return stride_; }
  /// @param tokens  keys and values; counts and slots are filled in here
  /// @param scores  [pairs, stride]
  [[nodiscard]] gpu::SelectionProblem problem(gpu::DeviceTokens tokens, const at::Tensor& scores) const;
  [[nodiscard]] gpu::CompactionProblem compaction(gpu::DeviceTokens tokens) const;
  /// Fills in what every kernel wants to know of the tokens.
  [[nodiscard]] gpu::DeviceTokens with_counts(gpu::DeviceTokens tokens) const;

  /// Places that pair `pair` keeps, copied to the host.
  [[nodiscard]] std::vector<std::int32_t> kept_places(std::int64_t pair) const;
  void spoil_results() const;

 private:
  struct Lists {
    at::Tensor places;  ///< [pairs, stride] int32
    at::Tensor count;   ///< [pairs] int32
    [[nodiscard]] gpu::DevicePlaces device(std::int64_t stride) const;
  };
  [[nodiscard]] Lists make_lists() const;

  const BenchmarkGpu& card_;
  Sizes sizes_;
  std::int64_t stride_ = 0;
  at::Tensor first_slot_;
  at::Tensor held_;
  at::Tensor token_;
  at::Tensor step_of_;
  at::Tensor rules_;
  at::Tensor budget_;
  Lists attended_;
  Lists kept_;
  Lists attend_losers_;
  Lists carried_;
  Lists carry_losers_;
};

}  // namespace kvscope::benchmark
