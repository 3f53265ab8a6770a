#include "kernels/replay/output_probe.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"
#include "collectors/models/libtorch_scope.h"
#include "kernels/replay/replay_measurements.h"

#include <ATen/TensorOperators.h>

#include <utility>

namespace kvscope {

void OutputRecorder::begin(std::int64_t rows) {
  cache_->begin(rows);
  outputs_.begin(rows);
}

at::Tensor OutputRecorder::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                                  const at::Tensor& v) {
  at::Tensor output = cache_->attend(site, step, q, k, v);
  outputs_.keep(site.layer, step, output);
  return output;
}

std::shared_ptr<const void> OutputRecorder::capturable_memory() const {
  return outputs_.memory_with(cache_->capturable_memory());
}

void OutputRecorder::replay_on_host(const Step& step) {
  cache_->replay_on_host(step);
  outputs_.replay_on_host(step);
}

void OutputComparison::begin(std::int64_t rows) {
  cache_->begin(rows);
  outputs_.begin(rows);
  samples_ = rows / rows_per_sample_;
}

at::Tensor OutputComparison::attend(const AttentionSite& site, const Step& step, const at::Tensor& q,
                                    const at::Tensor& k, const at::Tensor& v) {
  at::Tensor output = cache_->attend(site, step, q, k, v);
  if (!output.is_cpu() || outputs_.keeping() == OutputKeeping::kCopied) {
    outputs_.keep(site.layer, step, output);
    return output;
  }
  const Stopwatch watch;
  errors_.at(static_cast<std::size_t>(site.layer)) = output_errors(output, reference_->output(site.layer), samples_);
  comparison_seconds_ += watch.seconds();
  return output;
}

std::shared_ptr<const void> OutputComparison::capturable_memory() const {
  return outputs_.memory_with(cache_->capturable_memory());
}

void OutputComparison::replay_on_host(const Step& step) {
  cache_->replay_on_host(step);
  outputs_.replay_on_host(step);
}

Array<double> OutputComparison::errors(int layer) const {
  const at::Tensor& output = outputs_.of(layer);
  if (output.defined()) return output_errors(output, reference_->output(layer), samples_);
  return errors_.at(static_cast<std::size_t>(layer));
}

Array<double> library_output_errors(const at::Tensor& output, const at::Tensor& reference, std::int64_t samples) {
  const std::int64_t heads = output.size(1);
  // [rows, heads, N_k, head_dim] -> [branches, samples, heads, ...] -> [samples, heads]
  const auto squares = [&](const at::Tensor& values) {
    return values.square().sum(at::IntArrayRef{2, 3}).view({-1, samples, heads}).sum(0).to(at::kCPU).contiguous();
  };
  const at::Tensor theirs = reference.to(at::kDouble);
  const at::Tensor difference = squares(output.to(at::kDouble) - theirs);
  const at::Tensor length = squares(theirs);
  Array<double> errors({heads, samples});
  for (std::int64_t sample = 0; sample < samples; ++sample) {
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t at = sample * heads + head;
      errors(head, sample) =
          relative_error(difference.const_data_ptr<double>()[at], length.const_data_ptr<double>()[at]);
    }
  }
  return errors;
}

Array<double> output_errors(const at::Tensor& output, const at::Tensor& reference, std::int64_t samples) {
  require(output.defined() && reference.defined() && output.sizes() == reference.sizes() && output.dim() == 4,
          "output_errors: the outputs of both runs must have the same shape");
  require(samples >= 1 && output.size(0) % samples == 0, "output_errors: rows must be a multiple of the samples");
  const LibTorchScope scope;
  if (!output.is_cpu()) return library_output_errors(output, reference, samples);
  const at::Tensor ours = output.to(at::kFloat).contiguous();
  const at::Tensor theirs = reference.to(at::kFloat).contiguous();
  const std::int64_t rows = ours.size(0);
  const std::int64_t heads = ours.size(1);
  const std::int64_t size = ours.size(2) * ours.size(3);
  Array<double> errors({heads, samples});
  parallel_for(heads * samples, [&](std::int64_t task) {
    const std::int64_t head = task / samples;
    const std::int64_t sample = task % samples;
    double difference_squares = 0.0;
    double reference_squares = 0.0;
    for (std::int64_t row = sample; row < rows; row += samples) {
      const float* a = ours.const_data_ptr<float>() + (row * heads + head) * size;    // ours[row, head]
      const float* b = theirs.const_data_ptr<float>() + (row * heads + head) * size;  // theirs[row, head]
      for (std::int64_t i = 0; i < size; ++i) {
        const double difference = static_cast<double>(a[i]) - static_cast<double>(b[i]);
        difference_squares += difference * difference;
        reference_squares += static_cast<double>(b[i]) * static_cast<double>(b[i]);
      }
    }
    errors(head, sample) = relative_error(difference_squares, reference_squares);
  });
  return errors;
}

}  // namespace kvscope
