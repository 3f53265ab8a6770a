#pragma once

#include <cstdint>
#include <span>

namespace kvscope {

/// Moves row kept[i] to place i, in place, for i ascending: what is kept stays in order and becomes adjacent.
///
/// `kept` is strictly ascending, so row i is never written before it was read. Neighbouring rows move together.
/// @param rows       [n, row_bytes] bytes
/// @throws Error     kUsage if `kept` is not strictly ascending from 0 on.
/// Cost: reads and writes the rows that change place once.
void compact_rows(void* rows, std::int64_t row_bytes, std::span<const std::int32_t> kept);

}  // namespace kvscope
