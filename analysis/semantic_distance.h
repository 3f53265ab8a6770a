#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvscope {

/// How far each head of a layer is from the layer's semantic centre (Task-KV, arXiv 2501.15113: heads far from it keep
/// their whole cache, the others a part): with o_h the mean attention output of head h and obar their mean over the
/// layer's heads,
///
///   d_h = ||o_h - obar||_2 / ((1/H) sum_h ||o_h||_2),   >= 0, the same for outputs scaled by any factor
///
/// The division is kvscope's own; it lets heads of different layers be ranked together. Task-KV compares outputs that
/// share a basis; the channels of VAR's heads do not, so expect less of this than of column variance or band mass.
/// Not-a-number for all heads where every output is 0.
/// @param outputs  [heads, head_dim] of one layer
/// @return [heads]
[[nodiscard]] std::vector<double> semantic_distances(std::span<const float> outputs, std::int64_t head_dim);

}  // namespace kvscope
