#include "collectors/models/var_engine.h"

#include "collectors/base/error.h"
#include "collectors/models/image_pixels.h"
#include "collectors/models/libtorch_device.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"
#include "collectors/models/var_batch_session.h"
#include "collectors/models/var_model.h"
#include "collectors/models/var_session.h"

#include <ATen/ops/empty.h>

#include <utility>

namespace kvscope {
namespace {

ModelInfo model_info(const VarConfig& config, const Checkpoint& transformer, const Checkpoint& tokenizer,
                     ElementType compute_type) {
  const Checkpoint* files[] = {&transformer, &tokenizer};
  return {.family = "var",
          .fingerprint = fingerprint(files),
          .layers = config.depth,
          .heads = config.heads,
          .kv_heads = config.heads,
          .head_dim = config.head_dim,
          .softmax_scale = {config.softmax_scale()},
          .branches = {"conditional", "unconditional"},
          .key_type = compute_type,
          .value_type = compute_type};
}

/// The bounds on |logit| that unit lengths guarantee, widened by what rounding q and k to `compute_type`
/// can add (half a unit in the last place each, and the sum's own rounding).
std::vector<std::vector<float>> logit_bounds(const VarTransformer& transformer, ElementType compute_type) {
  // bfloat16 rounds by up to 2^-9, float16 by 2^-12.
  const float slack = compute_type == ElementType::kBFloat16  ? 1.01F
                      : compute_type == ElementType::kFloat16 ? 1.002F
                                                              : 1.0001F;
  std::vector<std::vector<float>> bounds;
  for (int layer = 0; layer < transformer.config().depth; ++layer) {
    bounds.push_back(transformer.temperatures(layer));
    for (float& bound : bounds.back()) bound *= slack;
  }
  return bounds;
}

void check_compute_type(const VarEngineOptions& options) {
  const ElementType type = options.compute_type;
  if (type == ElementType::kFloat32 || type == ElementType::kBFloat16) return;
  if (type == ElementType::kFloat16 && options.device.is_cuda()) return;
  if (type == ElementType::kFloat16) throw usage_error("compute type float16 needs a GPU; on a CPU there is bfloat16");
  throw usage_error("compute type {} is not supported; float32 and bfloat16 are", element_name(type));
}

std::shared_ptr<const VarModel> load_model(VarEngineOptions options) {
  check_compute_type(options);
  const at::Device device = libtorch_device(options.device);
  Checkpoint transformer_file = Checkpoint::open(options.transformer);
  Checkpoint tokenizer_file = Checkpoint::open(options.tokenizer);
  const VarConfig config = read_var_config(transformer_file, {.scales = options.scales, .heads = options.heads});
  const VarTokenizerConfig tokenizer_config = read_var_tokenizer_config(tokenizer_file);
  check_same_codes(config, options.transformer.string(), tokenizer_config, options.tokenizer.string());

  const TensorGroup tokenizer_group = var_tokenizer_group(tokenizer_file);
  VarTransformer transformer(var_transformer_group(transformer_file), config, scalar_type(options.compute_type),
                             device);
  VarTransformer::Condition unconditional = transformer.condition(config.classes);
  ModelInfo info = model_info(config, transformer_file, tokenizer_file, options.compute_type);
  std::vector<std::vector<float>> bounds = logit_bounds(transformer, options.compute_type);
  VarQuantiser quantiser(tokenizer_group, tokenizer_config, config.sides, device);
  VarTokenizer tokenizer(tokenizer_group, tokenizer_config, device);
  const RowExecution rows =
      options.rows.value_or(options.device.is_cuda() ? RowExecution::kTogether : RowExecution::kOneByOne);
  std::shared_ptr<StepGraphs> graphs;
  if (options.graphs != nullptr) graphs = std::make_shared<StepGraphs>(std::move(options.graphs));
  return std::make_shared<const VarModel>(VarModel{.transformer_file = std::move(transformer_file),
                                                   .tokenizer_file = std::move(tokenizer_file),
                                                   .info = std::move(info),
                                                   .steps = StepTable::square(config.sides),
                                                   .transformer = std::move(transformer),
                                                   .quantiser = std::move(quantiser),
                                                   .tokenizer = std::move(tokenizer),
                                                   .unconditional = std::move(unconditional),
                                                   .softmax_scale = {static_cast<float>(config.softmax_scale())},
                                                   .logit_bounds = std::move(bounds),
                                                   .rows = rows,
                                                   .graphs = std::move(graphs)});
}

}  // namespace

VarEngine::VarEngine(std::shared_ptr<const VarModel> model) : model_(std::move(model)) {}
VarEngine::~VarEngine() = default;

const ModelInfo& VarEngine::model() const {
  return model_->info;
}
const StepTable& VarEngine::steps() const {
  return model_->steps;
}
std::int64_t VarEngine::classes() const {
  return config().classes;
}
std::int64_t VarEngine::vocabulary() const {
  return config().vocabulary;
}
ComputeDevice VarEngine::device() const {
  const at::Device device = model_->device();
  if (device.is_cpu()) return {};
  return {.kind = DeviceKind::kCuda, .ordinal = device.index()};
}
bool VarEngine::uses_graphs() const {
  return model_->graphs != nullptr && model_->rows == RowExecution::kTogether;
}
const VarConfig& VarEngine::config() const {
  return model_->transformer.config();
}
const VarTokenizerConfig& VarEngine::tokenizer_config() const {
  return model_->tokenizer.config();
}
std::int64_t VarEngine::image_side() const {
  return model_->image_side();
}

std::unique_ptr<GenerationSession> VarEngine::start(const GenerationRequest& request) const {
  return start(request, {});
}

std::unique_ptr<GenerationSession> VarEngine::start(const GenerationRequest& request, VarObserver observer) const {
  if (model_->rows == RowExecution::kTogether || request.with_gradients) {
    return std::make_unique<VarBatchSession>(model_, request, std::move(observer));
  }
  return std::make_unique<VarSession>(model_, request, std::move(observer));
}

std::vector<at::Tensor> VarEngine::encode(const at::Tensor& images) const {
  const LibTorchScope scope;
  const std::int64_t side = image_side();
  if (!images.defined() || images.scalar_type() != at::kByte || images.dim() != 4 || images.size(1) != side ||
      images.size(2) != side || images.size(3) != 3) {
    throw usage_error("encode: expected images of [batch, {}, {}, 3] uint8", side, side);
  }
  const std::int64_t samples = images.size(0);
  std::vector<at::Tensor> tokens;
  for (int step = 0; step < steps().size(); ++step)
    tokens.push_back(at::empty({samples, steps().n_query(step)}, at::kLong));
  model_->for_each_sample(samples, [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    const at::Tensor features = model_->tokenizer.encode(image_of_pixels(images[sample], model_->device()));
    const std::vector<at::Tensor> of_sample = model_->quantiser.quantise(features);
    for (std::size_t step = 0; step < tokens.size(); ++step) tokens[step][sample].copy_(of_sample[step]);
  });
  return tokens;
}

at::Tensor VarEngine::decode(const std::vector<at::Tensor>& tokens) const {
  const LibTorchScope scope;
  require(static_cast<int>(tokens.size()) == steps().size(), "decode: tokens of every step are needed");
  const std::int64_t samples = tokens.front().defined() && tokens.front().dim() > 0 ? tokens.front().size(0) : 0;
  for (int step = 0; step < steps().size(); ++step)
    check_tokens(*model_, tokens[static_cast<std::size_t>(step)], samples, step);
  std::vector<at::Tensor> maps(static_cast<std::size_t>(samples));
  model_->for_each_sample(samples, [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    at::Tensor map = model_->quantiser.empty_map();
    for (int step = 0; step < steps().size(); ++step) {
      model_->quantiser.accumulate(
          map, tokens[static_cast<std::size_t>(step)][sample].contiguous().to(model_->device()), step);
    }
    maps[static_cast<std::size_t>(sample)] = map;
  });
  return render(*model_, maps);
}

std::unique_ptr<VarEngine> load_var_engine(VarEngineOptions options) {
  return std::make_unique<VarEngine>(load_model(std::move(options)));
}

}  // namespace kvscope
