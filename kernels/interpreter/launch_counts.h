#pragma once

#include "kernels/cuda/call_site.h"

#include <cstdint>
#include <vector>

namespace kvscope::gpu {

/// Accesses of warps to shared memory from one source line.
///
/// Shared memory has 32 banks of 4 bytes; in one wavefront each bank gives one word, to any number of lanes. Accesses
/// of up to 4 bytes are of a whole warp, those of 8 bytes of half a warp, those of 16 bytes (also of copy_async() and
/// of one matrix of load_matrices()) of 8 lanes.
struct SharedSite {
  CallSite site;
  std::int64_t wavefronts = 0;
  std::int64_t least_wavefronts = 0;  ///< without bank conflicts
};

/// What launches did, added up. Lanes' accesses from one line count as one instruction when each is its lane's n-th
/// from there since the warp's last meeting, so where lanes diverge in between the wavefronts are estimates.
struct LaunchCounts {
  std::int64_t threads = 0;
  std::int64_t global_bytes_read = 0;     ///< as asked for, before any cache
  std::int64_t global_bytes_written = 0;  ///< atomic additions count here
  std::int64_t shared_bytes_read = 0;
  std::int64_t shared_bytes_written = 0;
  std::int64_t products = 0;             ///< m16n8k16, of warps: 4096 FLOP each
  std::int64_t block_barriers = 0;       ///< synchronize_block() and synchronize_part(), of warps
  std::vector<SharedSite> shared_sites;  ///< in the order in which they were met first

  [[nodiscard]] std::int64_t bank_conflicts() const {
    std::int64_t conflicts = 0;
    for (const SharedSite& site : shared_sites) conflicts += site.wavefronts - site.least_wavefronts;
    return conflicts;
  }
};

}  // namespace kvscope::gpu
