#include "collectors/capture/map_selection.h"

#include "collectors/base/error.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

namespace kvscope {
namespace {

std::vector<int> all_of(int count) {
  std::vector<int> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

int parse_number(std::string_view word) {
  int number = 0;
  const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (failure != std::errc() || end != word.data() + word.size() || number < 0) {
    throw usage_error("--maps: '{}' is no number", word);
  }
  return number;
}

/// One dimension of a selection while it is parsed.
struct Axis {
  std::string_view name;
  int count;
  bool named = false;
  std::set<int> chosen = {};

  void add(std::string_view range) {
    const auto dash = range.find('-');
    const int first = parse_number(range.substr(0, dash));
    const int last = dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1));
    if (last < first) throw usage_error("--maps: the range '{}' runs backwards", range);
    if (last >= count) throw usage_error("--maps: {} {} is out of range: the model has {} {}", name, last, count, name);
    for (int number = first; number <= last; ++number) chosen.insert(number);
  }

  std::vector<int> numbers() const { return named ? std::vector<int>(chosen.begin(), chosen.end()) : all_of(count); }
};

}  // namespace

bool MapSelection::has(int layer, int step) const {
  return !empty() && std::ranges::binary_search(layers, layer) && std::ranges::binary_search(steps, step);
}

MapSelection parse_map_selection(std::string_view text, const ModelInfo& model, const StepTable& steps) {
  if (text == "none") return {};
  Axis axes[] = {{"layers", model.layers}, {"heads", model.heads}, {"steps", steps.size()}};
  Axis* current = nullptr;
  while (text != "all" && !text.empty()) {
    const auto comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    if (const auto equals = word.find('='); equals != std::string_view::npos) {
      current = std::ranges::find(axes, word.substr(0, equals), &Axis::name);
      if (current == std::end(axes))
        throw usage_error("--maps: '{}' is none of layers, heads, steps", word.substr(0, equals));
      current->named = true;
      word = word.substr(equals + 1);
    }
    if (current == nullptr)
      throw usage_error("--maps: '{}' is no selection; none, all or e.g. layers=0-3,heads=1,steps=8-9", word);
    current->add(word);
  }
  if (text != "all" && current == nullptr)
    throw usage_error("--maps: the selection is empty; none, all or e.g. layers=0-3,heads=1,steps=8-9");
  return {axes[0].numbers(), axes[1].numbers(), axes[2].numbers()};
}

std::string describe(const MapSelection& selection) {
  if (selection.empty()) return "none";
  return fmt::format("layers={},heads={},steps={}", fmt::join(selection.layers, ","), fmt::join(selection.heads, ","),
                     fmt::join(selection.steps, ","));
}

}  // namespace kvscope
