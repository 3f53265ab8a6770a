#pragma once

#include "collectors/base/array.h"

#include <cstdint>
#include <span>

namespace kvscope {

/// What is left of a map A when only some keys may be attended to: each query's weights of these keys, scaled up so
/// that they sum to 1 again, which is what softmax gives for the same queries and keys,
///
///   A'_ij = [j kept] A_ij / sum_{j' kept} A_ij';   0 for a query that gave the kept keys nothing.
///
/// What the rest of the network makes of it is another matter: that is what a replay measures.
/// @param map   [N_k, T_k]
/// @param kept  [T_k], not 0 where the key stays
/// @throws Error  kUsage unless there is one entry of `kept` per column.
[[nodiscard]] Array<float> attention_on_kept(const Array<float>& map, std::span<const std::uint8_t> kept);

/// The share of a map's attention that falls on the kept keys, mean over queries, in [0, 1].
/// @throws Error  as attention_on_kept().
[[nodiscard]] double kept_share(const Array<float>& map, std::span<const std::uint8_t> kept);

}  // namespace kvscope
