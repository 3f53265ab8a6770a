// Arithmetic on pairs of bfloat16 (AVX512_BF16) for kernels that Highway compiles once per instruction set: Highway
// 1.0.3 has neither a name for the instructions nor a target that allows their intrinsics, so they are written as
// assembly. Call it only where has_bfloat16_products().
#if defined(KVSCOPE_COLLECTORS_COMPUTE_BFLOAT16_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSCOPE_COLLECTORS_COMPUTE_BFLOAT16_PAIRS_INL_H_
#undef KVSCOPE_COLLECTORS_COMPUTE_BFLOAT16_PAIRS_INL_H_
#else
#define KVSCOPE_COLLECTORS_COMPUTE_BFLOAT16_PAIRS_INL_H_
#endif

#include "collectors/compute/vector_math-inl.h"

#if HWY_TARGET == HWY_AVX3
HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {

/// sum + a_low * b_low + a_high * b_high in each lane, whose float holds a pair.
HWY_INLINE FloatVector add_bfloat16_products(FloatVector a, FloatVector b, FloatVector sum) {
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
  return sum;
}

/// 32 floats rounded to bfloat16 (nearest, ties to even), those of `low` first.
HWY_INLINE FloatVector bfloat16_of(FloatVector low, FloatVector high) {
  FloatVector pairs;
  asm("vcvtne2ps2bf16 %2, %1, %0" : "=v"(pairs.raw) : "v"(high.raw), "v"(low.raw));
  return pairs;
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();
#endif

#endif
