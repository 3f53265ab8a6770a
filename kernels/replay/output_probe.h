#pragma once

#include "collectors/base/array.h"
#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope {

/// Passes everything on to another cache and remembers each layer's latest output.
class OutputRecorder : public KvCache {
 public:
  /// @param cache  outlives this object
  OutputRecorder(KvCache& cache, int layers) : cache_(&cache), outputs_(static_cast<std::size_t>(layers)) {}

  void begin(std::int64_t rows) override { cache_->begin(rows); }
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override { return cache_->held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return cache_->allocated_bytes(); }

  /// [rows, heads, N_k, head_dim], of the latest step.
  [[nodiscard]] const at::Tensor& output(int layer) const { return outputs_.at(static_cast<std::size_t>(layer)); }

 private:
  KvCache* cache_;
  std::vector<at::Tensor> outputs_;
};

/// Passes everything on to another cache and compares each output with what a recorder remembers of the
/// same step of a reference run, which therefore has to be one step ahead. Outputs in device memory are kept and
/// compared when errors() asks, so that nothing waits for the device inside a step.
class OutputComparison : public KvCache {
 public:
  /// @param cache, reference  outlive this object
  /// @param samples           of the batch; rows are a multiple of it
  OutputComparison(KvCache& cache, const OutputRecorder& reference, int layers, std::int64_t samples)
      : cache_(&cache),
        reference_(&reference),
        samples_(samples),
        errors_(static_cast<std::size_t>(layers)),
        device_outputs_(static_cast<std::size_t>(layers)) {}

  void begin(std::int64_t rows) override { cache_->begin(rows); }
  at::Tensor attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                    const at::Tensor& v) override;
  [[nodiscard]] std::int64_t held_bytes() const override { return cache_->held_bytes(); }
  [[nodiscard]] std::int64_t allocated_bytes() const override { return cache_->allocated_bytes(); }

  /// [heads, samples] of the latest step: |O - O_reference| / |O_reference| (Frobenius norm over the rows of
  /// a sample, queries and channels). Waits for a device.
  [[nodiscard]] Array<double> errors(int layer) const;
  /// Seconds spent comparing so far: no part of what a generation costs.
  [[nodiscard]] double comparison_seconds() const noexcept { return comparison_seconds_; }

 private:
  KvCache* cache_;
  const OutputRecorder* reference_;
  std::int64_t samples_;
  std::vector<Array<double>> errors_;       ///< of outputs on the CPU
  std::vector<at::Tensor> device_outputs_;  ///< of the latest step, elsewhere
  double comparison_seconds_ = 0.0;
};

/// As OutputComparison::errors(); of tensors that are not on the CPU by library_output_errors().
/// @param output, reference  [rows, heads, N_k, head_dim]; rows = branches x samples, row % samples is the sample
[[nodiscard]] Array<double> output_errors(const at::Tensor& output, const at::Tensor& reference, std::int64_t samples);

/// The same by the library's sums in double precision, where the tensors are.
[[nodiscard]] Array<double> library_output_errors(const at::Tensor& output, const at::Tensor& reference,
                                                  std::int64_t samples);

}  // namespace kvscope
