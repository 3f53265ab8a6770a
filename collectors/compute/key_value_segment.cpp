#include "collectors/compute/key_value_segment.h"

#include "collectors/base/error.h"
#include "collectors/compute/convert.h"
#include "collectors/compute/packing_kernels.h"
#include "collectors/compute/prefetch.h"

namespace kvscope {

TokenRows::TokenRows(const void* tokens, ElementType type, std::int64_t token_stride, CodeParameters codes,
                     const std::int32_t* index, std::int64_t head_dim)
    : first_(static_cast<const std::byte*>(tokens)),
      type_(type),
      stride_(token_stride * element_bytes(type)),
      codes_(codes),
      index_(index),
      head_dim_(head_dim),
      kernels_(packing_kernels()) {
  const bool has_codes = type == ElementType::kInt8 && codes.scale != nullptr && codes.offset != nullptr;
  require(is_compute_type(type) || has_codes,
          "keys and values must be float32, float16 or bfloat16, or int8 with a scale and an offset per channel");
}

TokenRows TokenRows::keys_of(const KeyValueSegment& segment, std::int64_t head_dim) {
  return {segment.keys, segment.key_type, segment.key_stride, segment.key_codes, segment.index, head_dim};
}

TokenRows TokenRows::values_of(const KeyValueSegment& segment, std::int64_t head_dim) {
  return {segment.values, segment.value_type, segment.value_stride, segment.value_codes, segment.index, head_dim};
}

void TokenRows::to_float(std::int64_t i, float* target) const {
  if (type_ == ElementType::kInt8) {
    kernels_.dequantise(static_cast<const std::int8_t*>(at(i)), codes_, head_dim_, target);
  } else {
    kernels_.to_float(at(i), type_, head_dim_, target);
  }
}

void TokenRows::prefetch(std::int64_t i) const {
  prefetch_for_reading(at(i), head_dim_ * element_bytes(type_));
}

}  // namespace kvscope
