#include "collectors/compute/convert.h"

#include "collectors/base/error.h"
#include "collectors/base/half.h"
#include "collectors/compute/packing_kernels.h"

#include <cstring>

namespace kvscope {

void convert_to_float(const void* source, ElementType type, std::int64_t count, float* target) {
  require(is_compute_type(type), "convert_to_float: the type must be float32, float16 or bfloat16");
  if (count == 0) return;  // then either pointer may be null
  packing_kernels().to_float(source, type, count, target);
}

void convert_from_float(const float* source, std::int64_t count, ElementType type, void* target) {
  require(is_compute_type(type), "convert_from_float: the type must be float32, float16 or bfloat16");
  if (count == 0) return;  // then either pointer may be null
  if (type == ElementType::kFloat32) {
    std::memcpy(target, source, static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  auto* half = static_cast<std::uint16_t*>(target);
  if (type == ElementType::kBFloat16) {
    for (std::int64_t i = 0; i < count; ++i) half[i] = bfloat16_bits(source[i]);
  } else {
    for (std::int64_t i = 0; i < count; ++i) half[i] = float16_bits(source[i]);
  }
}

}  // namespace kvscope
