#include "collectors/models/infinity_engine.h"

#include "collectors/base/error.h"
#include "collectors/models/guided_model_info.h"
#include "collectors/models/infinity_model.h"
#include "collectors/models/libtorch_device.h"
#include "collectors/models/tensor_loading.h"

#include <utility>

namespace kvscope {
namespace {

std::shared_ptr<const InfinityModel> load_model(InfinityEngineOptions options) {
  check_compute_type(options.compute_type, options.device);
  check_published_ratio(options.height_over_width);
  check_layer_storage(options.layers, options.device);
  const InfinitySchedule schedule = infinity_schedule(options.image_size, options.height_over_width);
  if (options.text_tokens < 0) throw usage_error("prompts of {} tokens are impossible", options.text_tokens);
  const at::Device device = libtorch_device(options.device);
  const auto transformer_file = std::make_shared<const Checkpoint>(Checkpoint::open(options.transformer));
  const auto tokenizer_file = std::make_shared<const Checkpoint>(Checkpoint::open(options.tokenizer));
  const InfinityConfig config = read_infinity_config(*transformer_file);
  const BsqTokenizerConfig tokenizer_config = read_bsq_tokenizer_config(*tokenizer_file);
  const int cells = code_cells_per_side(config.token_bits, options.transformer.string(), tokenizer_config,
                                        options.tokenizer.string());

  const std::int64_t pixels = cells * tokenizer_config.autoencoder.downsampling();
  const TokenGrid last = schedule.scales.back();
  const std::array image_size{last.height * pixels, last.width * pixels};
  StepTable steps = schedule.steps();
  ModelSizes sizes = model_sizes(config, transformer_elements(config), steps, 2 * config.token_bits,
                                 bsq_tokenizer_group(*tokenizer_file), tokenizer_config.autoencoder, image_size);
  sizes.branches = options.unconditional_rows ? 2 : 1;
  check_memory_of_cpu(sizes, options);

  ModelInfo info = guided_model_info("infinity", config, 1.0, *transformer_file, *tokenizer_file, options.compute_type);
  if (!options.unconditional_rows) info.branches.pop_back();
  const std::int64_t text_tokens = options.text_tokens > 0 ? options.text_tokens : config.text_rows;
  InfinityTransformer transformer(infinity_transformer_group(*transformer_file), config, schedule, text_tokens,
                                  scalar_type(options.compute_type), device, options.layers);
  BsqQuantiser quantiser(tokenizer_config.code_width(), cells, steps, device);
  BsqTokenizer tokenizer(bsq_tokenizer_group(*tokenizer_file), tokenizer_config, device);
  const auto model = std::make_shared<InfinityModel>(std::move(info), std::move(steps), image_size,
                                                     InfinityModel::Parts{.transformer_file = transformer_file,
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

InfinityEngine::InfinityEngine(std::shared_ptr<const InfinityModel> model)
    : ScaleEngine(model), model_(std::move(model)) {}
InfinityEngine::~InfinityEngine() = default;

const InfinityConfig& InfinityEngine::config() const {
  return model_->transformer().config();
}

std::unique_ptr<InfinityEngine> load_infinity_engine(InfinityEngineOptions options) {
  return std::make_unique<InfinityEngine>(load_model(std::move(options)));
}

}  // namespace kvscope
