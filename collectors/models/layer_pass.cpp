#include "collectors/models/layer_pass.h"

#include "collectors/models/scale_model.h"

#include <fmt/format.h>

#include <utility>

namespace kvscope {
namespace {

constexpr double kLineSeconds = 5.0;

}  // namespace

void LayerPass::enter(int layer) {
  if (since_said_.seconds() >= kLineSeconds) say(layer);
  previous_ = std::exchange(current_, nullptr);
  current_ = model_.blocks().weights(layer);
}

void LayerPass::finish() {
  previous_ = nullptr;
  current_ = nullptr;
  say(model_.blocks().depth());
}

void LayerPass::say(int layers_done) {
  since_said_ = Stopwatch();
  std::ostream* out = model_.layer_progress();
  if (out == nullptr) return;
  *out << fmt::format("scale {} of {} ({} tokens): {} of {} layers after {:.1f} s\n", step_ + 1, model_.steps().size(),
                      model_.steps().n_query(step_), layers_done, model_.blocks().depth(), watch_.seconds());
  out->flush();
}

}  // namespace kvscope
