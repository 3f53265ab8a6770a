#include "reports/export/fold_tokens.h"

#include "collectors/base/error.h"
#include "reports/pictures/attention_picture.h"

#include <fmt/format.h>

#include <charconv>
#include <span>

namespace kvscope {
namespace {

/// "3,4" as numbers.
std::vector<std::int64_t> numbers_of(const std::string& text, std::string_view option, std::string_view expected) {
  std::vector<std::int64_t> numbers;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (true) {
    std::int64_t number = 0;
    const auto [rest, failure] = std::from_chars(at, end, number);
    if (failure != std::errc{} || (rest != end && *rest != ',') || number < 0)
      throw usage_error("--{}: '{}' is no place; expected {}", option, text, expected);
    numbers.push_back(number);
    if (rest == end) return numbers;
    at = rest + 1;
  }
}

/// The token at ROW,COLUMN or FRAME,ROW,COLUMN of a grid.
std::int64_t token_at(std::span<const std::int64_t> place, const StepShape& grid, int step, std::string_view option) {
  const std::int64_t t = place.size() == 3 ? place[0] : 0;
  const std::int64_t y = place[place.size() - 2];
  const std::int64_t x = place[place.size() - 1];
  if (t >= grid.t || y >= grid.h || x >= grid.w) {
    throw usage_error("--{}: {} lies outside of the {} grid of step {}", option,
                      place.size() == 3 ? fmt::format("({}, {}, {})", t, y, x) : fmt::format("({}, {})", y, x),
                      step_name(grid), step);
  }
  return (t * grid.h + y) * grid.w + x;
}

std::string words_of(const char* what, const std::vector<std::int64_t>& numbers) {
  std::string words = what;
  for (const std::int64_t number : numbers) words += fmt::format("_{:02}", number);
  return words;
}

FoldToken query_of(const std::string& text, const StepTable& steps, int step) {
  constexpr const char* kExpected = "ROW,COLUMN, as in 3,4 (video: FRAME,ROW,COLUMN)";
  const auto numbers = numbers_of(text, "query", kExpected);
  if (numbers.size() < 2 || numbers.size() > 3)
    throw usage_error("--query: '{}' is no place; expected {}", text, kExpected);
  return {false, token_at(numbers, steps[step], step, "query"), text, words_of("query", numbers)};
}

FoldToken key_of(const std::string& text, const StepTable& steps, int step) {
  constexpr const char* kExpected = "STEP,ROW,COLUMN, as in 2,1,1 (video: STEP,FRAME,ROW,COLUMN)";
  const auto numbers = numbers_of(text, "key", kExpected);
  if (numbers.size() < 3 || numbers.size() > 4)
    throw usage_error("--key: '{}' is no place; expected {}", text, kExpected);
  if (numbers[0] >= steps.size() || !steps.sees(step, static_cast<int>(numbers[0])))
    throw usage_error("--key: queries of step {} do not see step {}", step, numbers[0]);
  const int source = static_cast<int>(numbers[0]);
  const std::int64_t token = token_at(std::span(numbers).subspan(1), steps[source], source, "key");
  return {true, steps.key_offset(step, source) + token, text, words_of("key", numbers)};
}

}  // namespace

std::vector<FoldToken> fold_tokens(const ExportSelection& selection, const StepTable& steps, int step) {
  std::vector<FoldToken> tokens;
  if (selection.queries) {
    for (const std::string& text : *selection.queries) tokens.push_back(query_of(text, steps, step));
  }
  if (selection.keys) {
    for (const std::string& text : *selection.keys) tokens.push_back(key_of(text, steps, step));
  }
  if (!tokens.empty()) return tokens;
  const StepShape& grid = steps[step];
  const std::string frame = grid.t > 1 ? fmt::format("{},", grid.t / 2) : std::string();
  return {query_of(fmt::format("{}{},{}", frame, grid.h / 2, grid.w / 2), steps, step)};
}

}  // namespace kvscope
