#include "support/random_weights.h"

#include "collectors/base/json_file.h"
#include "collectors/checkpoint/safetensors_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <span>
#include <utility>

namespace kvscope::testing {
namespace {

// Every tensor starts elsewhere in the pool, so that no two layers are alike.
constexpr std::int64_t kShift = 1024;
constexpr std::int64_t kPlaces = 997;

std::int64_t written_bytes(const CheckpointTensor& tensor, std::optional<ElementType> type) {
  return tensor.elements() * element_bytes(written_type(tensor.type, type));
}

/// Tensors in order, cut where a shard would become larger than `shard_bytes`.
std::vector<std::span<const CheckpointTensor>> cut(std::span<const CheckpointTensor> tensors, std::int64_t shard_bytes,
                                                   std::optional<ElementType> type) {
  std::vector<std::span<const CheckpointTensor>> shards;
  std::size_t begin = 0;
  std::int64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    bytes += written_bytes(tensors[i], type);
    if (bytes > shard_bytes && i > begin) {
      shards.push_back(tensors.subspan(begin, i - begin));
      begin = i;
      bytes = written_bytes(tensors[i], type);
    }
  }
  shards.push_back(tensors.subspan(begin));
  return shards;
}

}  // namespace

RandomWeights::RandomWeights(std::int64_t largest, std::uint64_t seed)
    : pool_(static_cast<std::size_t>(largest + kShift * kPlaces)) {
  constexpr float kDeviation = 0.02F;
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal(0.0F, kDeviation);
  std::ranges::generate(pool_, [&] { return normal(random); });
}

void RandomWeights::random(const std::string& name, const Shape& shape) {
  const auto place = static_cast<std::size_t>(kShift * (static_cast<std::int64_t>(tensors_.size()) % kPlaces));
  add(name, ElementType::kFloat32, shape, std::as_bytes(std::span(pool_).subspan(place)));
}

void RandomWeights::constant(const std::string& name, const Shape& shape, float value) {
  const auto& values = constants_.emplace_back(static_cast<std::size_t>(element_count(shape)), value);
  add(name, ElementType::kFloat32, shape, std::as_bytes(std::span(values)));
}

void RandomWeights::integers(const std::string& name, const Shape& shape, std::vector<std::int64_t> values) {
  const auto& kept = integers_.emplace_back(std::move(values));
  add(name, ElementType::kInt64, shape, std::as_bytes(std::span(kept)));
}

void RandomWeights::linear(const std::string& name, std::int64_t out, std::int64_t in) {
  random(name + ".weight", {out, in});
  random(name + ".bias", {out});
}

void RandomWeights::convolution(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t side) {
  random(name + ".weight", {out, in, side, side});
  random(name + ".bias", {out});
}

void RandomWeights::norm(const std::string& name, std::int64_t channels) {
  constant(name + ".weight", {channels}, 1.0F);
  random(name + ".bias", {channels});
}

void RandomWeights::residual_block(const std::string& name, std::int64_t in, std::int64_t out,
                                   std::string_view convolution_suffix, std::string_view norm_suffix) {
  norm(fmt::format("{}.norm1{}", name, norm_suffix), in);
  convolution(fmt::format("{}.conv1{}", name, convolution_suffix), out, in, 3);
  norm(fmt::format("{}.norm2{}", name, norm_suffix), out);
  convolution(fmt::format("{}.conv2{}", name, convolution_suffix), out, out, 3);
  if (in != out) convolution(fmt::format("{}.nin_shortcut{}", name, convolution_suffix), out, in, 1);
}

std::int64_t RandomWeights::elements() const {
  std::int64_t count = 0;
  for (const CheckpointTensor& tensor : tensors_) count += tensor.elements();
  return count;
}

void RandomWeights::write(const std::filesystem::path& path, std::optional<ElementType> type) const {
  write_safetensors(path, tensors_, type);
}

void RandomWeights::write_shards(const std::filesystem::path& folder, std::int64_t shard_bytes,
                                 std::optional<ElementType> type) const {
  const auto shards = cut(tensors_, shard_bytes, type);
  Json map = Json::object();
  std::int64_t bytes = 0;
  for (std::size_t shard = 0; shard < shards.size(); ++shard) {
    const std::string name = fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards.size());
    write_safetensors(folder / name, shards[shard], type);
    for (const CheckpointTensor& tensor : shards[shard]) {
      map[tensor.name] = name;
      bytes += written_bytes(tensor, type);
    }
  }
  write_json_file(folder / "model.safetensors.index.json",
                  {{"metadata", {{"total_size", bytes}}}, {"weight_map", std::move(map)}});
}

void RandomWeights::add(const std::string& name, ElementType type, const Shape& shape,
                        std::span<const std::byte> from) {
  Shape strides(shape.size(), 1);
  for (std::size_t axis = shape.size(); axis-- > 1;) strides[axis - 1] = strides[axis] * shape[axis];
  const auto bytes = static_cast<std::size_t>(element_count(shape) * element_bytes(type));
  tensors_.push_back({name, type, shape, strides, from.first(bytes)});
}

}  // namespace kvscope::testing
