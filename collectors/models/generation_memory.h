#pragma once

#include "collectors/base/element_type.h"
#include "collectors/geometry/model_info.h"
#include "collectors/geometry/step_table.h"
#include "collectors/models/autoencoder_geometry.h"
#include "collectors/models/layer_storage.h"
#include "collectors/models/tensor_group.h"

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

namespace kvscope {

/// Numbers in a transformer's weights.
struct TransformerElements {
  std::int64_t of_layers = 0;  ///< in all blocks together
  std::int64_t of_others = 0;  ///< in embeddings, conditioning and the head
};

/// @param blocks  what the names of the blocks' tensors begin with
[[nodiscard]] TransformerElements count_elements(std::span<const ExpectedTensor> tensors, std::string_view blocks);

/// What decides how much memory a model takes: known from the names and shapes in its files, before anything is loaded.
struct ModelSizes {
  StepTable steps;
  std::int64_t branches = 2;  ///< rows of a sample
  int layers = 0;
  std::int64_t heads = 0;
  std::int64_t width = 0;  ///< C, also of all keys of a token
  std::int64_t ffn_width = 0;
  std::int64_t token_logits = 0;  ///< logits of one token
  TransformerElements transformer;
  std::int64_t decoder_elements = 0;  ///< in the weights that turn tokens into an image, float32
  std::int64_t widest_image = 0;      ///< numbers in the widest tensor while an image is decoded, float32
};

/// @param config      of a transformer, with depth, heads, width and ffn_width
/// @param image_size  height and width in pixels
template <typename Config>
[[nodiscard]] ModelSizes model_sizes(const Config& config, const TransformerElements& elements, StepTable steps,
                                     std::int64_t token_logits, const TensorGroup& tokenizer,
                                     const AutoencoderGeometry& autoencoder, std::array<std::int64_t, 2> image_size) {
  ModelSizes sizes{.steps = std::move(steps),
                   .layers = config.depth,
                   .heads = config.heads,
                   .width = config.width,
                   .ffn_width = config.ffn_width,
                   .token_logits = token_logits,
                   .transformer = elements};
  for (const std::string_view name : tokenizer.names()) {
    if (name.find("decoder.") != std::string_view::npos) sizes.decoder_elements += tokenizer.at(name).elements();
  }
  // The finest level begins with the channels of the one before it, already at full size.
  const std::size_t widest = autoencoder.level_channels.size() > 1 ? 1 : 0;
  sizes.widest_image = autoencoder.level_channels[widest] * image_size[0] * image_size[1];
  return sizes;
}

/// What its sizes say of a model; scale, names and files are not known.
[[nodiscard]] ModelInfo info_of(const ModelSizes& sizes, ElementType type);

/// How a model is run, as far as memory is concerned.
struct GenerationShape {
  ElementType type = ElementType::kFloat32;  ///< of weights, activations and the cache
  LayerStorage layers = LayerStorage::kResident;
  std::int64_t batch = 1;        ///< samples together
  int caches = 1;                ///< full KV caches at the same time
  std::int64_t text_tokens = 0;  ///< of the longest prompt
  bool images = true;            ///< whether they are decoded
  int threads = 1;
};

/// Memory in bytes that a generation on the CPU takes at its fullest, and what for.
struct GenerationMemory {
  std::int64_t weights = 0;
  std::int64_t cache = 0;    ///< keys and values of all caches
  std::int64_t working = 0;  ///< activations and the library's copies of weights, at the step or image that takes most
  std::int64_t program = 0;  ///< code and tables of the process, and freed memory that its allocator keeps

  [[nodiscard]] std::int64_t total() const noexcept { return weights + cache + working + program; }
};

/// An estimate: sizes of tensors that are alive at the same time. docs/large_models.md has it beside measurements.
[[nodiscard]] GenerationMemory generation_memory(const ModelSizes& sizes, const GenerationShape& shape);

/// Memory in bytes that a run takes in all, by where its layers are.
struct MemoryNeed {
  std::int64_t resident = 0;
  std::int64_t streamed = 0;
};

/// @param shape    whose layers do not matter
/// @param besides  bytes that whoever generates holds besides
[[nodiscard]] MemoryNeed memory_need(const ModelSizes& sizes, GenerationShape shape, std::int64_t besides);

/// What a generation may take, and what it will be.
struct MemoryBudget {
  std::int64_t available = 0;  ///< bytes
  GenerationShape shape;
  /// Bytes that whoever generates holds besides; empty: none.
  std::function<std::int64_t(const ModelSizes&, const GenerationShape&)> besides;

  [[nodiscard]] std::int64_t besides_bytes(const ModelSizes& sizes, const GenerationShape& run) const {
    return besides ? besides(sizes, run) : 0;
  }
};

/// @throws Error  kEnvironment if more is needed than is available: one line with what is needed, and which options
///                would make it fit.
void check_memory(const ModelSizes& sizes, const MemoryBudget& budget);

/// The same of what a family's engine is loaded with, where there is a budget and it computes on the CPU.
template <typename Options>
void check_memory_of_cpu(const ModelSizes& sizes, const Options& options) {
  if (!options.memory || options.device.is_cuda()) return;
  MemoryBudget budget = *options.memory;
  budget.shape.type = options.compute_type;
  budget.shape.layers = options.layers;
  check_memory(sizes, budget);
}

}  // namespace kvscope
