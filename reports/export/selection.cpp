#include "reports/export/selection.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

namespace kvscope {
namespace {

template <typename T>
std::vector<T> without_repeats(const std::vector<T>& values) {
  std::vector<T> once;
  for (const T& value : values) {
    if (std::ranges::find(once, value) == once.end()) once.push_back(value);
  }
  return once;
}

}  // namespace

std::vector<int> chosen(const std::optional<std::vector<int>>& wanted, int count, std::string_view what) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  if (!wanted) return all;
  for (const int number : *wanted) {
    if (number < 0 || number >= count) {
      throw usage_error("there is no {} {}; there are {}, from 0", what, number, count);
    }
  }
  return without_repeats(*wanted);
}

std::vector<std::string> chosen_names(const std::optional<std::vector<std::string>>& wanted,
                                      const std::vector<std::string>& names, const std::vector<std::string>& otherwise,
                                      std::string_view what) {
  if (!wanted) return otherwise;
  for (const std::string& name : *wanted) {
    if (std::ranges::find(names, name) == names.end()) {
      throw usage_error("there is no {} '{}'; there are: {}", what, name, fmt::join(names, ", "));
    }
  }
  return without_repeats(*wanted);
}

std::vector<int> chosen_steps(const ExportSelection& selection, const StepTable& steps) {
  if (!selection.steps && steps.size() > 0) return {steps.size() - 1};
  return chosen(selection.steps, steps.size(), "step");
}

std::vector<int> chosen_branches(const ExportSelection& selection, const ModelInfo& model) {
  const std::vector<std::string> first = {model.branches.begin(), model.branches.begin() + 1};
  std::vector<int> indices;
  for (const std::string& name : chosen_names(selection.branches, model.branches, first, "branch")) {
    indices.push_back(static_cast<int>(std::ranges::find(model.branches, name) - model.branches.begin()));
  }
  return indices;
}

std::string place_name(int layer, int head, int step) {
  return fmt::format("layer_{:02}_head_{:02}_step_{:02}", layer, head, step);
}

std::string place_title(int layer, int head, const StepShape& step) {
  return fmt::format("Layer {}, head {}, queries of {}", layer, head, step_name(step));
}

ExportSelection one_place(int layer, int head, int step, const std::string& branch) {
  ExportSelection selection;
  selection.layers = {layer};
  selection.heads = {head};
  selection.steps = {step};
  selection.branches = {branch};
  return selection;
}

}  // namespace kvscope
