#include "collectors/models/engine.h"

#include "collectors/base/error.h"
#include "collectors/models/layer_gradients.h"

namespace kvscope {

std::unique_ptr<LayerGradients> Engine::differentiate(const GenerationRequest& /*request*/) const {
  throw environment_error("this engine has no derivatives");
}

}  // namespace kvscope
