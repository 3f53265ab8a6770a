#include "kernel_support.h"
#include "kernels/cuda/primitives.h"
#include "support/errors.h"

#include <vector>

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::testing::check_fault;
using kvscope::testing::fault_of;
using kvscope::testing::kMistake;
using kvscope::testing::run_kernel;

namespace {

int* shared_ints() {
  return reinterpret_cast<int*>(shared_memory());
}

constexpr int kTwoWarps = 64;

}  // namespace

TEST_CASE("a barrier that one warp does not reach is a fault") {
  const auto kernel = [](bool all) {
    return [all] {
      if (all || warp_index() == 0) synchronize_block(kMistake);
    };
  };
  CHECK_FALSE(fault_of<kTwoWarps>(kernel(true), {2, 0}));
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
  const auto fault = fault_of<kTwoWarps>(
      [] {
        if (warp_index() == 0) {
          synchronize_block();
        } else {
          synchronize_block();
        }
      },
      {1, 0});
  REQUIRE(fault);
  CHECK(fault->kind() == FaultKind::kMissedBarrier);
}

TEST_CASE("a named barrier waits for its own threads only") {
  CHECK_FALSE(fault_of<96>(
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
  CHECK_FALSE(fault_of<32>(kernel(32), {1, 0}));
  check_fault<32>(FaultKind::kAbsentLane, kernel(31), {1, 0});
}

TEST_CASE("lanes that meet in different collectives are a fault") {
  const auto fault = fault_of<32>(
      [] {
        if (lane_index() < 16) {
          static_cast<void>(ballot(true));
        } else {
          static_cast<void>(shuffle(1, 0));
        }
      },
      {1, 0});
  REQUIRE(fault);
  CHECK(fault->kind() == FaultKind::kDivergedLanes);
}

TEST_CASE("reading shared memory that nobody wrote is a fault") {
  check_fault<32>(FaultKind::kUnwritten,
                  [] {
                    if (lane_index() < 31) store(shared_ints() + lane_index(), 1);
                    if (lane_index() == 31) static_cast<void>(load(shared_ints() + 31, kMistake));
                  },
                  {1, 128});
  // What an earlier block left there does not count.
  check_fault<32>(FaultKind::kUnwritten,
                  [] {
                    if (block_index() == 0) store(shared_ints() + lane_index(), 1);
                    if (block_index() != 0) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
                  },
                  {2, 128});
}

TEST_CASE("reading what another warp wrote needs a barrier of the block") {
  const auto kernel = [](bool has_barrier) {
    return [has_barrier] {
      store(shared_ints() + thread_index(), 1);
      synchronize_block();
      store(shared_ints() + thread_index(), 2);
      if (has_barrier) synchronize_block();
      static_cast<void>(load(shared_ints() + (thread_index() ^ 32)));
    };
  };
  CHECK_FALSE(fault_of<kTwoWarps>(kernel(true), {1, 256}));
  const auto fault = fault_of<kTwoWarps>(kernel(false), {1, 256});
  REQUIRE(fault);
  CHECK(fault->kind() == FaultKind::kRace);
}

TEST_CASE("a fault names kernel and block and thread and source line") {
  int line = 0;
  const auto body = [&line] {
    line = __LINE__ + 1;
    if (thread_index() == 5) store(shared_ints() + 64, 1);
  };
  try {
    run_kernel<32>(body, {1, 256});
    FAIL("passed");
  } catch (const KernelFault& fault) {
    const std::string message = fault.what();
    CAPTURE(message);
    CHECK(message.find("kernel kvscope::testing::KernelOf<32") == 0);
    CHECK(message.find(fmt::format(", block 0, thread 5, faults_test.cpp:{}: ", line)) != std::string::npos);
    CHECK(message.find("store() writes 4 bytes at offset 256 of shared memory, which has 256 bytes") !=
          std::string::npos);
  }
}

TEST_CASE("a launch that breaks a limit is refused") {
  CHECK(fault_of<32>([] {}, {1, 100 * 1024}).has_value());
  CHECK_NOTHROW(run_kernel<32>([] {}, {1, 100 * 1024}, {}, {.shared_limit_bytes = kSharedBytesSm90}));
}
