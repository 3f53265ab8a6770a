#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/kv_cache.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

// Attention calls to feed to a cache, and rules for its plan.
namespace kvscope::testing {

/// Squares of sides 1 to 5; every step sees all before it.
[[nodiscard]] const StepTable& small_steps();
/// Step 2 is not kept, step 3 sees steps 0 and itself only, step 4 sees 0, 1, 3.
[[nodiscard]] StepTable restricted_steps();

/// q, k and v of one layer and step: a function of the seed, the same for every cache that is asked.
struct Call {
  at::Tensor q;
  at::Tensor k;
  at::Tensor v;
};

[[nodiscard]] Call random_call(const Plan& plan, std::int64_t rows, int layer, int step, at::ScalarType type);

inline constexpr std::array kScale = {0.3F};

at::Tensor attend(KvCache& cache, const Plan& plan, const Call& call, int layer, int step);

struct NamedRule {
  std::string name;
  RetentionRule rule;
};

/// Every preset, and every value of every slot at least once.
[[nodiscard]] std::vector<NamedRule> rules_to_test();

}  // namespace kvscope::testing
