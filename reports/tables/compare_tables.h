#pragma once

#include "kernels/compare/compare_result.h"
#include "reports/tables/table.h"

namespace kvscope {

/// A row per cell: bytes and figures, with the intervals of the main ones.
[[nodiscard]] Table compare_cell_table(const CompareResult& result);
/// A row per pair of methods at a budget: ratio of KL, differences of the other main figures, with intervals.
[[nodiscard]] Table compare_difference_table(const CompareResult& result);
/// Bytes against KL: the cells that no other beats in both.
[[nodiscard]] Table compare_pareto_table(const CompareResult& result);

}  // namespace kvscope
