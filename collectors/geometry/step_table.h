#pragma once

#include "collectors/base/json_file.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace kvscope {

enum class StepKind : std::int32_t { kImageGrid = 0, kText = 1, kOther = 2 };

/// One pass of the transformer: a grid of tokens that are predicted at once, in raster order (t, y, x).
struct StepShape {
  StepKind kind = StepKind::kImageGrid;
  int t = 1;
  int h = 1;
  int w = 1;
  bool stays = true;  ///< its keys are kept for later steps

  [[nodiscard]] std::int64_t tokens() const noexcept { return std::int64_t{t} * h * w; }
  bool operator==(const StepShape&) const = default;
};

/// The steps of a generation and which earlier steps each one attends to.
///
/// "Keys of step k" are the tokens of its visible earlier steps in order, then its own:
/// n_key(k) = T_k of the papers (for VAR: all scales so far), n_query(k) = N_k.
class StepTable {
 public:
  StepTable() = default;
  /// Every step sees every earlier step that stays, and itself.
  /// @throws Error  kUsage if a side is < 1.
  explicit StepTable(std::vector<StepShape> steps);
  /// @param visible  [K, K] row-major; visible[k*K + s] != 0 where step k attends to the keys of s.
  ///                 The diagonal is 1, nothing later is visible, and no step is visible that does not stay.
  /// @throws Error   kUsage if that does not hold.
  StepTable(std::vector<StepShape> steps, std::vector<std::uint8_t> visible);
  /// Square image scales of these sides, as in VAR: {1, 2, 3, 4, 5, 6, 8, 10, 13, 16}.
  [[nodiscard]] static StepTable square(std::span<const int> sides);

  [[nodiscard]] int size() const noexcept { return static_cast<int>(steps_.size()); }
  [[nodiscard]] const StepShape& operator[](int step) const { return steps_.at(static_cast<std::size_t>(step)); }

  [[nodiscard]] bool sees(int step, int source) const;
  /// Visible steps of `step` in order, itself last; S_k of them.
  [[nodiscard]] const std::vector<int>& sources(int step) const { return sources_.at(static_cast<std::size_t>(step)); }
  /// N_k, tokens predicted in this step.
  [[nodiscard]] std::int64_t n_query(int step) const { return (*this)[step].tokens(); }
  /// T_k, keys that the queries of this step attend to.
  [[nodiscard]] std::int64_t n_key(int step) const;
  /// Index of the first token of `source` among the keys of `step`. Requires sees(step, source).
  [[nodiscard]] std::int64_t key_offset(int step, int source) const;
  /// Index of the first token of `step` among all tokens of the generation.
  [[nodiscard]] std::int64_t token_offset(int step) const;
  /// Tokens of all steps.
  [[nodiscard]] std::int64_t total_tokens() const { return token_offset(size()); }
  /// True if a later step attends to the keys of `step`: only then a cache needs them.
  [[nodiscard]] bool is_read_later(int step) const;
  /// Tokens of all such steps: what a cache holds that drops nothing.
  [[nodiscard]] std::int64_t tokens_read_later() const;

  /// [K, K] row-major, as given to the constructor.
  [[nodiscard]] std::span<const std::uint8_t> visible() const noexcept { return visible_; }
  /// True if every step sees all earlier steps that stay (then files leave the matrix out).
  [[nodiscard]] bool sees_everything() const;

  bool operator==(const StepTable& other) const { return steps_ == other.steps_ && visible_ == other.visible_; }

 private:
  std::vector<StepShape> steps_;
  std::vector<std::uint8_t> visible_;
  std::vector<std::vector<int>> sources_;
};

/// The columns of /steps in captures and of "steps" in plans, in this order.
inline constexpr std::string_view kStepColumns[] = {"kind", "t", "h", "w", "stays"};

/// {"columns": [...], "table": [[kind, t, h, w, stays], ...], "visible": [[...]] only if restricted}
[[nodiscard]] Json to_json(const StepTable& steps);
/// @throws Error  kBadInput naming `where` and the offending row.
[[nodiscard]] StepTable step_table_from_json(const Json& json, std::string_view where);

/// "1x1 2x2 3x3": for messages and tables.
[[nodiscard]] std::string describe(const StepTable& steps);

}  // namespace kvscope
