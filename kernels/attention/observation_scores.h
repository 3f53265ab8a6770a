#pragma once

#include "collectors/compute/attention_strip.h"
#include "collectors/compute/packed_head.h"

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// The queries that stand for all: i_m = floor((m + 1/2) n_query / n_observation), m = 0 .. n_observation - 1
/// (HACK, arXiv 2504.09261, observes 32 uniformly spaced ones; the exact places are ours). All queries if there
/// are no more than that, or if `n_observation` is 0. Ascending.
[[nodiscard]] std::vector<std::int64_t> observation_queries(std::int64_t n_query, std::int64_t n_observation);

/// scores[j] += sum_i softmax(scale * q_i K^T)_j over the queries of the block, in their order.
///
/// A sum, not a mean: rankings do not depend on the factor. The bits of a score depend on the queries and the
/// sequence of keys only. float32; after n queries the rounding error is at most n * 2^-24 of the score.
/// @param head    packed keys; the values are not looked at
/// @param scores  [n_key]
/// Cost: 2 * n_query * n_key * head_dim FLOP; blocks of 32 queries at a time.
/// Reference: observation_scores_reference().
void add_observation_scores(const PackedHead& head, const QueryBlock& block, std::span<float> scores);

}  // namespace kvscope
