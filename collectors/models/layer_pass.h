#pragma once

#include "collectors/base/stopwatch.h"
#include "collectors/models/block_weights.h"

#include <memory>

namespace kvscope {

class ScaleModel;

/// One step's way through the layers of a model. Keeps the weights of the layer that all rows are at and of the one
/// before it, so that rows share one reading where layers are streamed, and then says how far the step is
/// (ScaleModel::layer_progress()): a line for each step, and in long ones a line every few seconds.
class LayerPass {
 public:
  LayerPass(const ScaleModel& model, int step) : model_(model), step_(step) {}

  /// The rows come to `layer`, the first or the one after the latest.
  void enter(int layer);
  /// All rows have passed the last layer.
  void finish();

 private:
  void say(int layers_done);

  const ScaleModel& model_;
  int step_;
  std::shared_ptr<const BlockWeights> current_, previous_;
  Stopwatch watch_;
  Stopwatch since_said_;
};

}  // namespace kvscope
