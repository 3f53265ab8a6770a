#include "collectors/models/scale_engine.h"

#include "collectors/models/batch_session.h"
#include "collectors/models/layer_gradients.h"
#include "collectors/models/row_session.h"
#include "collectors/models/scale_model.h"

#include <utility>

namespace kvscope {

ScaleEngine::ScaleEngine(std::shared_ptr<const ScaleModel> model) : scale_model_(std::move(model)) {}
ScaleEngine::~ScaleEngine() = default;

const ModelInfo& ScaleEngine::model() const {
  return scale_model_->info();
}
const StepTable& ScaleEngine::steps() const {
  return scale_model_->steps();
}
TokenSpace ScaleEngine::token_space() const {
  return scale_model_->token_space();
}
std::array<std::int64_t, 2> ScaleEngine::image_size() const {
  return scale_model_->image_size();
}
ComputeDevice ScaleEngine::device() const {
  const at::Device device = scale_model_->device();
  if (device.is_cpu()) return {};
  return {.kind = DeviceKind::kCuda, .ordinal = device.index()};
}

std::optional<ModelSizes> ScaleEngine::sizes() const {
  return scale_model_->sizes();
}

bool ScaleEngine::uses_graphs() const {
  return scale_model_->graphs() != nullptr && scale_model_->rows() == RowExecution::kTogether;
}

void ScaleEngine::check(const GenerationRequest& request) const {
  scale_model_->check(request);
}

std::unique_ptr<GenerationSession> ScaleEngine::start(const GenerationRequest& request) const {
  return start(request, {});
}

std::unique_ptr<GenerationSession> ScaleEngine::start(const GenerationRequest& request,
                                                      GenerationObserver observer) const {
  if (scale_model_->rows() == RowExecution::kTogether) {
    return std::make_unique<BatchSession>(scale_model_, request, std::move(observer));
  }
  return std::make_unique<RowSession>(scale_model_, request, std::move(observer));
}

std::unique_ptr<LayerGradients> ScaleEngine::differentiate(const GenerationRequest& request) const {
  return std::make_unique<LayerGradients>(scale_model_, request);
}

}  // namespace kvscope
