#include "reports/command_line/step_option.h"

#include <charconv>

namespace kvscope {

int step_option(std::string_view text, const StepTable& steps) {
  if (text == "last") return steps.size() - 1;
  int step = -1;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (failure != std::errc{} || end != text.data() + text.size() || step < 0 || step >= steps.size()) {
    throw usage_error("--step is '{}', expected last or a number from 0 to {}", text, steps.size() - 1);
  }
  return step;
}

}  // namespace kvscope
