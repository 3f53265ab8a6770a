#pragma once

#include "classifiers/plan/plan.h"

namespace kvscope::testing {

/// A model of two layers and two heads of size 8 with float32 keys and values, under guidance.
inline ModelInfo small_model() {
  ModelInfo model;
  model.family = "var";
  model.fingerprint = "f00d";
  model.layers = 2;
  model.heads = 2;
  model.kv_heads = 2;
  model.head_dim = 8;
  model.branches = {"conditional", "unconditional"};
  return model;
}

/// Scales 1, 2, 3: N = 1 4 9, T = 1 5 14.
inline StepTable small_steps() {
  return StepTable::square(std::vector<int>{1, 2, 3});
}

/// Six tokens a head: 1 5 6 attended to, 1 5 0 carried.
inline Plan small_plan() {
  Plan plan;
  plan.method = "uniform";
  plan.parameters = {{"tokens", 6}};
  plan.model = small_model();
  plan.steps = small_steps();
  plan.rules["attention-topk"] = retention_preset("attention-topk");
  for (int layer = 0; layer < 2; ++layer) {
    for (int head = 0; head < 2; ++head) {
      plan.heads.push_back(
          {.layer = layer, .head = head, .rule = "attention-topk", .attend = {1, 5, 6}, .carry = {1, 5, 0}});
    }
  }
  return plan;
}

/// Some parameters for heads of eight channels.
inline HeadQuantisation small_quantisation() {
  ChannelQuantisation key;
  ChannelQuantisation value;
  for (int channel = 0; channel < 8; ++channel) {
    key.scale.push_back(0.1F + 0.01F * static_cast<float>(channel));
    key.offset.push_back(-0.3F * static_cast<float>(channel));
    value.scale.push_back(1.0F / (3.0F + static_cast<float>(channel)));
    value.offset.push_back(0.7F);
  }
  return {.key = key, .value = value};
}

}  // namespace kvscope::testing
