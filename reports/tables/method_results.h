#pragma once

#include "kernels/compare/compare_result.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvscope {

/// A figure of the cells of a comparison.
struct MethodFigure {
  std::string_view name;   ///< of files and parts: "kl", "agreement"
  std::string_view title;  ///< "KL divergence, teacher-forced"
  std::string_view label;  ///< of the axis, with the unit
  bool more_is_better;
  bool logarithmic;
  std::optional<Interval> (*value)(const CompareCell&);  ///< nothing: this run has none
};
/// Teacher-forced KL, free-running token agreement, PSNR, SSIM, class agreement, Frechet distance.
[[nodiscard]] std::span<const MethodFigure> method_figures();

/// How a method's variant with another way to tell the classes did beside the method itself: both at one budget, with
/// the same parameters, so that only the split differs.
struct SplitVariant {
  std::string method;            ///< without the split: "hack++"
  std::string split;             ///< "diagonal", "random", ...
  CompareDifference difference;  ///< variant less method
};
/// Of every cell whose method names a split and stands beside the same method without it; by budget.
[[nodiscard]] std::vector<SplitVariant> split_variants(const CompareResult& result);
/// Methods that are no such variant, in the order of the request.
[[nodiscard]] std::vector<std::string> main_methods(const CompareResult& result);

}  // namespace kvscope
