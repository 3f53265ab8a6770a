#pragma once

#include <cstdint>

namespace kvscope::benchmark {

/// Whether the processor has AVX-512's dot products of bfloat16 pairs (vdpbf16ps).
[[nodiscard]] bool has_bfloat16_dot();

/// `count` rounds of such products on registers alone; returns something that depends on all of them. `flops` becomes
/// what was done. Only where has_bfloat16_dot().
[[nodiscard]] float bfloat16_dots(std::int64_t count, double& flops);

}  // namespace kvscope::benchmark
