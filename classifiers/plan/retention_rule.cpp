#include "classifiers/plan/retention_rule.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

namespace kvscope {
namespace {

constexpr int kLargestSmoothWidth = 1023;
constexpr int kLargestSlotCount = 1 << 16;
constexpr std::int64_t kLargestTokenCount = std::int64_t{1} << 31;

/// The spelling of an enumerator in files.
template <typename Enum>
struct Spelling {
  Enum value;
  std::string_view name;
};
template <typename Enum>
Spelling(Enum, std::string_view) -> Spelling<Enum>;  // clang 14 does not deduce aggregates

constexpr std::array kScores = {
    Spelling{TokenScore::kObservedAttention, "observed-attention"},
    Spelling{TokenScore::kAccumulatedAttention, "accumulated-attention"},
    Spelling{TokenScore::kCalibratedPrior, "calibrated-prior"},
    Spelling{TokenScore::kLookAhead, "look-ahead"},
    Spelling{TokenScore::kAge, "age"},
    Spelling{TokenScore::kRandom, "random"},
};
constexpr std::array kSmoothings = {
    Spelling{Smoothing::kNone, "none"},
    Spelling{Smoothing::kAverage, "average"},
    Spelling{Smoothing::kMaximum, "maximum"},
};
constexpr std::array kProtectedSets = {
    Spelling{ProtectedSet::kFirstSteps, "first-steps"},
    Spelling{ProtectedSet::kCurrentStep, "current-step"},
    Spelling{ProtectedSet::kRecentTokens, "recent-tokens"},
};
constexpr std::array kLosers = {
    Spelling{Losers::kDrop, "drop"},
    Spelling{Losers::kMerge, "merge"},
};
constexpr std::array kTimes = {
    Spelling{RetentionTime::kBeforeAttending, "before-attending"},
    Spelling{RetentionTime::kAfterAttending, "after-attending"},
    Spelling{RetentionTime::kBothBudgets, "both-budgets"},
};

// What a slot and a rule consist of.
constexpr std::string_view kScoreFields[] = {"kind", "observation_queries", "times_value_norm", "seed"};
constexpr std::string_view kSmoothFields[] = {"kind", "width"};
constexpr std::string_view kProtectFields[] = {"first_steps", "current_step", "recent_tokens", "gives_way"};
constexpr std::string_view kLoserFields[] = {"kind", "last_step_only"};
constexpr std::string_view kSlots[] = {"score", "smooth", "protect", "losers", "when"};

template <typename Enum, std::size_t N>
std::string_view name_in(const std::array<Spelling<Enum>, N>& spellings, Enum value) {
  return std::ranges::find(spellings, value, &Spelling<Enum>::value)->name;
}

template <typename Enum, std::size_t N>
std::string names_in(const std::array<Spelling<Enum>, N>& spellings) {
  std::string names;
  for (const auto& spelling : spellings) names += (names.empty() ? "" : ", ") + std::string(spelling.name);
  return names;
}

template <typename Enum, std::size_t N>
Enum value_in(const std::array<Spelling<Enum>, N>& spellings, const Json& slot, std::string_view field,
              std::string_view where) {
  const auto name = json_field<std::string>(slot, field, where);
  const auto found = std::ranges::find(spellings, name, &Spelling<Enum>::name);
  if (found == spellings.end()) {
    throw bad_input("{}: field '{}' is {}, expected one of: {}", where, field, in_quotes(name), names_in(spellings));
  }
  return found->value;
}

template <typename T>
T in_range(const Json& slot, std::string_view field, std::string_view where, T low, T high) {
  const T value = json_field<T>(slot, field, where);
  if (value < low || value > high) {
    throw bad_input("{}: field '{}' is {}, expected {} to {}", where, field, value, low, high);
  }
  return value;
}

/// A rule with a part that this version does not know would be another policy, so nothing is ignored.
void check_members(const Json& json, std::span<const std::string_view> known, std::string_view where) {
  if (!json.is_object()) throw bad_input("{}: expected a JSON object, found {}", where, json.type_name());
  for (const auto& [name, value] : json.items()) {
    if (std::ranges::find(known, name) == known.end())
      throw bad_input("{}: unknown slot or field {}", where, in_quotes(name));
  }
}

const Json& slot_of(const Json& rule, std::string_view slot, std::span<const std::string_view> known,
                    std::string_view where) {
  const auto found = rule.find(slot);
  if (found == rule.end()) throw bad_input("{}: slot '{}' is missing", where, slot);
  check_members(*found, known, fmt::format("{}: slot '{}'", where, slot));
  return *found;
}

ScoreSlot score_from_json(const Json& rule, std::string_view where) {
  const Json& slot = slot_of(rule, "score", kScoreFields, where);
  const std::string place = fmt::format("{}: slot 'score'", where);
  return {.kind = value_in(kScores, slot, "kind", place),
          .observation_queries = in_range(slot, "observation_queries", place, 0, kLargestSlotCount),
          .times_value_norm = json_field<bool>(slot, "times_value_norm", place),
          .seed = json_field<std::uint64_t>(slot, "seed", place)};
}

SmoothSlot smooth_from_json(const Json& rule, std::string_view where) {
  const Json& slot = slot_of(rule, "smooth", kSmoothFields, where);
  const std::string place = fmt::format("{}: slot 'smooth'", where);
  const SmoothSlot smooth{.kind = value_in(kSmoothings, slot, "kind", place),
                          .width = in_range(slot, "width", place, 1, kLargestSmoothWidth)};
  if (smooth.width % 2 == 0) throw bad_input("{}: field 'width' is {}, expected an odd number", place, smooth.width);
  return smooth;
}

std::vector<ProtectedSet> gives_way_from_json(const Json& slot, std::string_view where) {
  std::vector<ProtectedSet> order;
  for (const Json& entry : json_field<Json>(slot, "gives_way", where)) {
    const auto set = value_in(kProtectedSets, Json{{"gives_way", entry}}, "gives_way", where);
    if (std::ranges::find(order, set) != order.end()) {
      throw bad_input("{}: field 'gives_way' names '{}' twice", where, name_in(kProtectedSets, set));
    }
    order.push_back(set);
  }
  if (order.size() != kProtectedSets.size()) {
    throw bad_input("{}: field 'gives_way' names {} of the {} sets, expected each of: {}", where, order.size(),
                    kProtectedSets.size(), names_in(kProtectedSets));
  }
  return order;
}

ProtectSlot protect_from_json(const Json& rule, std::string_view where) {
  const Json& slot = slot_of(rule, "protect", kProtectFields, where);
  const std::string place = fmt::format("{}: slot 'protect'", where);
  return {.first_steps = in_range(slot, "first_steps", place, 0, kLargestSlotCount),
          .current_step = json_field<bool>(slot, "current_step", place),
          .recent_tokens = in_range(slot, "recent_tokens", place, std::int64_t{0}, kLargestTokenCount),
          .gives_way = gives_way_from_json(slot, place)};
}

LoserSlot losers_from_json(const Json& rule, std::string_view where) {
  const Json& slot = slot_of(rule, "losers", kLoserFields, where);
  const std::string place = fmt::format("{}: slot 'losers'", where);
  return {.kind = value_in(kLosers, slot, "kind", place),
          .last_step_only = json_field<bool>(slot, "last_step_only", place)};
}

// The presets. What a rule leaves at its default is spelled out in the file all the same.

/// Everything stays: for budgets that keep all there is. Nothing is ever ranked.
RetentionRule full_rule() {
  return {.score = {.kind = TokenScore::kAge, .observation_queries = 0}, .when = RetentionTime::kAfterAttending};
}

/// StreamingLLM: first tokens and the most recent (Xiao et al. 2023, arXiv 2309.17453).
RetentionRule window_rule() {
  return {.score = {.kind = TokenScore::kAge, .observation_queries = 0}, .protect = {.first_steps = 2}};
}

/// The best by attention of the observation queries: what HACK's two patterns share, without patterns.
RetentionRule attention_topk_rule() {
  return {};
}

/// f_C of HACK (arXiv 2504.09261, method.md section 4): best by score, merge at the last step only (LOOK-M).
RetentionRule hack_contextual_rule() {
  return {.losers = {.kind = Losers::kMerge, .last_step_only = true}};
}

/// f_S of HACK: first two steps and the current one stay, the middle by score; the most recent tokens win.
RetentionRule hack_structural_rule() {
  return {.protect = {.first_steps = 2, .current_step = true}};
}

/// S_C of HACK++ (arXiv 2606.08302): observed attention, max-pooled over 5 tokens; two budgets.
RetentionRule hack_plus_contextual_rule() {
  return {.smooth = {.kind = Smoothing::kMaximum, .width = 5}, .when = RetentionTime::kBothBudgets};
}

/// S_S of HACK++: phi^(k, s(j)) * ||V_j||_2; two budgets.
RetentionRule hack_plus_structural_rule() {
  return {.score = {.kind = TokenScore::kCalibratedPrior, .observation_queries = 0, .times_value_norm = true},
          .when = RetentionTime::kBothBudgets};
}

/// Our score (docs/formats/plan.md): what later queries will take from a token. Everything is attended to.
RetentionRule look_ahead_rule() {
  return {.score = {.kind = TokenScore::kLookAhead, .times_value_norm = true}, .when = RetentionTime::kAfterAttending};
}

struct Preset {
  std::string_view name;
  RetentionRule (*rule)();
};

constexpr Preset kPresets[] = {
    {"full", full_rule},
    {"window", window_rule},
    {"attention-topk", attention_topk_rule},
    {"hack-contextual", hack_contextual_rule},
    {"hack-structural", hack_structural_rule},
    {"hack++-contextual", hack_plus_contextual_rule},
    {"hack++-structural", hack_plus_structural_rule},
    {"look-ahead", look_ahead_rule},
};

}  // namespace

bool samples_queries(TokenScore kind) noexcept {
  return kind == TokenScore::kObservedAttention || kind == TokenScore::kLookAhead;
}

bool needs_attention(TokenScore kind) noexcept {
  return samples_queries(kind) || kind == TokenScore::kAccumulatedAttention;
}

bool needs_prior(TokenScore kind) noexcept {
  return kind == TokenScore::kCalibratedPrior || kind == TokenScore::kLookAhead;
}

Json to_json(const RetentionRule& rule) {
  Json gives_way = Json::array();
  for (const ProtectedSet set : rule.protect.gives_way) gives_way.push_back(name_in(kProtectedSets, set));
  return {{"score",
           {{"kind", name_in(kScores, rule.score.kind)},
            {"observation_queries", rule.score.observation_queries},
            {"times_value_norm", rule.score.times_value_norm},
            {"seed", rule.score.seed}}},
          {"smooth", {{"kind", name_in(kSmoothings, rule.smooth.kind)}, {"width", rule.smooth.width}}},
          {"protect",
           {{"first_steps", rule.protect.first_steps},
            {"current_step", rule.protect.current_step},
            {"recent_tokens", rule.protect.recent_tokens},
            {"gives_way", std::move(gives_way)}}},
          {"losers", {{"kind", name_in(kLosers, rule.losers.kind)}, {"last_step_only", rule.losers.last_step_only}}},
          {"when", name_in(kTimes, rule.when)}};
}

RetentionRule retention_rule_from_json(const Json& json, std::string_view where) {
  check_members(json, kSlots, where);
  return {.score = score_from_json(json, where),
          .smooth = smooth_from_json(json, where),
          .protect = protect_from_json(json, where),
          .losers = losers_from_json(json, where),
          .when = value_in(kTimes, json, "when", where)};
}

std::string_view retention_time_name(RetentionTime when) noexcept {
  return name_in(kTimes, when);
}

std::vector<std::string> retention_preset_names() {
  std::vector<std::string> names;
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  return names;
}

RetentionRule retention_preset(std::string_view name) {
  const auto found = std::ranges::find(kPresets, name, &Preset::name);
  if (found != std::end(kPresets)) return found->rule();
  throw usage_error("there is no retention rule '{}', expected one of: {}", name,
                    fmt::join(retention_preset_names(), ", "));
}

}  // namespace kvscope
