#include "collectors/models/var_model.h"

#include "collectors/models/token_drawing.h"

#include <utility>

namespace kvscope {

double growing_guidance(const GenerationRequest& request, const StepTable& steps, int step) {
  if (!request.guidance_of_step.empty()) return request.guidance_of_step[static_cast<std::size_t>(step)];
  return request.guidance * (steps.size() > 1 ? static_cast<double>(step) / (steps.size() - 1) : 0.0);
}

VarModel::VarModel(ModelInfo info, Parts parts, RowExecution rows)
    : ScaleModel(std::move(info), StepTable::square(parts.transformer.config().sides), rows), parts_(std::move(parts)) {
  const auto begin = [&](std::int64_t label) { return transformer().condition(label); };
  unconditional_ = conditions_of({transformer().config().classes}, begin).front();
  describe_sites();
}

std::array<std::int64_t, 2> VarModel::image_size() const {
  const std::int64_t side = quantiser().map_side() * tokenizer().config().autoencoder.downsampling();
  return {side, side};
}

void VarModel::check(const GenerationRequest& request) const {
  check_request(request, "label", transformer().config().classes, steps());
}

double VarModel::guidance(const GenerationRequest& request, int step) const {
  return growing_guidance(request, steps(), step);
}

std::vector<std::shared_ptr<const RowCondition>> VarModel::conditions(const GenerationRequest& request) const {
  auto rows = conditions_of(request.labels, [&](std::int64_t label) { return transformer().condition(label); });
  rows.resize(2 * rows.size(), unconditional_);
  return rows;
}

at::Tensor VarModel::first_input(const RowCondition& condition) const {
  return transformer().first_input(condition);
}
at::Tensor VarModel::next_input(const at::Tensor& map, int step) const {
  return transformer().next_input(quantiser().input_map(map, step), step);
}
at::Tensor VarModel::empty_map(std::int64_t samples) const {
  return quantiser().empty_map(samples);
}
void VarModel::accumulate(at::Tensor& map, const at::Tensor& tokens, int step) const {
  quantiser().accumulate(map, tokens, step);
}
at::Tensor VarModel::decode(const at::Tensor& map) const {
  return tokenizer().decode(map);
}

}  // namespace kvscope
