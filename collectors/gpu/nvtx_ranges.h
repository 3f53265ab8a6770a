#pragma once

#include "collectors/timeline/range_recorder.h"

#include <memory>

namespace kvscope {

/// Shows ranges, under their labels, to whatever tool listens to NVTX (Nsight Systems and others). nullptr where no
/// tool has announced itself in the environment (NVTX_INJECTION64_PATH) or the build has no NVTX: then ranges cost
/// nothing more.
[[nodiscard]] std::unique_ptr<RangeFollower> nvtx_ranges();

}  // namespace kvscope
