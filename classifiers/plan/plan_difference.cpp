#include "classifiers/plan/plan_difference.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace kvscope {
namespace {

/// Values at the ends of a document by their path; a list is one value.
void collect_values(const Json& json, const std::string& path,
                    std::vector<std::pair<std::string, std::string>>& values) {
  if (!json.is_object() || json.empty()) {
    values.emplace_back(path, json.dump());
    return;
  }
  for (const auto& [name, member] : json.items()) {
    collect_values(member, path.empty() ? name : fmt::format("{}/{}", path, name), values);
  }
}

std::vector<ChangedValue> changed_values(const Json& before, const Json& after, const std::string& path) {
  std::vector<std::pair<std::string, std::string>> old_values;
  std::vector<std::pair<std::string, std::string>> new_values;
  collect_values(before, path, old_values);
  collect_values(after, path, new_values);
  const auto value_at = [](const auto& values, const std::string& where) {
    const auto found = std::ranges::find(values, where, [](const auto& value) { return value.first; });
    return found == values.end() ? std::string() : found->second;
  };
  std::vector<ChangedValue> changes;
  for (const auto& [where, value] : old_values) {
    if (value_at(new_values, where) != value) changes.push_back({where, value, value_at(new_values, where)});
  }
  for (const auto& [where, value] : new_values) {
    if (value_at(old_values, where).empty()) changes.push_back({where, "", value});
  }
  return changes;
}

/// Rules of the same name slot by slot; of the others only that they are there.
std::vector<ChangedValue> changed_rules(const Plan& before, const Plan& after) {
  std::vector<ChangedValue> changes;
  for (const auto& [name, rule] : before.rules) {
    const std::string path = "rules/" + name;
    const auto other = after.rules.find(name);
    if (other == after.rules.end()) {
      changes.push_back({path, "present", ""});
      continue;
    }
    const auto slots = changed_values(to_json(rule), to_json(other->second), path);
    changes.insert(changes.end(), slots.begin(), slots.end());
  }
  for (const auto& [name, rule] : after.rules) {
    if (!before.rules.contains(name)) changes.push_back({"rules/" + name, "", "present"});
  }
  return changes;
}

Json settings_of(const Plan& plan) {
  Json json = Json::object();
  json["method"] = plan.method;
  json["parameters"] = plan.parameters;
  json["model"] = to_json(plan.model);
  json["keeps_last_step"] = plan.keeps_last_step;
  json["made_from"] = plan.made_from;
  return json;
}

struct GroupMeans {
  std::int64_t heads = 0;
  double attended = 0.0;
  double capacity = 0.0;
};

GroupMeans means_of(const Plan& plan, const std::function<bool(const HeadBudget&)>& belongs) {
  GroupMeans means;
  for (const HeadBudget& budget : plan.heads) {
    if (!belongs(budget)) continue;
    ++means.heads;
    means.attended += static_cast<double>(budget.attend.back());
    means.capacity += static_cast<double>(cache_capacity(budget));
  }
  // Not-a-number for no heads: there is no mean of nothing.
  means.attended /= static_cast<double>(means.heads);
  means.capacity /= static_cast<double>(means.heads);
  return means;
}

void add_group(std::vector<GroupDifference>& groups, std::string name, const Plan& before, const Plan& after,
               const std::function<bool(const HeadBudget&)>& belongs) {
  const GroupMeans old_means = means_of(before, belongs);
  const GroupMeans new_means = means_of(after, belongs);
  if (old_means.heads == 0 && new_means.heads == 0) return;
  groups.push_back({std::move(name), old_means.heads, new_means.heads, old_means.attended, new_means.attended,
                    old_means.capacity, new_means.capacity});
}

void check_same_geometry(const Plan& before, std::string_view before_name, const Plan& after,
                         std::string_view after_name) {
  const auto geometry = [](const Plan& plan) {
    return fmt::format("{} layers of {} key/value heads, steps {}", plan.model.layers, plan.model.kv_heads,
                       describe(plan.steps));
  };
  if (geometry(before) == geometry(after) && before.steps == after.steps) return;
  throw bad_input("{} is for {}, but {} is for {}: plans of different geometry cannot be compared", before_name,
                  geometry(before), after_name, geometry(after));
}

}  // namespace

bool PlanDifference::same_effect() const {
  return rules.empty() && heads_of_other_rule == 0 && heads_of_other_counts == 0 && heads_of_other_elements == 0;
}

PlanDifference plan_difference(const Plan& before, std::string_view before_name, const Plan& after,
                               std::string_view after_name) {
  check_same_geometry(before, before_name, after, after_name);
  PlanDifference difference;
  difference.settings = changed_values(settings_of(before), settings_of(after), "");
  difference.rules = changed_rules(before, after);
  difference.before = plan_totals(before);
  difference.after = plan_totals(after);
  for (const HeadClass head_class : {HeadClass::kContextual, HeadClass::kStructural}) {
    add_group(difference.classes, std::string(head_class_name(head_class)), before, after,
              [&](const HeadBudget& budget) { return budget.head_class == head_class; });
  }
  add_group(difference.classes, "unclassified", before, after,
            [](const HeadBudget& budget) { return !budget.head_class; });
  for (int layer = 0; layer < before.model.layers; ++layer) {
    add_group(difference.layers, fmt::format("layer {}", layer), before, after,
              [&](const HeadBudget& budget) { return budget.layer == layer; });
  }
  for (std::size_t i = 0; i < before.heads.size(); ++i) {
    const HeadBudget& a = before.heads[i];
    const HeadBudget& b = after.heads[i];
    difference.heads_of_other_class += static_cast<std::int64_t>(a.head_class != b.head_class);
    difference.heads_of_other_rule += static_cast<std::int64_t>(a.rule != b.rule);
    difference.heads_of_other_elements += static_cast<std::int64_t>(a.quantisation != b.quantisation);
    difference.heads_of_other_counts += static_cast<std::int64_t>(a.attend != b.attend || a.carry != b.carry);
  }
  return difference;
}

}  // namespace kvscope
