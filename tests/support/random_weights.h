#pragma once

#include "collectors/checkpoint/checkpoint.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope::testing {

/// Tensors of random numbers to be written into a checkpoint. The elements of all are cut out of one pool, so that
/// gigabytes of weights need some megabytes of memory. Numbers are normal with the deviation of VAR's initialisation
/// (0.02).
class RandomWeights {
 public:
  /// @param largest  elements of the largest tensor
  RandomWeights(std::int64_t largest, std::uint64_t seed);
  // The tensors refer to what it holds; moving leaves that where it is.
  RandomWeights(const RandomWeights&) = delete;
  RandomWeights& operator=(const RandomWeights&) = delete;
  RandomWeights(RandomWeights&&) = default;
  RandomWeights& operator=(RandomWeights&&) = default;
  ~RandomWeights() = default;

  void random(const std::string& name, const Shape& shape);
  void constant(const std::string& name, const Shape& shape, float value);
  void integers(const std::string& name, const Shape& shape, std::vector<std::int64_t> values);

  // Layers: NAME.weight and NAME.bias of each.
  void linear(const std::string& name, std::int64_t out, std::int64_t in);
  void convolution(const std::string& name, std::int64_t out, std::int64_t in, std::int64_t side);
  void norm(const std::string& name, std::int64_t channels);  ///< gains of 1
  /// A residual block of a tokenizer; convolutions and norms are called NAME.conv1SUFFIX, NAME.norm1SUFFIX.
  void residual_block(const std::string& name, std::int64_t in, std::int64_t out,
                      std::string_view convolution_suffix = "", std::string_view norm_suffix = "");

  [[nodiscard]] std::int64_t elements() const;
  /// One safetensors file. Floating-point numbers are written as `type`.
  void write(const std::filesystem::path& path, std::optional<ElementType> type = std::nullopt) const;
  /// model-N-of-M.safetensors of at most about `shard_bytes` each, and their index, into a folder that is made.
  void write_shards(const std::filesystem::path& folder, std::int64_t shard_bytes,
                    std::optional<ElementType> type = std::nullopt) const;

 private:
  void add(const std::string& name, ElementType type, const Shape& shape, std::span<const std::byte> from);

  std::vector<float> pool_;
  std::vector<std::vector<float>> constants_;
  std::vector<std::vector<std::int64_t>> integers_;
  std::vector<CheckpointTensor> tensors_;
};

}  // namespace kvscope::testing
