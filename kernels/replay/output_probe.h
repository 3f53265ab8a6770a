#pragma once

#include "collectors/base/array.h"
#include "collectors/models/kv_cache.h"
#include "kernels/replay/kept_outputs.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace kvscope {

/// Passes everything on to another cache and remembers each layer's latest output.
class OutputRecorder : public KvCache {
 public:
  /// @param cache    outlives this object
  /// @param keeping  copies let its calls be captured if the cache's can be
  OutputRecorder(KvCache& cache, int layers, OutputKeeping keeping = OutputKeeping::kAsReturned)
      : cache_(&cache), outputs_(keeping, layers) {}

  void begin(std::int64_t rows) override;
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::shared_ptr<const void> capturable_memory() const override;
  void replay_on_host(const Step& step) override;
  [[nodiscard]] std::int64_t held_bytes() const override { return cache_->held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return cache_->allocated_bytes(); }

  /// [rows, heads, N_k, head_dim], of the latest step.
  [[nodiscard]] const at::Tensor& output(int layer) const { return outputs_.of(layer); }

 private:
  KvCache* cache_;
  KeptOutputs outputs_;
};

/// Passes everything on to another cache and compares each output with what a recorder remembers of the
/// same step of a reference run, which therefore has to be one step ahead. Outputs in device memory, and all that are
/// copied, are kept and compared when errors() asks, so that nothing waits for the device inside a step.
class OutputComparison : public KvCache {
 public:
  /// @param cache, reference  outlive this object
  /// @param rows_per_sample   branches: row r is of sample r % (rows / rows_per_sample)
  /// @param keeping           as OutputRecorder
  OutputComparison(KvCache& cache, const OutputRecorder& reference, int layers, std::int64_t rows_per_sample,
                   OutputKeeping keeping = OutputKeeping::kAsReturned)
      : cache_(&cache),
        reference_(&reference),
        rows_per_sample_(rows_per_sample),
        errors_(static_cast<std::size_t>(layers)),
        outputs_(keeping, layers) {}

  void begin(std::int64_t rows) override;
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::shared_ptr<const void> capturable_memory() const override;
  void replay_on_host(const Step& step) override;
  [[nodiscard]] std::int64_t held_bytes() const override { return cache_->held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return cache_->allocated_bytes(); }

  /// [heads, samples] of the latest step: |O - O_reference| / |O_reference| (Frobenius norm over the rows of
  /// a sample, queries and channels). Waits for a device.
  [[nodiscard]] Array<double> errors(int layer) const;
  /// Seconds spent comparing inside of attend() so far: no part of what a generation costs.
  [[nodiscard]] double comparison_seconds() const noexcept { return comparison_seconds_; }

 private:
  KvCache* cache_;
  const OutputRecorder* reference_;
  std::int64_t rows_per_sample_;
  std::int64_t samples_ = 0;
  std::vector<Array<double>> errors_;  ///< of outputs that were compared at once
  KeptOutputs outputs_;                ///< of the others
  double comparison_seconds_ = 0.0;
};

/// As OutputComparison::errors(); of tensors that are not on the CPU by library_output_errors().
/// @param output, reference  [rows, heads, N_k, head_dim]; rows = branches x samples, row % samples is the sample
[[nodiscard]] Array<double> output_errors(const at::Tensor& output, const at::Tensor& reference, std::int64_t samples);

/// The same by the library's sums in double precision, where the tensors are.
[[nodiscard]] Array<double> library_output_errors(const at::Tensor& output, const at::Tensor& reference,
                                                  std::int64_t samples);

}  // namespace kvscope
