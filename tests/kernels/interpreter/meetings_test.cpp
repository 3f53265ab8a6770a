#include "kernel_support.h"
#include "kernels/cuda/primitives.h"

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::testing::check_fault;
using kvscope::testing::check_guilty;
using kvscope::testing::kMistake;
using kvscope::testing::passes;

namespace {

constexpr int kTwoWarps = 64;

}  // namespace

TEST_CASE("a barrier that one warp does not reach is a fault") {
  const auto kernel = [](bool all) {
    return [all] {
      if (all || warp_index() == 0) synchronize_block(kMistake);
    };
  };
  CHECK(passes<kTwoWarps>(kernel(true), {2, 0}));
  check_fault<kTwoWarps>(FaultKind::kMissedBarrier, kernel(false), {2, 0});
}

TEST_CASE("a barrier that one lane does not reach is a fault") {
  check_fault<kTwoWarps>(FaultKind::kAbsentLane,
                         [] {
                           if (thread_index() == 40) return;
                           synchronize_block(kMistake);
                         },
                         {1, 0});
}

TEST_CASE("barriers on two source lines are not one barrier") {
  check_guilty<kTwoWarps>(FaultKind::kMissedBarrier,
                          [] {
                            if (warp_index() == 0) {
                              synchronize_block();
                            } else {
                              synchronize_block();
                            }
                          },
                          {1, 0});
}

TEST_CASE("a named barrier waits for its own threads only") {
  CHECK(passes<96>(
      [] {
        if (warp_index() < 2) synchronize_part(1, 64);
        synchronize_block();
      },
      {2, 0}));
  check_fault<96>(FaultKind::kMissedBarrier,
                  [] {
                    if (warp_index() < 2) synchronize_part(1, 96, kMistake);
                  },
                  {1, 0});
  check_fault<96>(FaultKind::kBadArgument, [] { synchronize_part(16, 96, kMistake); }, {1, 0});
  check_fault<96>(FaultKind::kBadArgument, [] { synchronize_part(1, 40, kMistake); }, {1, 0});
}

TEST_CASE("a collective without one of its lanes is a fault") {
  const auto kernel = [](int lanes) {
    return [lanes] {
      if (lane_index() < lanes) static_cast<void>(shuffle_xor(1, 1, kMistake));
    };
  };
  CHECK(passes<32>(kernel(32), {1, 0}));
  check_fault<32>(FaultKind::kAbsentLane, kernel(31), {1, 0});
}

TEST_CASE("lanes that meet in different collectives are a fault") {
  check_guilty<32>(FaultKind::kDivergedLanes,
                   [] {
                     if (lane_index() < 16) {
                       static_cast<void>(ballot(true));
                     } else {
                       static_cast<void>(shuffle(1, 0));
                     }
                   },
                   {1, 0});
}

TEST_CASE("lanes of a warp name the same barrier") {
  check_fault<32>(FaultKind::kBadArgument, [] { synchronize_part(1 + lane_index() % 2, 32, kMistake); }, {1, 0});
}

TEST_CASE("warps agree on how many threads a barrier is of") {
  check_fault<96>(FaultKind::kBadArgument, [] { synchronize_part(1, warp_index() == 0 ? 64 : 96, kMistake); }, {1, 0});
}

TEST_CASE("a lane that returns early is missed by the collective after") {
  check_fault<32>(FaultKind::kAbsentLane,
                  [] {
                    if (lane_index() == 7) return;
                    float d[4] = {};
                    multiply_add<BFloat16>(d, {0, 0, 0, 0}, {0, 0}, kMistake);
                  },
                  {1, 0});
}

TEST_CASE("a lane that waits at a barrier is missed by the collective of the others") {
  check_guilty<32>(FaultKind::kDivergedLanes,
                   [] {
                     if (lane_index() == 7) {
                       synchronize_block();
                     } else {
                       synchronize_warp();
                     }
                   },
                   {1, 0});
}
