#pragma once

#include "collectors/models/engine.h"

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace kvscope {

/// @throws Error  kUsage for labels outside [0, classes) or impossible sampling settings.
void check_request(const GenerationRequest& request, std::int64_t classes);

/// Strength of classifier-free guidance at a step: grows linearly from 0 to request.guidance.
[[nodiscard]] double guidance_at(const GenerationRequest& request, const StepTable& steps, int step);

/// The tokens of a step, [batch, N_k] int64, drawn by TokenSampler on all threads: the same function of logits,
/// seed and sample numbers whatever device the logits come from.
/// @param logits  [batch, N_k, vocabulary] float32 on the CPU, after guidance
[[nodiscard]] at::Tensor draw_tokens(const GenerationRequest& request, int step, const at::Tensor& logits);

}  // namespace kvscope
