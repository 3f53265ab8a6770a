#pragma once

#include <cstdint>

namespace kvscope::benchmark {

/// `count` rounds of AVX-512's dot products of bfloat16 pairs (vdpbf16ps) on registers alone; returns something that
/// depends on all of them. `flops` becomes what was done. Only where has_bfloat16_products().
[[nodiscard]] float bfloat16_dots(std::int64_t count, double& flops);

}  // namespace kvscope::benchmark
