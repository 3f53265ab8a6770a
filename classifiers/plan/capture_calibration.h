#pragma once

#include "classifiers/plan/attention_calibration.h"
#include "classifiers/plan/stored_elements.h"
#include "collectors/capture/capture.h"

#include <vector>

namespace kvscope {

/// The figures of a capture: from its column means, or from the mass per source step where it has no
/// column means (the sums are the same).
/// @throws Error  kBadInput if the capture holds neither, or a weight that is no number >= 0.
[[nodiscard]] AttentionCalibration calibrate_attention(const Capture& capture);

/// How every key/value head would quantise its keys and values, in (layer, kv_head) order: each channel's codes spread
/// over the range that the capture saw of it (quantisation_of_range()), in all samples, both branches and every step
/// whose tokens a later step reads. Affine, since channels of keys are rarely centred on 0.
/// @throws Error  kBadInput if the capture holds no ranges, or one that is none.
[[nodiscard]] std::vector<HeadQuantisation> calibrate_quantisation(const Capture& capture);

}  // namespace kvscope
