// Highway 1.0.3 has no name for vdpbf16ps.
#include "tests/benchmarks/bfloat16_dot.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace kvscope::benchmark {

#if defined(__x86_64__)

__attribute__((target("avx512f,avx512bf16"))) float bfloat16_dots(std::int64_t count, double& flops) {
  // More than latency times units (6 x 2).
  constexpr int kChains = 16;
  const auto ones = (__m512bh)_mm512_set1_epi32(0x3F803F80);
  const auto small = (__m512bh)_mm512_set1_epi32(0x38D138D1);  // about 1e-4 twice
  // Chains that start alike would be one chain to the compiler.
  __m512 chains[kChains];
  for (int i = 0; i < kChains; ++i) chains[i] = _mm512_set1_ps(0.5F + 0.01F * static_cast<float>(i));
  for (std::int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) chains[i] = _mm512_dpbf16_ps(chains[i], ones, small);
  }
  flops = 4.0 * kChains * static_cast<double>(count) * 16.0;
  __m512 sum = chains[0];
  for (int i = 1; i < kChains; ++i) sum = _mm512_add_ps(sum, chains[i]);
  return _mm512_cvtss_f32(sum);
}

#else

float bfloat16_dots(std::int64_t /*count*/, double& flops) {
  flops = 0.0;
  return 0.0F;
}

#endif

}  // namespace kvscope::benchmark
