#include "collectors/geometry/step_table.h"

#include <algorithm>
#include <utility>

namespace kvscope {
namespace {

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

std::vector<std::uint8_t> everything_that_stays(const std::vector<StepShape>& steps) {
  const std::size_t n = steps.size();
  std::vector<std::uint8_t> visible(n * n, 0);
  for (std::size_t k = 0; k < n; ++k) {
    for (std::size_t s = 0; s < k; ++s) visible[k * n + s] = steps[s].stays ? 1 : 0;
    visible[k * n + k] = 1;
  }
  return visible;
}

void check_steps(const std::vector<StepShape>& steps, const std::vector<std::uint8_t>& visible) {
  const std::size_t n = steps.size();
  require(visible.size() == n * n, "step table: visible needs one entry per pair of steps");
  for (std::size_t k = 0; k < n; ++k) {
    require(steps[k].t >= 1 && steps[k].h >= 1 && steps[k].w >= 1, "step table: every side must be at least 1");
    require(visible[k * n + k] != 0, "step table: a step must see itself");
    for (std::size_t s = 0; s < n; ++s) {
      if (visible[k * n + s] == 0 || s == k) continue;
      require(s < k, "step table: a step cannot see a later one");
      require(steps[s].stays, "step table: a step is visible whose keys do not stay");
    }
  }
}

constexpr int kLargestSide = 1 << 16;  // keeps t * h * w and all sums of products inside 64 bits

StepShape shape_from_json(const Json& row, std::string_view where) {
  if (!row.is_array() || row.size() != std::size(kStepColumns)) {
    throw bad_input("{}: steps: expected rows of {} integers, found {}", where, std::size(kStepColumns), row.dump());
  }
  std::vector<std::int64_t> numbers;
  for (const Json& cell : row) {
    if (!cell.is_number_integer()) throw bad_input("{}: steps: '{}' is not an integer", where, cell.dump());
    numbers.push_back(cell.get<std::int64_t>());
  }
  if (numbers[0] < 0 || numbers[0] > 2)
    throw bad_input("{}: steps: unknown kind {}, expected 0 to 2", where, numbers[0]);
  for (int side = 1; side <= 3; ++side) {
    if (numbers[index(side)] < 1 || numbers[index(side)] > kLargestSide) {
      throw bad_input("{}: steps: side {} is out of range, expected 1 to {}", where, numbers[index(side)],
                      kLargestSide);
    }
  }
  return {static_cast<StepKind>(numbers[0]), static_cast<int>(numbers[1]), static_cast<int>(numbers[2]),
          static_cast<int>(numbers[3]), numbers[4] != 0};
}

}  // namespace

StepTable::StepTable(std::vector<StepShape> steps) : StepTable(steps, everything_that_stays(steps)) {}

StepTable::StepTable(std::vector<StepShape> steps, std::vector<std::uint8_t> visible)
    : steps_(std::move(steps)), visible_(std::move(visible)) {
  check_steps(steps_, visible_);
  sources_.resize(steps_.size());
  for (int k = 0; k < size(); ++k) {
    for (int s = 0; s <= k; ++s) {
      if (sees(k, s)) sources_[index(k)].push_back(s);
    }
  }
}

StepTable StepTable::square(std::span<const int> sides) {
  std::vector<StepShape> steps;
  for (const int side : sides) steps.push_back({.h = side, .w = side});
  return StepTable(std::move(steps));
}

bool StepTable::sees(int step, int source) const {
  return visible_.at(index(step) * steps_.size() + index(source)) != 0;
}

std::int64_t StepTable::n_key(int step) const {
  std::int64_t keys = 0;
  for (const int source : sources(step)) keys += n_query(source);
  return keys;
}

std::int64_t StepTable::key_offset(int step, int source) const {
  require(sees(step, source), "step table: key_offset of a step that is not visible");
  std::int64_t offset = 0;
  for (const int earlier : sources(step)) {
    if (earlier == source) break;
    offset += n_query(earlier);
  }
  return offset;
}

std::int64_t StepTable::token_offset(int step) const {
  std::int64_t offset = 0;
  for (int s = 0; s < step; ++s) offset += n_query(s);
  return offset;
}

bool StepTable::is_read_later(int step) const {
  for (int later = step + 1; later < size(); ++later) {
    if (sees(later, step)) return true;
  }
  return false;
}

std::int64_t StepTable::tokens_read_later() const {
  std::int64_t tokens = 0;
  for (int step = 0; step < size(); ++step)
    if (is_read_later(step)) tokens += n_query(step);
  return tokens;
}

bool StepTable::sees_everything() const {
  return visible_ == everything_that_stays(steps_);
}

Json to_json(const StepTable& steps) {
  Json table = Json::array();
  for (int k = 0; k < steps.size(); ++k) {
    const StepShape& s = steps[k];
    table.push_back({static_cast<int>(s.kind), s.t, s.h, s.w, s.stays ? 1 : 0});
  }
  Json json{{"columns", kStepColumns}, {"table", std::move(table)}};
  if (!steps.sees_everything()) {
    Json visible = Json::array();
    for (int k = 0; k < steps.size(); ++k) {
      Json row = Json::array();
      for (int s = 0; s < steps.size(); ++s) row.push_back(steps.sees(k, s) ? 1 : 0);
      visible.push_back(std::move(row));
    }
    json["visible"] = std::move(visible);
  }
  return json;
}

StepTable step_table_from_json(const Json& json, std::string_view where) {
  const Json table = json_field<Json>(json, "table", where);
  if (!table.is_array() || table.empty()) throw bad_input("{}: steps: the table is empty", where);
  std::vector<StepShape> steps;
  for (const Json& row : table) steps.push_back(shape_from_json(row, where));
  try {
    if (!json.contains("visible")) return StepTable(std::move(steps));
    std::vector<std::uint8_t> visible;
    for (const auto& row : json_field<std::vector<std::vector<int>>>(json, "visible", where)) {
      for (const int cell : row) visible.push_back(cell != 0 ? 1 : 0);
    }
    return StepTable(std::move(steps), std::move(visible));
  } catch (const Error& failure) {
    throw bad_input("{}: {}", where, failure.what());
  }
}

std::string describe(const StepTable& steps) {
  std::string text;
  for (int k = 0; k < steps.size(); ++k) {
    const StepShape& s = steps[k];
    if (k > 0) text += ' ';
    text += s.t > 1 ? fmt::format("{}x{}x{}", s.t, s.h, s.w) : fmt::format("{}x{}", s.h, s.w);
  }
  return text;
}

}  // namespace kvscope
