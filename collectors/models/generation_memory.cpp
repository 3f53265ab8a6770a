#include "collectors/models/generation_memory.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace kvscope {
namespace {

constexpr std::int64_t kFloatBytes = 4;
// LibTorch's code and what it allocates for itself.
constexpr std::int64_t kProgramBytes = std::int64_t{300} << 20;
// What the allocator keeps of freed memory grows with what comes and goes: so that runs stay below their estimate, one
// in so many bytes.
constexpr std::int64_t kShareHeldBack = 5;
// Tensors as large as the widest one that are alive while an image is decoded: a residual block's input, its copy in
// the library's order, normalised values, and the two results with half the channels and their copies.
constexpr std::int64_t kImageTensors = 4;

std::int64_t rows_at_once(const ModelSizes& sizes, const GenerationShape& shape) {
  return std::min<std::int64_t>(shape.threads, sizes.branches * shape.batch);
}

std::int64_t weight_bytes(const ModelSizes& sizes, const GenerationShape& shape) {
  const std::int64_t all = sizes.transformer.of_layers * element_bytes(shape.type);
  const std::int64_t layers = shape.layers == LayerStorage::kStreamed ? 2 * all / std::max(2, sizes.layers) : all;
  return layers + kFloatBytes * (sizes.transformer.of_others + (shape.images ? sizes.decoder_elements : 0));
}

std::int64_t cache_bytes(const ModelSizes& sizes, const GenerationShape& shape) {
  const std::int64_t rows = shape.caches * sizes.branches * shape.batch;
  return rows * sizes.layers * sizes.steps.tokens_read_later() * 2 * sizes.width * element_bytes(shape.type);
}

/// What texts and classes determine for a whole generation.
std::int64_t condition_bytes(const ModelSizes& sizes, const GenerationShape& shape) {
  const std::int64_t adaln = 6 * sizes.width * kFloatBytes;
  const std::int64_t text = shape.text_tokens * 2 * sizes.width * element_bytes(shape.type);
  return sizes.branches * shape.batch * sizes.layers * (adaln + text);
}

std::int64_t step_bytes(const ModelSizes& sizes, const GenerationShape& shape, int step) {
  const std::int64_t size = element_bytes(shape.type);
  const std::int64_t rows = sizes.branches * shape.batch;
  const std::int64_t tokens = sizes.steps.n_query(step);
  // Of every row: the residual stream, then queries, keys, values and attention's output.
  const std::int64_t of_all = rows * tokens * sizes.width * (kFloatBytes + 4 * size);
  // Of a row in progress: normalised input and packed projection with unit vectors and rotation in float32, or the two
  // sides of the feed-forward part, whichever is more; then the probabilities of cross attention.
  const std::int64_t projection = sizes.width * (7 * kFloatBytes + 4 * size);
  const std::int64_t feed_forward = sizes.width * (3 * kFloatBytes + 2 * size) + 2 * sizes.ffn_width * size;
  const std::int64_t text = sizes.heads * shape.text_tokens * (3 * kFloatBytes + 2 * size);
  const std::int64_t of_one =
      tokens * (std::max(projection, feed_forward) + text) + sizes.width * sizes.ffn_width * size;
  // Keys of a step that is not kept are attended to in a copy of their layer.
  const std::int64_t gathered =
      sizes.steps.is_read_later(step) ? 0 : rows * sizes.steps.n_key(step) * 2 * sizes.width * size;
  const std::int64_t logits = 3 * rows * tokens * sizes.token_logits * kFloatBytes;
  return std::max(of_all + std::max(rows_at_once(sizes, shape) * of_one, gathered), logits);
}

std::int64_t working_bytes(const ModelSizes& sizes, const GenerationShape& shape) {
  std::int64_t most = 0;
  for (int step = 0; step < sizes.steps.size(); ++step) most = std::max(most, step_bytes(sizes, shape, step));
  const std::int64_t images =
      std::min<std::int64_t>(shape.threads, shape.batch) * kImageTensors * sizes.widest_image * kFloatBytes;
  return condition_bytes(sizes, shape) + std::max(most, shape.images ? images : 0);
}

/// A way to need less, and the options that ask for it.
struct Remedy {
  GenerationShape shape;
  std::vector<std::string> options;
};

/// All bytes of a generation of the budget in another shape.
std::int64_t needed(const ModelSizes& sizes, const MemoryBudget& budget, const GenerationShape& shape) {
  return generation_memory(sizes, shape).total() + budget.besides_bytes(sizes, shape);
}

enum Change : unsigned { kSmallerBatch = 1, kStreamedLayers = 2, kHalfType = 4 };

/// The changes, those that apply, to what was asked for; the batch becomes the largest that fits.
std::optional<Remedy> remedy(const ModelSizes& sizes, const MemoryBudget& budget, unsigned changes) {
  const GenerationShape& asked = budget.shape;
  Remedy result{asked, {}};
  if ((changes & kStreamedLayers) != 0) {
    if (asked.layers == LayerStorage::kStreamed) return std::nullopt;
    result.shape.layers = LayerStorage::kStreamed;
    result.options.emplace_back("--stream-layers");
  }
  if ((changes & kHalfType) != 0) {
    if (asked.type != ElementType::kFloat32) return std::nullopt;
    result.shape.type = ElementType::kBFloat16;
    result.options.emplace_back("--dtype bf16");
  }
  if ((changes & kSmallerBatch) != 0) {
    if (asked.batch == 1) return std::nullopt;
    do {
      --result.shape.batch;
    } while (result.shape.batch > 1 && needed(sizes, budget, result.shape) > budget.available);
    result.options.push_back(fmt::format("--batch {}", result.shape.batch));
  }
  return result;
}

std::string gib(std::int64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / static_cast<double>(std::int64_t{1} << 30));
}

/// "it fits with --batch 2 (9.10 GiB) or --stream-layers (8.02 GiB)": the fewest options that help, else the best.
std::string advice(const ModelSizes& sizes, const MemoryBudget& budget) {
  const std::vector<std::vector<unsigned>> rounds = {
      {kSmallerBatch, kStreamedLayers, kHalfType},
      {kSmallerBatch | kStreamedLayers, kSmallerBatch | kHalfType, kStreamedLayers | kHalfType},
      {kSmallerBatch | kStreamedLayers | kHalfType}};
  std::int64_t least = INT64_MAX;
  std::string least_words;
  for (const std::vector<unsigned>& combinations : rounds) {
    std::vector<std::string> fitting;
    for (const unsigned changes : combinations) {
      const auto found = remedy(sizes, budget, changes);
      if (!found) continue;
      const std::int64_t need = needed(sizes, budget, found->shape);
      const std::string words = fmt::format("{} ({})", fmt::join(found->options, " "), gib(need));
      if (need <= budget.available) fitting.push_back(words);
      if (need < least) least_words = words;
      least = std::min(least, need);
    }
    if (!fitting.empty()) return fmt::format("it fits with {}", fmt::join(fitting, " or "));
  }
  return least_words.empty() ? "nothing makes it smaller" : fmt::format("even {} does not fit", least_words);
}

}  // namespace

TransformerElements count_elements(std::span<const ExpectedTensor> tensors, std::string_view blocks) {
  TransformerElements elements;
  for (const ExpectedTensor& tensor : tensors)
    (tensor.name.starts_with(blocks) ? elements.of_layers : elements.of_others) += element_count(tensor.shape);
  return elements;
}

ModelInfo info_of(const ModelSizes& sizes, ElementType type) {
  ModelInfo info;
  info.layers = sizes.layers;
  info.heads = static_cast<int>(sizes.heads);
  info.kv_heads = info.heads;
  info.head_dim = static_cast<int>(sizes.width / sizes.heads);
  info.branches.assign(static_cast<std::size_t>(sizes.branches), {});
  info.key_type = type;
  info.value_type = type;
  return info;
}

GenerationMemory generation_memory(const ModelSizes& sizes, const GenerationShape& shape) {
  const std::int64_t cache = cache_bytes(sizes, shape);
  const std::int64_t working = working_bytes(sizes, shape);
  return {.weights = weight_bytes(sizes, shape),
          .cache = cache,
          .working = working,
          .program = kProgramBytes + (cache + working) / kShareHeldBack};
}

MemoryNeed memory_need(const ModelSizes& sizes, GenerationShape shape, std::int64_t besides) {
  const auto with = [&](LayerStorage layers) {
    shape.layers = layers;
    return generation_memory(sizes, shape).total() + besides;
  };
  return {.resident = with(LayerStorage::kResident), .streamed = with(LayerStorage::kStreamed)};
}

void check_memory(const ModelSizes& sizes, const MemoryBudget& budget) {
  const GenerationShape& shape = budget.shape;
  const std::int64_t all = needed(sizes, budget, shape);
  if (all <= budget.available) return;
  const GenerationMemory memory = generation_memory(sizes, shape);
  throw environment_error(
      "not enough memory: {} in {} {} {} (weights {}, KV cache {}, the rest {}), but only {} may be taken; {}",
      shape.batch == 1 ? std::string("1 sample") : fmt::format("{} samples together", shape.batch),
      element_name(shape.type), shape.batch == 1 ? "needs" : "need", gib(all), gib(memory.weights), gib(memory.cache),
      gib(all - memory.weights - memory.cache), gib(budget.available), advice(sizes, budget));
}

}  // namespace kvscope
