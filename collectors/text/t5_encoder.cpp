#include "collectors/text/t5_encoder.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/checkpoint_index.h"
#include "collectors/models/libtorch_device.h"
#include "collectors/models/libtorch_scope.h"
#include "collectors/models/linear_layer.h"
#include "collectors/models/tensor_loading.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/baddbmm.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <array>
#include <utility>

namespace kvscope {
namespace {

// Names of one and the same matrix; files hold one of them or all.
constexpr std::array<std::string_view, 3> kEmbeddingNames = {"shared.weight", "encoder.embed_tokens.weight",
                                                             "decoder.embed_tokens.weight"};

std::string_view embedding_name(const TensorGroup& group) {
  const auto found = std::find_if(kEmbeddingNames.begin(), kEmbeddingNames.end(),
                                  [&](std::string_view name) { return group.has(name); });
  return found == kEmbeddingNames.end() ? kEmbeddingNames.front() : *found;
}

void check_weights(const TensorGroup& group, const T5Config& config) {
  std::vector<ExpectedTensor> expected = t5_encoder_tensors(config);
  expected.push_back({std::string(embedding_name(group)), {config.vocabulary, config.width}});
  check_tensors(group, "T5 encoder", expected, is_outside_t5_encoder);
}

at::ScalarType linear_type(ElementType compute_type) {
  if (compute_type != ElementType::kFloat32 && compute_type != ElementType::kBFloat16) {
    throw usage_error("T5 encoder: cannot compute in {}, expected float32 or bfloat16", element_name(compute_type));
  }
  return scalar_type(compute_type);
}

}  // namespace

struct T5Encoder::Network {
  struct Block {
    at::Tensor q, k, v, o;                        ///< [heads * head_width, width], o transposed
    at::Tensor attention_norm, feedforward_norm;  ///< [width] float32
    at::Tensor wi_0, wi_1;                        ///< [inner_width, width]
    at::Tensor wo;                                ///< [width, inner_width] float32
  };

  Network(Checkpoint weights, const T5Config& geometry, at::ScalarType type, at::Device where);

  [[nodiscard]] at::Tensor normalised(const at::Tensor& x, const at::Tensor& weight) const {
    return at::rms_norm(x, {config.width}, weight, config.epsilon);
  }
  /// Embedding of the ids, [tokens, width] float32.
  [[nodiscard]] at::Tensor embedded(std::span<const std::int32_t> ids) const;
  /// What block 0 adds to the scores of every block, [heads, tokens, tokens] float32.
  [[nodiscard]] at::Tensor bias(std::int64_t tokens) const;
  /// What attention adds to x.
  [[nodiscard]] at::Tensor attended(const Block& block, const at::Tensor& x, const at::Tensor& bias) const;
  /// What the feed-forward layer adds to x.
  [[nodiscard]] at::Tensor fed_forward(const Block& block, const at::Tensor& x) const;

  Checkpoint file;  ///< what the tensors are mapped from
  T5Config config;
  at::ScalarType compute_type;
  at::Device device;
  at::Tensor embedding;      ///< [vocabulary, width] of the file's type, on the CPU
  at::Tensor position_bias;  ///< [buckets, heads] float32, on the CPU
  at::Tensor final_norm;     ///< [width] float32
  std::vector<Block> blocks;
};

T5Encoder::Network::Network(Checkpoint weights, const T5Config& geometry, at::ScalarType type, at::Device where)
    : file(std::move(weights)), config(geometry), compute_type(type), device(where) {
  const LibTorchScope scope;
  const TensorGroup group(file, "");
  const CheckpointTensor& table = group.at(embedding_name(group));
  embedding = load_tensor(table, scalar_type(table.type));
  position_bias =
      load_tensor(group, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", at::kFloat);
  final_norm = load_tensor(group, "encoder.final_layer_norm.weight", at::kFloat, device);
  for (std::int64_t layer = 0; layer < config.layers; ++layer) {
    const auto load = [&](const char* name, at::ScalarType of_type) {
      return load_tensor(group, fmt::format("encoder.block.{}.layer.{}.weight", layer, name), of_type, device);
    };
    Block block;
    block.q = load("0.SelfAttention.q", compute_type);
    block.k = load("0.SelfAttention.k", compute_type);
    block.v = load("0.SelfAttention.v", compute_type);
    block.o = load("0.SelfAttention.o", compute_type);
    block.attention_norm = load("0.layer_norm", at::kFloat);
    block.wi_0 = load("1.DenseReluDense.wi_0", compute_type);
    block.wi_1 = load("1.DenseReluDense.wi_1", compute_type);
    block.wo = load("1.DenseReluDense.wo", at::kFloat);
    block.feedforward_norm = load("1.layer_norm", at::kFloat);
    blocks.push_back(std::move(block));
  }
}

at::Tensor T5Encoder::Network::embedded(std::span<const std::int32_t> ids) const {
  at::Tensor indices = at::empty({std::ssize(ids)}, at::TensorOptions().dtype(at::kLong));
  std::copy(ids.begin(), ids.end(), indices.data_ptr<std::int64_t>());
  return embedding.index_select(0, indices).to(at::kFloat).to(device);
}

at::Tensor T5Encoder::Network::bias(std::int64_t tokens) const {
  at::Tensor result = at::empty({config.heads, tokens, tokens}, at::TensorOptions().dtype(at::kFloat));
  float* value = result.data_ptr<float>();
  const float* table = position_bias.const_data_ptr<float>();
  std::vector<std::int64_t> buckets;  // of key - query, from -(tokens - 1) on
  for (std::int64_t offset = 1 - tokens; offset < tokens; ++offset) {
    buckets.push_back(relative_position_bucket(offset, config));
  }
  for (std::int64_t head = 0; head < config.heads; ++head) {
    for (std::int64_t query = 0; query < tokens; ++query) {
      for (std::int64_t key = 0; key < tokens; ++key) {
        *value++ = table[buckets[static_cast<std::size_t>(key - query + tokens - 1)] * config.heads + head];
      }
    }
  }
  return result.to(device);
}

at::Tensor T5Encoder::Network::attended(const Block& block, const at::Tensor& x, const at::Tensor& bias) const {
  const at::Tensor input = normalised(x, block.attention_norm).to(compute_type);
  const auto heads_of = [&](const at::Tensor& weight) {
    return linear_product(input, weight)
        .to(at::kFloat)
        .view({x.size(0), config.heads, config.head_width})
        .transpose(0, 1);  // [heads, tokens, head_width]
  };
  const at::Tensor scores = at::baddbmm(bias, heads_of(block.q), heads_of(block.k).transpose(1, 2));
  const at::Tensor outputs = at::bmm(at::softmax(scores, -1), heads_of(block.v));
  const at::Tensor joined = outputs.transpose(0, 1).flatten(1);
  return linear_product(joined.to(compute_type), block.o).to(at::kFloat);
}

at::Tensor T5Encoder::Network::fed_forward(const Block& block, const at::Tensor& x) const {
  const at::Tensor input = normalised(x, block.feedforward_norm).to(compute_type);
  const at::Tensor gate = at::gelu(linear_product(input, block.wi_0).to(at::kFloat), "tanh");
  return linear_product(gate * linear_product(input, block.wi_1).to(at::kFloat), block.wo);
}

T5Encoder::T5Encoder(std::unique_ptr<Network> network) : network_(std::move(network)) {}
T5Encoder::~T5Encoder() = default;
T5Encoder::T5Encoder(T5Encoder&&) noexcept = default;
T5Encoder& T5Encoder::operator=(T5Encoder&&) noexcept = default;

T5Encoder T5Encoder::open(const std::filesystem::path& folder, ElementType compute_type, const ComputeDevice& device) {
  const at::ScalarType type = linear_type(compute_type);
  const T5Config config = read_t5_config(folder / "config.json");
  Checkpoint weights = Checkpoint::open(weights_file_of_folder(folder));
  check_weights(TensorGroup(weights, ""), config);
  return T5Encoder(std::make_unique<Network>(std::move(weights), config, type, libtorch_device(device)));
}

const T5Config& T5Encoder::config() const noexcept {
  return network_->config;
}

Array<float> T5Encoder::encode(std::span<const std::int32_t> ids) const {
  const T5Config& config = network_->config;
  require(!ids.empty(), "T5Encoder: there must be at least one id");
  require(std::all_of(ids.begin(), ids.end(), [&](std::int32_t id) { return id >= 0 && id < config.vocabulary; }),
          "T5Encoder: every id must be in the vocabulary");
  const LibTorchScope scope;
  at::Tensor x = network_->embedded(ids);
  const at::Tensor bias = network_->bias(std::ssize(ids));
  for (const Network::Block& block : network_->blocks) {
    x = x + network_->attended(block, x, bias);
    x = x + network_->fed_forward(block, x);
  }
  const at::Tensor features = network_->normalised(x, network_->final_norm).to(at::kCPU).contiguous();
  Array<float> result({std::ssize(ids), config.width});
  std::copy_n(features.const_data_ptr<float>(), result.size(), result.data());
  return result;
}

}  // namespace kvscope
