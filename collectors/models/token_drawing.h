#pragma once

#include "collectors/models/engine.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace kvscope {

/// @param label_name  what a label numbers, for messages: "label", "prompt"
/// @throws Error  kUsage for labels outside [0, labels), settings of steps that are not those of `steps`, or impossible
///                settings of guidance and sampling.
void check_request(const GenerationRequest& request, std::string_view label_name, std::int64_t labels,
                   const StepTable& steps);

/// The tokens of a step as in StepOutcome, drawn by TokenSampler on all threads: the same function of logits, seed and
/// sample numbers whatever device the logits come from. The noise of variable j of token t has the token number
/// t * variables + j (NoiseKey).
/// @param logits  [batch, N_k, variables x vocabulary] float32 on the CPU, after guidance
[[nodiscard]] at::Tensor draw_tokens(const GenerationRequest& request, const TokenSpace& space, int step,
                                     const at::Tensor& logits);

/// Throws kUsage unless `tokens` is int64, of the shape of StepOutcome::tokens and within the vocabulary.
/// @param n_token  N_k
void check_tokens(const TokenSpace& space, const at::Tensor& tokens, std::int64_t samples, std::int64_t n_token,
                  int step);

}  // namespace kvscope
