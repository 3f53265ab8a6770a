#include "kernels/cuda/element.h"

#include "collectors/base/half.h"

namespace kvscope::gpu {

float to_float(Float16 value) {
  return float_of_float16(value.bits);
}

Float16 round_to_float16(float value) {
  return {float16_bits(value)};
}

BFloat16 round_to_bfloat16(float value) {
  return {bfloat16_bits(value)};
}

}  // namespace kvscope::gpu
