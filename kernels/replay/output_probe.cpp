#include "kernels/replay/output_probe.h"

#include "collectors/base/error.h"
#include "collectors/base/parallel.h"
#include "collectors/base/stopwatch.h"
#include "collectors/models/libtorch_scope.h"
#include "kernels/replay/replay_measurements.h"

#include <utility>

namespace kvscope {

at::Tensor OutputRecorder::attend(const AttentionSite& site, const Step& step, const at::Tensor& q, const at::Tensor& k,
                                  const at::Tensor& v) {
  at::Tensor output = cache_->attend(site, step, q, k, v);
  outputs_.at(static_cast<std::size_t>(site.layer)) = output;
  return output;
}

at::Tensor OutputComparison::attend(const AttentionSite& site, const Step& step, const at::Tensor& q,
                                    const at::Tensor& k, const at::Tensor& v) {
  at::Tensor output = cache_->attend(site, step, q, k, v);
  const Stopwatch watch;
  errors_.at(static_cast<std::size_t>(site.layer)) = output_errors(output, reference_->output(site.layer), samples_);
  comparison_seconds_ += watch.seconds();
  return output;
}

Array<double> output_errors(const at::Tensor& output, const at::Tensor& reference, std::int64_t samples) {
  require(output.defined() && reference.defined() && output.sizes() == reference.sizes() && output.dim() == 4,
          "output_errors: the outputs of both runs must have the same shape");
  require(samples >= 1 && output.size(0) % samples == 0, "output_errors: rows must be a multiple of the samples");
  const LibTorchScope scope;
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
