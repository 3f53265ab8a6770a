#pragma once

#include "collectors/models/engine.h"
#include "kernels/replay/replay_measurements.h"

#include <cstdint>

namespace kvscope {

/// Writes what a step of a batch drew and how its distributions differ, for every sample.
/// @param full, compressed  outcomes of the same step of the same samples
/// @param first_sample      the batch's place among all samples of `measured`
void compare_step(const StepOutcome& full, const StepOutcome& compressed, std::int64_t first_sample,
                  TokenMeasurements& measured);

}  // namespace kvscope
