#include "kernel_support.h"
#include "kernels/cuda/primitives.h"

#include <numeric>
#include <vector>

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::testing::check_fault;
using kvscope::testing::check_guilty;
using kvscope::testing::kMistake;
using kvscope::testing::passes;
using kvscope::testing::run_kernel;

namespace {

constexpr int kTwoWarps = 64;
constexpr int kBlocks = 9;

/// Every block leaves a part; the last to arrive adds them up.
struct SumOfBlocks {
  static constexpr int kThreads = 64;
  int* arrived;
  int* parts;  // [blocks, 32]
  int* sum;    // [32]
  bool has_fence = true;

  void operator()() const {
    if (thread_index() < 32) {
      store(parts + block_index() * 32 + thread_index(), block_index() + thread_index(), kMistake);
    }
    auto* is_last = reinterpret_cast<int*>(shared_memory());
    if (has_fence) fence_device();
    synchronize_block();
    if (thread_index() == 0) store(is_last, atomic_add(arrived, 1) == block_count() - 1 ? 1 : 0);
    synchronize_block();
    if (load(is_last) == 0 || thread_index() >= 32) return;
    fence_device();
    int total = 0;
    for (int block = 0; block < block_count(); ++block) {
      total += load(parts + block * 32 + thread_index(), kMistake);
    }
    store(sum + thread_index(), total);
    if (thread_index() == 0) store(arrived, 0);
  }
};

struct SumProblem {
  DeviceMemory memory;
  SumOfBlocks kernel{memory.upload_writable("arrived", std::vector<int>{0}),
                     memory.allocate<int>("parts", kBlocks * 32), memory.allocate<int>("sum", 32)};
};

}  // namespace

TEST_CASE("the last block to arrive adds up what all left") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SumProblem problem;
    interpret(problem.kernel, {kBlocks, 16}, problem.memory, {.seed = seed, .resident_blocks = 4});
    for (int i = 0; i < 32; ++i) CHECK(problem.kernel.sum[i] == kBlocks * (kBlocks - 1) / 2 + kBlocks * i);
    CHECK(*problem.kernel.arrived == 0);
  }
}

TEST_CASE("the last block does not see what others wrote without a fence") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    SumProblem problem;
    problem.kernel.has_fence = false;
    try {
      interpret(problem.kernel, {kBlocks, 16}, problem.memory, {.seed = seed, .resident_blocks = 4});
      FAIL("passed");
    } catch (const KernelFault& fault) {
      CAPTURE(fault.what());
      CHECK(fault.kind() == FaultKind::kRace);
      CHECK(to_string(fault.place().site) == to_string(kMistake));
    }
    // Who does not want this judged says so.
    SumProblem unjudged;
    unjudged.kernel.has_fence = false;
    interpret(unjudged.kernel, {kBlocks, 16}, unjudged.memory, {.seed = seed, .judges_global_order = false});
    CHECK(unjudged.kernel.sum[0] == kBlocks * (kBlocks - 1) / 2);
  }
}

TEST_CASE("reading what another thread of the block left in global memory needs a barrier") {
  DeviceMemory memory;
  int* ints = memory.upload_writable("ints", std::vector<int>(kTwoWarps, -1));
  const auto kernel = [ints](bool has_barrier) {
    return [=] {
      store(ints + thread_index(), load(ints + thread_index()) + 1, kMistake);
      if (has_barrier) synchronize_block();
      static_cast<void>(load(ints + (thread_index() ^ 33), kMistake));
    };
  };
  CHECK(passes<kTwoWarps>(kernel(true), {1, 0}, memory));
  check_fault<kTwoWarps>(FaultKind::kRace, kernel(false), {1, 0}, memory);
}

TEST_CASE("blocks that write different values to one place race and those that write the same do not") {
  DeviceMemory memory;
  int* place = memory.allocate<int>("place", 1);
  const auto kernel = [place](bool same) {
    return [=] {
      if (thread_index() == 0) store(place, same ? 1 : block_index(), kMistake);
    };
  };
  CHECK(passes<32>(kernel(true), {3, 0}, memory));
  check_fault<32>(FaultKind::kRace, kernel(false), {3, 0}, memory);
}

TEST_CASE("a block that moves tokens over those another block still reads races") {
  DeviceMemory memory;
  std::vector<int> values(128);
  std::iota(values.begin(), values.end(), 0);
  int* tokens = memory.upload_writable("tokens", values);
  const auto shift = [tokens](int distance) {
    return [=] {
      const int own = block_index() * 32 + lane_index();
      const int value = load(tokens + (own + distance) % 128, kMistake);
      store(tokens + own, value + 1, kMistake);
    };
  };
  CHECK(passes<32>(shift(0), {4, 0}, memory));
  check_fault<32>(FaultKind::kRace, shift(32), {4, 0}, memory);
}

TEST_CASE("halves of a word belong to different threads") {
  DeviceMemory memory;
  auto* halves = memory.allocate<BFloat16>("halves", 128);
  CHECK(passes<kTwoWarps>(
      [=] {
        for (int i = 0; i < 3; ++i) {
          store(halves + block_index() * 64 + thread_index(), BFloat16{static_cast<std::uint16_t>(i)});
          static_cast<void>(load(halves + block_index() * 64 + thread_index()));
        }
      },
      {2, 0}, memory));
}

TEST_CASE("atomic additions of blocks add up and a plain read among them is a race") {
  DeviceMemory memory;
  int* count = memory.upload_writable("count", std::vector<int>{0});
  run_kernel<kTwoWarps>([=] { atomic_add(count, 3); }, {5, 0}, memory, {.resident_blocks = 2});
  CHECK(*count == 5 * 64 * 3);
  auto* sum = memory.upload_writable("sum", std::vector<float>{0.0F});
  run_kernel<kTwoWarps>([=] { atomic_add(sum, 0.5F); }, {5, 0}, memory, {.resident_blocks = 2});
  CHECK(*sum == 160.0F);
  check_guilty<kTwoWarps>(
      FaultKind::kRace,
      [=] {
        atomic_add(count, 1);
        static_cast<void>(load(count));
      },
      {2, 0}, memory);
}

TEST_CASE("accesses beyond a buffer are faults and those within are not") {
  DeviceMemory memory;
  int* ints = memory.allocate<int>("ints", 33);
  const auto kernel = [ints](int offset) { return [=] { store(ints + lane_index() + offset, 1, kMistake); }; };
  CHECK(passes<32>(kernel(1), {1, 0}, memory));
  check_fault<32>(FaultKind::kOutOfBounds, kernel(2), {1, 0}, memory);
  check_fault<32>(FaultKind::kOutOfBounds, kernel(-1), {1, 0}, memory);
  // A packet that begins within and ends beyond.
  check_fault<32>(
      FaultKind::kOutOfBounds, [ints] { static_cast<void>(load_packet(ints + 32, kMistake)); }, {1, 0}, memory);
  // A copy reads no more than it was told.
  const auto copy = [ints](int bytes) {
    return [=] { copy_async(shared_memory() + 16 * lane_index(), ints + 32, bytes, kMistake); };
  };
  CHECK(passes<32>(copy(4), {1, 512}, memory));
  check_fault<32>(FaultKind::kOutOfBounds, copy(8), {1, 512}, memory);
}

TEST_CASE("what was uploaded is only for reading") {
  DeviceMemory memory;
  const int* input = memory.upload("input", std::vector<int>(32, 5));
  CHECK(passes<32>([=] { static_cast<void>(load(input + lane_index())); }, {1, 0}, memory));
  check_fault<32>(
      FaultKind::kReadOnly, [=] { store(const_cast<int*>(input) + lane_index(), 1, kMistake); }, {1, 0}, memory);
}
