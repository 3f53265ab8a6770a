#pragma once

#include "kernels/compare/compare_result.h"

namespace kvscope::testing {

/// A comparison of "hack", its variants "hack@diagonal" and "hack@random", and "uniform:window" at 25 and 50 % of a
/// lossless cache on six samples, with invented figures: at 25 % the samples' teacher-forced KL is 0.1, 0.11, 0.15 and
/// 0.2 times 0.75, 0.85, ... 1.25, at 50 % half of it; token agreement is 1 - KL, PSNR 30 - 20 KL.
[[nodiscard]] CompareResult invented_compare(const ModelInfo& model, const StepTable& steps);

}  // namespace kvscope::testing
