#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// For every token that is not kept, in ascending order: which kept token (its place in `kept`) has the key of
/// the largest cosine similarity k_i . k_j / (|k_i| |k_j|); among equal ones the lower place. A key of length 0
/// has similarity 0 to everything.
/// @param keys  [n_token, head_dim], row-major
/// @param kept  ascending, at least one
/// Cost: 2 * (n_token - n_kept) * n_kept * head_dim FLOP.
[[nodiscard]] std::vector<std::int32_t> nearest_kept_tokens(std::span<const float> keys, std::int64_t head_dim,
                                                            std::span<const std::int32_t> kept);

struct MergedTokens {
  std::vector<float> keys;    ///< [n_kept, head_dim]
  std::vector<float> values;  ///< [n_kept, head_dim]
};

/// Averages every token that is not kept into the kept token whose key is most similar to its own: K and V of a
/// kept token become the mean over itself and those that joined it (after LOOK-M, Wan et al. 2024, arXiv
/// 2406.18139; HACK uses it at the last scale; which mean is ours, method.md section 9).
///
/// A kept token that nothing joined keeps its bits. Sums are in double precision, in token order.
/// @param keys, values  [n_token, head_dim], row-major
/// @param kept          ascending, at least one
/// Reference: merge_tokens_reference().
/// @throws Error  kUsage if `kept` is empty, out of order or out of range.
[[nodiscard]] MergedTokens merge_tokens(std::span<const float> keys, std::span<const float> values,
                                        std::int64_t head_dim, std::span<const std::int32_t> kept);

}  // namespace kvscope
