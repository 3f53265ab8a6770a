// Vector functions shared by the kernels that Highway compiles once per instruction set. Included by each of them
// after foreach_target.h, so the include guard is Highway's toggled one.
#if defined(KVSCOPE_COLLECTORS_COMPUTE_VECTOR_MATH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSCOPE_COLLECTORS_COMPUTE_VECTOR_MATH_INL_H_
#undef KVSCOPE_COLLECTORS_COMPUTE_VECTOR_MATH_INL_H_
#else
#define KVSCOPE_COLLECTORS_COMPUTE_VECTOR_MATH_INL_H_
#endif

#include <hwy/highway.h>

#include <cstdint>

#if HWY_COMPILER_GCC_ACTUAL
#define KVSCOPE_UNROLL _Pragma("GCC unroll 16")
#else
#define KVSCOPE_UNROLL _Pragma("unroll")
#endif

HWY_BEFORE_NAMESPACE();
namespace kvscope {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using FloatVector = hn::Vec<Floats>;
constexpr std::int64_t kLanes = HWY_LANES(float);

/// 2^r by a minimax polynomial of degree 5 for the relative error (1e-7) that is exactly 1 at 0: for r in [0, 1)
/// with AVX-512, whose instructions split off the fraction, for r in [-1/2, 1/2] elsewhere.
HWY_INLINE FloatVector exponential2_of_fraction(FloatVector r) {
  const Floats d;
#if HWY_TARGET == HWY_AVX3
  constexpr float kTerms[] = {0x1.62e4c8p-1F, 0x1.ebd8ap-3F, 0x1.c94444p-5F, 0x1.269deep-7F, 0x1.eca6fp-10F};
#else
  constexpr float kTerms[] = {0.69314698F, 0.24022242F, 0.05550734F, 0.00967151F, 0.00132647F};
#endif
  FloatVector p = hn::MulAdd(hn::Set(d, kTerms[4]), r, hn::Set(d, kTerms[3]));
  p = hn::MulAdd(p, r, hn::Set(d, kTerms[2]));
  p = hn::MulAdd(p, r, hn::Set(d, kTerms[1]));
  p = hn::MulAdd(p, r, hn::Set(d, kTerms[0]));
  return hn::MulAdd(p, r, hn::Set(d, 1.0F));
}

/// 2^t with a relative error below 2.5e-7; 0 below t = -126, where the result would leave the normal range;
/// not-a-number stays. t must be below 127.
HWY_INLINE FloatVector exponential2(FloatVector t) {
  const Floats d;
#if HWY_TARGET == HWY_AVX3
  // The fraction and the scaling by 2^floor(t) are one instruction each.
  constexpr int kFloor = 0x01 | 0x08;  // round down, raise no exceptions
  const FloatVector power = exponential2_of_fraction(FloatVector{_mm512_reduce_ps(t.raw, kFloor)});
  const __mmask16 kept = _mm512_cmp_ps_mask(t.raw, hn::Set(d, -126.0F).raw, _CMP_NLT_UQ);
  return FloatVector{_mm512_maskz_scalef_ps(kept, power.raw, t.raw)};
#else
  // 1.5 * 2^23: adding it rounds to an integer, which then stands in the low mantissa bits; 127 is the
  // exponent's bias.
  const hn::RebindToSigned<Floats> di;
  const FloatVector magic = hn::Set(d, 12582912.0F + 127.0F);
  const FloatVector shifted = hn::Add(t, magic);
  const FloatVector r = hn::Sub(t, hn::Sub(shifted, magic));
  const FloatVector power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(di, shifted)));
  return hn::IfThenZeroElse(hn::Lt(t, hn::Set(d, -126.0F)), hn::Mul(exponential2_of_fraction(r), power));
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace kvscope
HWY_AFTER_NAMESPACE();

#endif
