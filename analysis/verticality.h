#pragma once

namespace kvscope {

/// How well one row describes all rows of a softmax map A [N, T]: the share of its energy that the column means
/// explain,
///
///   V = sum_j abar_j^2 / ((1/N) sum_ij A_ij^2) = 1 - sum_j Var_i(A_ij) / ((1/N) sum_ij A_ij^2),   abar_j = (1/N) sum_i
///   A_ij
///
/// kvscope's own measure: HACK's column variance (arXiv 2504.09261, section 3) made independent of how peaked the rows
/// are. In [1/N, 1]: 1 where all queries weigh the keys alike (vertical stripes; an even map too, so read it beside the
/// entropy), 1/N where no two queries share a key (a diagonal).
/// @param column_variance  sum_j Var_i(A_ij), >= 0
/// @param square_sum       (1/N) sum_ij A_ij^2, >= column_variance; not-a-number results where it is 0
[[nodiscard]] double verticality(double column_variance, double square_sum) noexcept;

}  // namespace kvscope
