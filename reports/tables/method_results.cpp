#include "reports/tables/method_results.h"

#include "kernels/compare/compare_figures.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

/// "hack++" and "diagonal" of "hack++@diagonal", with parameters left at the method; nothing without a split.
std::optional<std::pair<std::string, std::string>> parted_method(std::string_view name) {
  const std::size_t at = name.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const std::size_t end = std::min(name.find(':', at), name.size());
  return std::pair(std::string(name.substr(0, at)) + std::string(name.substr(end)),
                   std::string(name.substr(at + 1, end - at - 1)));
}

bool is_variant(const CompareResult& result, const CompareCell& cell) {
  const auto parts = parted_method(cell.method);
  return parts && result.find(parts->first, cell.budget) != nullptr;
}

}  // namespace

std::span<const MethodFigure> method_figures() {
  static const std::vector<MethodFigure> figures = {
      {"kl", "KL divergence, teacher-forced", "KL, nats per token", false, true,
       [](const CompareCell& cell) { return std::optional(cell.teacher_forced.kl); }},
      {"agreement", "Token agreement, free-running", "Share of equal tokens", true, false,
       [](const CompareCell& cell) { return std::optional(cell.free_running.token_agreement); }},
      {"psnr", "PSNR, free-running", "PSNR, dB", true, false,
       [](const CompareCell& cell) { return std::optional(cell.free_running.psnr); }},
      {"ssim", "SSIM, free-running", "SSIM", true, false,
       [](const CompareCell& cell) { return std::optional(cell.free_running.ssim); }},
      {"class_agreement", "Class agreement, free-running", "Share of equal classes", true, false,
       [](const CompareCell& cell) { return cell.free_running.class_agreement; }},
      {"frechet", "Frechet distance, free-running", "Frechet distance", false, false,
       [](const CompareCell& cell) { return cell.free_running.frechet; }},
  };
  return figures;
}

std::vector<SplitVariant> split_variants(const CompareResult& result) {
  std::vector<SplitVariant> variants;
  for (const CompareCell& cell : result.cells) {
    const auto parts = parted_method(cell.method);
    const CompareCell* const method = parts ? result.find(parts->first, cell.budget) : nullptr;
    if (method == nullptr) continue;
    variants.push_back(
        {parts->first, parts->second, compare_cells(cell, *method, result.evaluation.labels, result.full.classes)});
  }
  return variants;
}

std::vector<std::string> main_methods(const CompareResult& result) {
  std::vector<std::string> methods;
  for (const CompareCell& cell : result.cells) {
    if (!is_variant(result, cell) && std::ranges::find(methods, cell.method) == methods.end())
      methods.push_back(cell.method);
  }
  return methods;
}

}  // namespace kvscope
