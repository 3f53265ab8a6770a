#pragma once

#include "classifiers/plan/attention_calibration.h"
#include "collectors/capture/capture.h"

namespace kvscope {

/// The figures of a capture: from its column means, or from the mass per source step where it has no
/// column means (the sums are the same).
/// @throws Error  kBadInput if the capture holds neither, or a weight that is no number >= 0.
[[nodiscard]] AttentionCalibration calibrate_attention(const Capture& capture);

}  // namespace kvscope
