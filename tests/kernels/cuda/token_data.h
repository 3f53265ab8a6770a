#pragma once

#include "cuda/selection_device.h"

#include <cstdint>
#include <vector>

namespace kvscope::testing {

struct TokenShape {
  ElementType type = ElementType::kFloat32;
  std::int64_t rows = 1;
  std::int64_t kv_heads = 1;
  std::int64_t head_dim = 32;
  std::int64_t n_own = 1;
  std::vector<std::int32_t> held;  ///< [pairs]
};

/// Keys and values of all pairs of a layer on a device, and the same as the exact float32 values they stand for. The
/// pairs' slots lie in the slab in reverse order, with room for n_own more each; own tokens lie head beside head.
class TokenData {
 public:
  TokenData(SelectionDevice& device, const TokenShape& shape, std::uint32_t seed, float deviation = 1.0F);

  [[nodiscard]] const gpu::DeviceTokens& tokens() const { return tokens_; }
  [[nodiscard]] gpu::DeviceTokens& tokens() { return tokens_; }
  [[nodiscard]] std::int64_t pairs() const { return tokens_.pairs(); }
  [[nodiscard]] std::int64_t places(std::int64_t pair) const;
  [[nodiscard]] std::int64_t slots() const { return slots_; }
  [[nodiscard]] std::int64_t first_slot(std::int64_t pair) const;

  /// [places, head_dim] of one pair, as uploaded.
  [[nodiscard]] const std::vector<float>& keys(std::int64_t pair) const { return keys_[at(pair)]; }
  [[nodiscard]] const std::vector<float>& values(std::int64_t pair) const { return values_[at(pair)]; }

  /// [count, head_dim] of one pair's slab as it is on the device now.
  [[nodiscard]] std::vector<float> held_keys_now(std::int64_t pair, std::int64_t count) const;
  [[nodiscard]] std::vector<float> held_values_now(std::int64_t pair, std::int64_t count) const;
  /// [places, head_dim] of one pair as they are on the device now.
  [[nodiscard]] std::vector<float> keys_now(std::int64_t pair) const;
  [[nodiscard]] std::vector<float> values_now(std::int64_t pair) const;

  /// Replaces the keys of one pair.
  void set_keys(std::int64_t pair, const std::vector<float>& keys);

 private:
  static std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }
  [[nodiscard]] std::byte* address(void* held, const StridedHeads<void*>& own, std::int64_t pair,
                                   std::int64_t place) const;
  [[nodiscard]] std::vector<float> read(void* held, const StridedHeads<void*>& own, std::int64_t pair,
                                        std::int64_t count, bool from_slab) const;
  void write(void* held, const StridedHeads<void*>& own, std::int64_t pair, std::vector<float>& rows);

  SelectionDevice& device_;
  TokenShape shape_;
  gpu::DeviceTokens tokens_;
  std::vector<std::int64_t> first_slot_;
  std::int64_t slots_ = 0;
  std::vector<std::vector<float>> keys_;
  std::vector<std::vector<float>> values_;
};

/// `values` rounded to the type and back.
[[nodiscard]] std::vector<float> rounded(const std::vector<float>& values, ElementType type);
/// The bytes of `values` in the type.
[[nodiscard]] std::vector<std::byte> stored(const std::vector<float>& values, ElementType type);

}  // namespace kvscope::testing
