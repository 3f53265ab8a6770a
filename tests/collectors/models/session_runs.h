#pragma once

#include "collectors/models/engine.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace kvscope::testing {

/// Everything that a run of samples produces, samples in order.
struct Run {
  std::vector<at::Tensor> logits;  ///< per step, as StepOutcome's
  std::vector<at::Tensor> tokens;  ///< the same
  at::Tensor images;               ///< undefined where they were not asked for
};

enum class Images { kDecoded, kLeftOut };

/// Runs a session to its end with a full cache.
/// @param forced  tokens of every step that go on to the next one; empty: those that were drawn
[[nodiscard]] Run run_session(GenerationSession& session, std::int64_t rows, const std::vector<at::Tensor>& forced = {},
                              Images images = Images::kDecoded);

/// The samples of a request in batches of `batch`, the last one smaller.
[[nodiscard]] Run run_in_batches(const Engine& engine, const GenerationRequest& request, std::int64_t batch,
                                 Images images = Images::kDecoded);

void check_same_bits(const Run& a, const Run& b);

}  // namespace kvscope::testing
