#pragma once

#include "collectors/models/engine.h"
#include "collectors/models/generation_observer.h"

#include <array>
#include <memory>

namespace kvscope {

class ScaleModel;

/// What the engines of all families of next-scale prediction have in common. On the CPU every row is computed on its
/// own, so that its bits depend neither on the batch nor on the number of threads; on a GPU all rows of a batch go
/// through every operation together (RowExecution).
class ScaleEngine : public Engine {
 public:
  explicit ScaleEngine(std::shared_ptr<const ScaleModel> model);
  ~ScaleEngine() override;

  [[nodiscard]] const ModelInfo& model() const override;
  [[nodiscard]] const StepTable& steps() const override;
  [[nodiscard]] TokenSpace token_space() const override;
  [[nodiscard]] std::array<std::int64_t, 2> image_size() const override;
  [[nodiscard]] ComputeDevice device() const override;
  [[nodiscard]] std::optional<ModelSizes> sizes() const override;
  [[nodiscard]] bool uses_graphs() const override;
  void check(const GenerationRequest& request) const override;
  [[nodiscard]] std::unique_ptr<GenerationSession> start(const GenerationRequest& request) const override;
  [[nodiscard]] std::unique_ptr<GenerationSession> start(const GenerationRequest& request,
                                                         GenerationObserver observer) const;
  [[nodiscard]] std::unique_ptr<LayerGradients> differentiate(const GenerationRequest& request) const override;

 private:
  std::shared_ptr<const ScaleModel> scale_model_;
};

}  // namespace kvscope
