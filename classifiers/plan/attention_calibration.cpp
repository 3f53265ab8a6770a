#include "classifiers/plan/attention_calibration.h"

namespace kvscope {
namespace {

/// Mean over the query heads that share a key/value head.
double shared_mass(const SourceMass& mass, std::int64_t layer, std::int64_t kv_head, std::int64_t sharing,
                   std::size_t source) {
  double sum = 0.0;
  for (std::int64_t head = kv_head * sharing; head < (kv_head + 1) * sharing; ++head) sum += mass(layer, head, source);
  return sum / static_cast<double>(sharing);
}

/// Phi from phi, see AttentionCalibration.
Array<float> look_ahead_of(const Array<float>& prior) {
  Array<float> result(prior.shape());
  const std::int64_t n_step = prior.extent(2);
  for (std::int64_t layer = 0; layer < prior.extent(0); ++layer) {
    for (std::int64_t head = 0; head < prior.extent(1); ++head) {
      for (std::int64_t s = 0; s < n_step; ++s) {
        double later = 0.0;
        for (std::int64_t k = n_step - 1; k >= s; --k) {
          const bool is_last = k == n_step - 1;
          result(layer, head, k, s) =
              is_last ? prior(layer, head, k, s) : static_cast<float>(later / static_cast<double>(n_step - 1 - k));
          later += static_cast<double>(prior(layer, head, k, s));
        }
      }
    }
  }
  return result;
}

}  // namespace

AttentionCalibration calibrate_attention(const ModelInfo& model, const StepTable& steps,
                                         const std::vector<SourceMass>& mass) {
  const std::int64_t n_step = steps.size();
  require(static_cast<std::int64_t>(mass.size()) == n_step, "calibrate_attention: one mass per step is needed");
  AttentionCalibration result{.prior = Array<float>({model.layers, model.kv_heads, n_step, n_step}),
                              .look_ahead = {},
                              .future = Array<double>({model.layers, model.kv_heads, n_step})};
  const std::int64_t sharing = model.heads / model.kv_heads;
  for (std::int64_t layer = 0; layer < model.layers; ++layer) {
    for (std::int64_t head = 0; head < model.kv_heads; ++head) {
      double future = 0.0;
      for (int k = static_cast<int>(n_step) - 1; k >= 0; --k) {
        result.future(layer, head, k) = future;
        const std::vector<int>& sources = steps.sources(k);
        double history = 0.0;
        for (std::size_t i = 0; i < sources.size(); ++i) {
          const double on_source = shared_mass(mass[static_cast<std::size_t>(k)], layer, head, sharing, i);
          result.prior(layer, head, k, sources[i]) =
              static_cast<float>(on_source / static_cast<double>(steps.n_query(sources[i])));
          if (sources[i] != k) history += on_source;
        }
        const std::int64_t earlier = steps.n_key(k) - steps.n_query(k);
        if (earlier > 0) future += history / static_cast<double>(earlier);
      }
    }
  }
  result.look_ahead = look_ahead_of(result.prior);
  return result;
}

}  // namespace kvscope
