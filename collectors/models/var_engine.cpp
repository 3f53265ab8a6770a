#include "collectors/models/var_engine.h"

#include "collectors/base/error.h"
#include "collectors/models/guided_model_info.h"
#include "collectors/models/image_pixels.h"
#include "collectors/models/libtorch_device.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/tensor_loading.h"
#include "collectors/models/token_drawing.h"
#include "collectors/models/var_model.h"

#include <ATen/ops/empty.h>

#include <utility>

namespace kvscope {
namespace {

std::shared_ptr<const VarModel> load_model(VarEngineOptions options) {
  check_compute_type(options.compute_type, options.device);
  check_layer_storage(options.layers, options.device);
  const at::Device device = libtorch_device(options.device);
  const auto transformer_file = std::make_shared<const Checkpoint>(Checkpoint::open(options.transformer));
  const auto tokenizer_file = std::make_shared<const Checkpoint>(Checkpoint::open(options.tokenizer));
  const VarConfig config = read_var_config(*transformer_file, {.scales = options.scales, .heads = options.heads});
  const VarTokenizerConfig tokenizer_config = read_var_tokenizer_config(*tokenizer_file);
  check_same_codes(config, options.transformer.string(), tokenizer_config, options.tokenizer.string());

  const TensorGroup tokenizer_group = var_tokenizer_group(*tokenizer_file);
  const std::int64_t side = config.sides.back() * tokenizer_config.autoencoder.downsampling();
  const ModelSizes sizes = model_sizes(config, transformer_elements(config), StepTable::square(config.sides),
                                       config.vocabulary, tokenizer_group, tokenizer_config.autoencoder, {side, side});
  check_memory_of_cpu(sizes, options);
  ModelInfo info = guided_model_info("var", config, config.softmax_scale(), *transformer_file, *tokenizer_file,
                                     options.compute_type);
  VarTransformer transformer(var_transformer_group(*transformer_file), config, scalar_type(options.compute_type),
                             device, options.layers);
  VarQuantiser quantiser(tokenizer_group, tokenizer_config, config.sides, device);
  VarTokenizer tokenizer(tokenizer_group, tokenizer_config, device);
  const auto model = std::make_shared<VarModel>(std::move(info),
                                                VarModel::Parts{.transformer_file = transformer_file,
                                                                .tokenizer_file = tokenizer_file,
                                                                .transformer = std::move(transformer),
                                                                .quantiser = std::move(quantiser),
                                                                .tokenizer = std::move(tokenizer)},
                                                row_execution(options.rows, options.device));
  model->set_sizes(sizes);
  model->use_graphs(std::move(options.graphs));
  if (options.layers == LayerStorage::kStreamed) model->say_layer_progress_to(options.progress);
  return model;
}

}  // namespace

VarEngine::VarEngine(std::shared_ptr<const VarModel> model) : ScaleEngine(model), model_(std::move(model)) {}
VarEngine::~VarEngine() = default;

std::int64_t VarEngine::classes() const {
  return config().classes;
}
const VarConfig& VarEngine::config() const {
  return model_->transformer().config();
}
const VarTokenizerConfig& VarEngine::tokenizer_config() const {
  return model_->tokenizer().config();
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
    const at::Tensor features = model_->tokenizer().encode(image_of_pixels(images[sample], model_->device()));
    const std::vector<at::Tensor> of_sample = model_->quantiser().quantise(features);
    for (std::size_t step = 0; step < tokens.size(); ++step) tokens[step][sample].copy_(of_sample[step]);
  });
  return tokens;
}

at::Tensor VarEngine::decode(const std::vector<at::Tensor>& tokens) const {
  const LibTorchScope scope;
  require(static_cast<int>(tokens.size()) == steps().size(), "decode: tokens of every step are needed");
  const std::int64_t samples = tokens.front().defined() && tokens.front().dim() > 0 ? tokens.front().size(0) : 0;
  for (int step = 0; step < steps().size(); ++step)
    check_tokens(token_space(), tokens[static_cast<std::size_t>(step)], samples, steps().n_query(step), step);
  std::vector<at::Tensor> maps(static_cast<std::size_t>(samples));
  model_->for_each_sample(samples, [&](std::int64_t sample) {
    const LibTorchScope sample_scope;
    at::Tensor map = model_->empty_map(1);
    for (int step = 0; step < steps().size(); ++step) {
      model_->accumulate(map, tokens[static_cast<std::size_t>(step)][sample].contiguous().to(model_->device()), step);
    }
    maps[static_cast<std::size_t>(sample)] = map;
  });
  return model_->render(maps);
}

std::unique_ptr<VarEngine> load_var_engine(VarEngineOptions options) {
  return std::make_unique<VarEngine>(load_model(std::move(options)));
}

}  // namespace kvscope
