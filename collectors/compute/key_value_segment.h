#pragma once

#include "collectors/base/element_type.h"
#include "collectors/compute/quantisation.h"

#include <cstddef>
#include <cstdint>

namespace kvscope {

struct PackingKernels;

/// Tokens of one key/value head as they lie in memory: keys and values [token, head_dim], channels
/// adjacent, any stride between tokens.
struct KeyValueSegment {
  const void* keys = nullptr;
  const void* values = nullptr;
  ElementType key_type = ElementType::kFloat32;    ///< float32, float16, bfloat16, or int8 with key_codes
  ElementType value_type = ElementType::kFloat32;  ///< float32, float16, bfloat16, or int8 with value_codes
  std::int64_t key_stride = 0;                     ///< elements from one token to the next
  std::int64_t value_stride = 0;                   ///< elements from one token to the next
  std::int64_t n_token = 0;                        ///< tokens taken
  /// [n_token]: which tokens, in this order (a gather while packing); null: 0 .. n_token - 1.
  const std::int32_t* index = nullptr;
  CodeParameters key_codes = {};    ///< [head_dim] what int8 keys stand for
  CodeParameters value_codes = {};  ///< [head_dim] what int8 values stand for
};

/// The keys or the values of a segment, token by token, whatever their type.
class TokenRows {
 public:
  /// @throws Error  kUsage for another element type than those of KeyValueSegment.
  [[nodiscard]] static TokenRows keys_of(const KeyValueSegment& segment, std::int64_t head_dim);
  [[nodiscard]] static TokenRows values_of(const KeyValueSegment& segment, std::int64_t head_dim);

  /// Token i of those taken, where it lies.
  [[nodiscard]] const void* at(std::int64_t i) const { return first_ + (index_ == nullptr ? i : index_[i]) * stride_; }
  [[nodiscard]] ElementType type() const noexcept { return type_; }
  [[nodiscard]] bool is_float() const noexcept { return type_ == ElementType::kFloat32; }
  /// Token i as float32: exact, except that codes become values as dequantise() says.
  void to_float(std::int64_t i, float* target) const;
  void prefetch(std::int64_t i) const;

 private:
  TokenRows(const void* tokens, ElementType type, std::int64_t token_stride, CodeParameters codes,
            const std::int32_t* index, std::int64_t head_dim);

  const std::byte* first_;
  ElementType type_;
  std::int64_t stride_;  ///< bytes from one token to the next
  CodeParameters codes_;
  const std::int32_t* index_;
  std::int64_t head_dim_;
  const PackingKernels& kernels_;
};

}  // namespace kvscope
