#include "reports/figures/figure.h"

#include "reports/pictures/attention_picture.h"

#include <algorithm>
#include <cmath>

namespace kvscope {

Figure head_values_figure(std::string name, std::string caption, const HeadValues& values, const ColorMap& colors) {
  Table data("", {{"layer", ""}, {"head", ""}, {"value", ""}});
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    const auto n_head = static_cast<std::size_t>(values.heads_per_layer);
    const double value = values.values[i];
    Cell cell;
    if (std::isfinite(value)) cell = value;
    data.add_row({static_cast<std::int64_t>(i / n_head), static_cast<std::int64_t>(i % n_head), std::move(cell)});
  }
  return {std::move(name), std::move(caption), head_heat_map(values, colors), std::move(data),
          head_image(values, colors)};
}

std::string safe_file_name(std::string_view name) {
  std::string safe(name);
  std::ranges::replace_if(
      safe,
      [](char c) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        return !plain && c != '-' && c != '_' && c != '.' && c != '+';
      },
      '_');
  if (!safe.empty() && safe.front() == '.') safe.front() = '_';
  return safe;
}

std::vector<Tick> step_ticks(const StepTable& steps) {
  std::vector<Tick> ticks;
  for (int step = 0; step < steps.size(); ++step) ticks.push_back({static_cast<double>(step), step_name(steps[step])});
  return ticks;
}

}  // namespace kvscope
