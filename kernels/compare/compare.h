#pragma once

#include "kernels/compare/compare_request.h"
#include "kernels/compare/compare_result.h"

namespace kvscope {

/// Plans and replays every method at every budget: of each, the plan that allocates most within the budget's bytes
/// (plan_within_bytes()), free-running and teacher-forced, on the same samples and random numbers as the full run,
/// which is computed once (SampleSet). Parameters that a method leaves open are those of least teacher-forced KL on the
/// calibration samples. Two cells whose plans do the same are generated once.
///
/// After every cell and every candidate of a search `partial` is written, so that an interrupted run loses one of them
/// at most; a resumed one ends with the same figures, seconds apart.
/// @throws Error  kUsage for a budget below one token per head, an unknown baseline, or what make_plan() refuses; all
///                before the model runs. kBadInput if the evaluator knows other classes, or `partial` is of another
///                request; kCheckFailed if the cache's bytes are not what a plan predicts; kInterrupted.
[[nodiscard]] CompareResult compare_methods(const Engine& engine, const CompareRequest& request);

}  // namespace kvscope
