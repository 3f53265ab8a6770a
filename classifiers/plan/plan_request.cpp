#include "classifiers/plan/plan_request.h"

#include <algorithm>
#include <cmath>

namespace kvscope {
namespace {

constexpr std::string_view kLimits[] = {"allocated", "peak", "average"};
constexpr std::string_view kMethods[] = {"full", "lossless", "uniform", "hack", "hack++", "sensitivity"};

bool compresses(const PlanRequest& request) {
  return request.method != "full" && request.method != "lossless";
}

int ways_of_saying_how_much(const PlanRequest& request) {
  return static_cast<int>(request.compression.has_value()) +
         static_cast<int>(request.attend.has_value() || request.carry.has_value()) +
         static_cast<int>(request.tokens.has_value()) + static_cast<int>(request.bytes.has_value());
}

void check_share(const std::optional<double>& share, std::string_view option) {
  if (share && !(*share > 0.0 && *share <= 1.0))
    throw usage_error("--{} is {}, expected a share above 0 and up to 1", option, *share);
}

void check_amount(const PlanRequest& request) {
  if (request.compression && !(*request.compression >= 0.0 && *request.compression < 1.0)) {
    throw usage_error("--compression is {}, expected a ratio from 0 to below 1", *request.compression);
  }
  check_share(request.attend, "attend");
  check_share(request.carry, "carry");
  if (request.tokens && *request.tokens < 1)
    throw usage_error("--tokens is {}, expected at least 1 per head", *request.tokens);
  if (request.bytes && *request.bytes < 1) throw usage_error("--bytes is {}, expected at least 1", *request.bytes);
}

void check_parameters(const PlanRequest& request) {
  if (!(request.contextual_ratio > 0.0) || request.contextual_ratio > 1000.0) {
    throw usage_error("--ratio is {}, expected a number above 0 and up to 1000", request.contextual_ratio);
  }
  if (request.tau && !(*request.tau >= 0.0 && *request.tau <= 100.0)) {
    throw usage_error("--tau is {}, expected a number from 0 to 100", *request.tau);
  }
  if (request.observation_queries < 0) {
    throw usage_error("--observation-queries is {}, expected at least 0 (0: all)", request.observation_queries);
  }
  if (request.pool_width < 1 || request.pool_width % 2 == 0) {
    throw usage_error("--pool-width is {}, expected an odd number of tokens", request.pool_width);
  }
  if (request.first_steps < 0) throw usage_error("--first-steps is {}, expected at least 0", request.first_steps);
}

void check_at_least_one(double budget, std::string_view what) {
  if (budget >= 1.0) return;
  throw usage_error("a budget of {:.2f} tokens per head to {} is less than the least, 1 token", budget, what);
}

}  // namespace

std::string_view budget_limit_name(BudgetLimit limit) {
  return kLimits[static_cast<std::size_t>(limit)];
}

std::optional<BudgetLimit> budget_limit_from_name(std::string_view name) {
  const auto* const found = std::ranges::find(kLimits, name);
  if (found == std::end(kLimits)) return std::nullopt;
  return static_cast<BudgetLimit>(found - std::begin(kLimits));
}

std::vector<std::string> plan_method_names() {
  return {std::begin(kMethods), std::end(kMethods)};
}

double default_tau(const ModelInfo& model) {
  if (model.family == "var") return 0.5;
  return model.family == "infinity" && model.layers >= 40 ? 2.0 : 1.0;
}

void check_request(const PlanRequest& request) {
  if (std::ranges::find(kMethods, request.method) == std::end(kMethods)) {
    throw usage_error("there is no method '{}', expected one of: {}", request.method, fmt::join(kMethods, ", "));
  }
  const int ways = ways_of_saying_how_much(request);
  if (!compresses(request) && ways > 0) {
    throw usage_error("method {} keeps everything; --compression, --attend, --carry, --tokens and --bytes do not apply",
                      request.method);
  }
  if (compresses(request) && ways != 1) {
    throw usage_error("method {} needs exactly one of --compression, --attend/--carry, --tokens, --bytes",
                      request.method);
  }
  check_amount(request);
  check_parameters(request);
  if (request.method == "hack" && (request.attend || request.carry) && request.attend != request.carry) {
    throw usage_error("method hack carries what it attends to; give --compression, or the same --attend and --carry");
  }
  if (request.method == "sensitivity" && request.attend) {
    throw usage_error(
        "method sensitivity attends to all that it carries; give --carry, --compression, --tokens or --bytes");
  }
  if (request.method == "uniform") (void)retention_preset(request.rule);
  if (request.limit != BudgetLimit::kAllocated && request.method != "sensitivity" && !request.bytes) {
    throw usage_error("--limit {} applies to method sensitivity and to --bytes", budget_limit_name(request.limit));
  }
}

MeanBudgets mean_budgets(const PlanRequest& request, const StepTable& steps) {
  const auto all = static_cast<double>(steps.n_key(steps.size() - 1));
  MeanBudgets budgets{all, all};
  if (request.compression) {
    budgets = {(1.0 - *request.compression) * all, (1.0 - *request.compression) * all};
  } else if (request.tokens) {
    const auto tokens = std::min(static_cast<double>(*request.tokens), all);
    budgets = {tokens, tokens};
  } else {
    budgets = {request.attend.value_or(1.0) * all, request.carry.value_or(1.0) * all};
  }
  check_at_least_one(budgets.attend, "attend to");
  check_at_least_one(budgets.carry, "carry");
  return budgets;
}

Json to_json(const PlanRequest& request) {
  Json json = Json::object();
  if (request.compression) json["compression"] = *request.compression;
  if (request.attend) json["attend"] = *request.attend;
  if (request.carry) json["carry"] = *request.carry;
  if (request.tokens) json["tokens"] = *request.tokens;
  if (request.bytes) json["bytes"] = *request.bytes;
  if (request.limit != BudgetLimit::kAllocated) json["limit"] = budget_limit_name(request.limit);
  if (request.elements) json["elements"] = stored_elements_name(*request.elements);
  if (request.method == "uniform") json["rule"] = request.rule;
  if (compresses(request) && request.method != "sensitivity") json["observation_queries"] = request.observation_queries;
  if (request.method == "hack") {
    json["contextual_ratio"] = request.contextual_ratio;
    json["first_steps"] = request.first_steps;
  }
  if (request.method == "hack++") {
    json["pool_width"] = request.pool_width;
    if (request.tau) json["tau"] = *request.tau;
  }
  return json;
}

}  // namespace kvscope
