#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan.h"
#include "collectors/base/file.h"

#include <cmath>

namespace kvscope {
namespace {

constexpr std::string_view kFormat = "kvscope-plan";
constexpr int kVersion = 1;
// Bounds on what a file may claim, before anything is allocated for it: far beyond any model, and small
// enough that every product of counts below stays inside 64 bits.
constexpr std::size_t kMostSteps = 256;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 31;
constexpr std::int64_t kMostHeads = std::int64_t{1} << 20;
constexpr double kMostBytes = 0x1p60;

std::size_t index(std::int64_t i) {
  return static_cast<std::size_t>(i);
}

// ---- writing

/// A list of numbers stays on one line, so that a plan can be read and compared by people.
bool is_one_line(const Json& value) {
  if (!value.is_structured()) return true;
  if (value.is_object()) return value.empty();
  for (const Json& entry : value) {
    if (entry.is_structured()) return false;
  }
  return true;
}

void append_json(const Json& value, int indent, std::string& text) {
  if (is_one_line(value)) {
    text += value.dump();
    return;
  }
  const std::string margin(index(indent) + 2, ' ');
  const bool is_object = value.is_object();
  text += is_object ? '{' : '[';
  bool first = true;
  for (const auto& [name, member] : value.items()) {
    text += first ? "\n" : ",\n";
    first = false;
    text += margin;
    if (is_object) text += Json(name).dump() + ": ";
    append_json(member, indent + 2, text);
  }
  text += '\n' + std::string(index(indent), ' ') + (is_object ? '}' : ']');
}

/// Shares of what could be had; 0 where there is nothing to have.
Json fractions(const std::vector<std::int64_t>& counts, const TokenFlow& flow,
               std::int64_t (TokenFlow::*whole)(int) const) {
  Json result = Json::array();
  for (int k = 0; k < flow.size(); ++k) {
    const std::int64_t all = (flow.*whole)(k);
    result.push_back(all == 0 ? 0.0 : static_cast<double>(counts[index(k)]) / static_cast<double>(all));
  }
  return result;
}

/// Row k holds the weights of source steps 0 .. k.
Json prior_to_json(const Plan& plan, const HeadBudget& budget) {
  Json rows = Json::array();
  for (int k = 0; k < plan.steps.size(); ++k) {
    const auto weights = plan.prior.slice(budget.layer, budget.head, k).first(index(k) + 1);
    rows.push_back(std::vector<float>(weights.begin(), weights.end()));
  }
  return rows;
}

Json to_json(const ChannelQuantisation& channels) {
  return {{"scale", channels.scale}, {"offset", channels.offset}};
}

Json head_to_json(const Plan& plan, const HeadBudget& budget, const TokenFlow& flow) {
  Json json{{"layer", budget.layer}, {"head", budget.head}};
  if (budget.head_class) json["class"] = head_class_name(*budget.head_class);
  json["rule"] = budget.rule;
  json["attend"] = budget.attend;
  json["carry"] = budget.carry;
  json["attend_fraction"] = fractions(budget.attend, flow, &TokenFlow::visible);
  json["carry_fraction"] = fractions(budget.carry, flow, &TokenFlow::holdable);
  if (budget.forecast) {
    json["forecast"] = {{"cost", budget.forecast->cost}, {"cost_at_mean", budget.forecast->cost_at_mean}};
  }
  if (budget.quantisation) {
    json["elements"] = stored_elements_name(StoredElements::kInt8);
    json["quantisation"] = {{"key", to_json(budget.quantisation->key)}, {"value", to_json(budget.quantisation->value)}};
  }
  if (needs_prior(plan.rule_of(budget).score.kind)) json["prior"] = prior_to_json(plan, budget);
  return json;
}

// ---- reading

StepTable steps_from_json(const Json& json, std::string_view where) {
  const auto steps = json_field<Json>(json, "steps", where);
  const auto table = json_field<Json>(steps, "table", where);
  if (table.size() > kMostSteps) throw bad_input("{}: {} steps, expected at most {}", where, table.size(), kMostSteps);
  StepTable result = step_table_from_json(steps, where);
  std::int64_t tokens = 0;
  for (int k = 0; k < result.size(); ++k) {
    tokens += result.n_query(k);
    if (tokens > kMostTokens) throw bad_input("{}: the steps have more than {} tokens", where, kMostTokens);
  }
  return result;
}

std::map<std::string, RetentionRule> rules_from_json(const Json& json, std::string_view where) {
  const auto rules = json_field<Json>(json, "rules", where);
  if (!rules.is_object()) throw bad_input("{}: field 'rules' is no JSON object ({})", where, rules.type_name());
  std::map<std::string, RetentionRule> result;
  for (const auto& [name, rule] : rules.items()) {
    result[name] = retention_rule_from_json(rule, fmt::format("{}: rule {}", where, in_quotes(name)));
  }
  return result;
}

std::vector<std::int64_t> counts_from_json(const Json& json, std::string_view field, std::string_view where) {
  const auto list = json_field<Json>(json, field, where);
  if (!list.is_array()) throw bad_input("{}: field '{}' is no list ({})", where, field, list.type_name());
  std::vector<std::int64_t> counts;
  counts.reserve(list.size());
  for (const Json& entry : list) {
    if (!json_holds<std::int64_t>(entry)) {
      throw bad_input("{}, step {}: field '{}' is no number of tokens ({})", where, counts.size(), field,
                      entry.is_number() ? entry.dump() : entry.type_name());
    }
    counts.push_back(entry.get<std::int64_t>());
  }
  return counts;
}

std::optional<HeadClass> class_from_json(const Json& json, std::string_view where) {
  if (!json.contains("class") || json["class"].is_null()) return std::nullopt;
  const auto name = json_field<std::string>(json, "class", where);
  const auto head_class = head_class_from_name(name);
  if (!head_class) {
    throw bad_input("{}: field 'class' is {}, expected contextual or structural", where, in_quotes(name));
  }
  return head_class;
}

std::optional<HeadForecast> forecast_from_json(const Json& json, std::string_view where) {
  if (!json.contains("forecast") || json["forecast"].is_null()) return std::nullopt;
  const auto forecast = json_field<Json>(json, "forecast", where);
  const std::string place = fmt::format("{}: field 'forecast'", where);
  return HeadForecast{.cost = json_field<double>(forecast, "cost", place),
                      .cost_at_mean = json_field<double>(forecast, "cost_at_mean", place)};
}

std::vector<float> channels_from_json(const Json& json, std::string_view field, std::string_view where) {
  const auto list = json_field<Json>(json, field, where);
  if (!list.is_array()) throw bad_input("{} {} is no list ({})", where, field, list.type_name());
  std::vector<float> channels;
  channels.reserve(list.size());
  for (const Json& entry : list) {
    if (!json_holds<float>(entry)) {
      throw bad_input("{} {} of channel {} is {}, expected a finite number", where, field, channels.size(),
                      entry.is_number() ? entry.dump() : entry.type_name());
    }
    channels.push_back(entry.get<float>());
  }
  return channels;
}

std::optional<HeadQuantisation> quantisation_from_json(const Json& json, std::string_view where) {
  if (!json.contains("elements") || json["elements"].is_null()) return std::nullopt;
  const auto name = json_field<std::string>(json, "elements", where);
  const auto elements = stored_elements_from_name(name);
  if (!elements) throw bad_input("{}: field 'elements' is {}, expected model or int8", where, in_quotes(name));
  if (*elements == StoredElements::kModel) return std::nullopt;
  const auto parameters = json_field<Json>(json, "quantisation", where);
  const std::string place = fmt::format("{}: field 'quantisation'", where);
  const auto of = [&](std::string_view side) {
    const auto channels = json_field<Json>(parameters, side, place);
    const std::string side_place = fmt::format("{}: {}", place, side);
    ChannelQuantisation result;
    result.scale = channels_from_json(channels, "scale", side_place);
    result.offset = channels_from_json(channels, "offset", side_place);
    return result;
  };
  HeadQuantisation result;
  result.key = of("key");
  result.value = of("value");
  return result;
}

HeadBudget head_from_json(const Json& json, std::size_t place, std::string_view file) {
  const std::string where = fmt::format("{}: heads[{}]", file, place);
  HeadBudget budget;
  budget.layer = json_field<int>(json, "layer", where);
  budget.head = json_field<int>(json, "head", where);
  const std::string who = fmt::format("{}: layer {}, head {}", file, budget.layer, budget.head);
  budget.head_class = class_from_json(json, who);
  budget.rule = json_field<std::string>(json, "rule", who);
  budget.attend = counts_from_json(json, "attend", who);
  budget.carry = counts_from_json(json, "carry", who);
  budget.forecast = forecast_from_json(json, who);
  budget.quantisation = quantisation_from_json(json, who);
  return budget;
}

float weight_from_json(const Json& entry, int step, std::string_view where) {
  if (json_holds<float>(entry) && entry.get<float>() >= 0.0F) return entry.get<float>();
  throw bad_input("{}, step {}: field 'prior' holds {}, expected finite numbers >= 0", where, step,
                  entry.is_number() ? entry.dump() : entry.type_name());
}

/// Fills one head's part of the prior; the head is known to be in place.
void read_prior(const Json& json, const HeadBudget& budget, std::string_view file, Array<float>& prior) {
  const std::string where = fmt::format("{}: layer {}, head {}", file, budget.layer, budget.head);
  const auto rows = json_field<Json>(json, "prior", where);
  const std::int64_t n_step = prior.extent(2);
  if (!rows.is_array() || rows.size() != index(n_step)) {
    throw bad_input("{}: field 'prior' is no list of {} rows, one per step", where, n_step);
  }
  for (int k = 0; k < n_step; ++k) {
    const Json& row = rows[index(k)];
    if (!row.is_array() || row.size() != index(k) + 1) {
      throw bad_input("{}, step {}: field 'prior' is no list of {} weights, one per step so far", where, k, k + 1);
    }
    for (int s = 0; s <= k; ++s) prior(budget.layer, budget.head, k, s) = weight_from_json(row[index(s)], k, where);
  }
}

bool needs_prior(const Plan& plan, const HeadBudget& budget) {
  return needs_prior(plan.rule_of(budget).score.kind);
}

void read_priors(const Json& heads, std::string_view where, Plan& plan) {
  bool needed = false;
  for (const HeadBudget& budget : plan.heads) needed = needed || needs_prior(plan, budget);
  if (!needed) return;
  const std::int64_t n_step = plan.steps.size();
  plan.prior = Array<float>({plan.model.layers, plan.model.kv_heads, n_step, n_step});
  for (std::size_t i = 0; i < plan.heads.size(); ++i) {
    if (needs_prior(plan, plan.heads[i])) read_prior(heads[i], plan.heads[i], where, plan.prior);
  }
}

void read_heads_of_plan(const Json& json, std::string_view where, Plan& plan) {
  const auto heads = json_field<Json>(json, "heads", where);
  if (!heads.is_array()) throw bad_input("{}: field 'heads' is no list ({})", where, heads.type_name());
  if (std::int64_t{plan.model.layers} * plan.model.kv_heads > kMostHeads) {
    throw bad_input("{}: the model has {} x {} heads, expected at most {}", where, plan.model.layers,
                    plan.model.kv_heads, kMostHeads);
  }
  const double bytes = static_cast<double>(cache_bytes(plan.model, 1, 1, {8, 8})) *
                       static_cast<double>(plan.steps.total_tokens()) *
                       static_cast<double>(rows_per_sample(plan.model));
  if (bytes > kMostBytes) throw bad_input("{}: a cache of this model would have {:.1e} bytes", where, bytes);
  for (const Json& head : heads) plan.heads.push_back(head_from_json(head, plan.heads.size(), where));
  // The lists are known to be complete before anything is allocated by what the header says.
  check_budgets(plan, where);
  read_priors(heads, where, plan);
}

}  // namespace

Json to_json(const Plan& plan) {
  const TokenFlow flow = token_flow(plan);
  Json json{{"format", kFormat},
            {"version", kVersion},
            {"method", plan.method},
            {"parameters", plan.parameters},
            {"model", to_json(plan.model)},
            {"steps", to_json(plan.steps)},
            {"keeps_last_step", plan.keeps_last_step},
            {"rules", Json::object()},
            {"totals", to_json(plan_totals(plan), element_bytes(plan.model))},
            {"made_from", plan.made_from},
            {"notes", plan.notes},
            {"heads", Json::array()}};
  for (const auto& [name, rule] : plan.rules) json["rules"][name] = to_json(rule);
  for (const HeadBudget& budget : plan.heads) json["heads"].push_back(head_to_json(plan, budget, flow));
  return json;
}

Plan plan_from_json(const Json& json, std::string_view where) {
  check_format(json, where, kFormat, kVersion);
  Plan plan;
  plan.method = json_field<std::string>(json, "method", where);
  plan.parameters = json_field_or<Json>(json, "parameters", where, Json::object());
  plan.model = model_info_from_json(json_field<Json>(json, "model", where), where);
  plan.steps = steps_from_json(json, where);
  plan.keeps_last_step = json_field_or<bool>(json, "keeps_last_step", where, false);
  plan.rules = rules_from_json(json, where);
  plan.made_from = json_field_or<Json>(json, "made_from", where, Json());
  plan.notes = json_field_or<std::vector<std::string>>(json, "notes", where, {});
  read_heads_of_plan(json, where, plan);
  return plan;
}

Plan read_plan(const std::filesystem::path& path) {
  return plan_from_json(read_json_file(path, kFormat, kVersion), path.string());
}

void write_plan(const std::filesystem::path& path, const Plan& plan) {
  check_plan(plan, path.string());
  std::string text;
  append_json(to_json(plan), 0, text);
  write_file(path, text + "\n");
}

}  // namespace kvscope
