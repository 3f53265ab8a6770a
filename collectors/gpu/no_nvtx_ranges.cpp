#include "collectors/gpu/nvtx_ranges.h"

namespace kvscope {

std::unique_ptr<RangeFollower> nvtx_ranges() {
  return nullptr;
}

}  // namespace kvscope
