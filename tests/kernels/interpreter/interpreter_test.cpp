#include "kernel_support.h"
#include "kernels/cuda/primitives.h"
#include "kernels/interpreter/interpreted_launch.h"
#include "support/errors.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::ErrorCode;
using kvscope::testing::check_error;
using kvscope::testing::check_fault;
using kvscope::testing::check_guilty;
using kvscope::testing::kMistake;
using kvscope::testing::passes;
using kvscope::testing::run_kernel;

namespace {

/// The order in which 64 threads of 4 blocks come to an atomic counter.
std::vector<int> order_of_arrival(const InterpreterOptions& options) {
  DeviceMemory memory;
  int* counter = memory.upload_writable("counter", std::vector<int>{0});
  int* order = memory.allocate<int>("order", 256);
  run_kernel<64>([=] { store(order + atomic_add(counter, 1), block_index() * 64 + thread_index()); }, {4, 0}, memory,
                 options);
  return {order, order + 256};
}

bool is_interleaved(const std::vector<int>& order) {
  int changes = 0;
  for (std::size_t i = 1; i < order.size(); ++i) changes += order[i] / 64 != order[i - 1] / 64 ? 1 : 0;
  return changes > 3;
}

/// Counts the objects that live in kernels.
struct Witness {
  static inline int living = 0;
  Witness() { ++living; }
  ~Witness() { --living; }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;
};

struct Multiply {
  static constexpr int kThreads = 32;
  int factors[4];
  int* result;
  void operator()() const {
    int own[4];
    for (int i = 0; i < 4; ++i) store(own + i, load(factors + i) * lane_index());
    store(result + lane_index(), load(own + 3));
  }
};

struct Double {
  static constexpr int kThreads = 32;
  int* numbers;
  void operator()() const {
    int* mine = numbers + block_index() * thread_count() + thread_index();
    store(mine, 2 * load(mine));
  }
};

}  // namespace

TEST_CASE("a fault names kernel and block and thread and source line") {
  int line = 0;
  const auto body = [&line] {
    line = __LINE__ + 1;
    if (thread_index() == 5) store(reinterpret_cast<int*>(shared_memory()) + 64, 1);
  };
  try {
    run_kernel<32>(body, {1, 256});
    FAIL("passed");
  } catch (const KernelFault& fault) {
    const std::string message = fault.what();
    CAPTURE(message);
    CHECK(message.find("kernel kvscope::testing::KernelOf<32") == 0);
    CHECK(message.find(fmt::format(", block 0, thread 5, interpreter_test.cpp:{}: ", line)) != std::string::npos);
    CHECK(message.find("store() writes 4 bytes at offset 256 of shared memory, which has 256 bytes") !=
          std::string::npos);
  }
}

TEST_CASE("a launch that breaks a limit is refused") {
  check_guilty<32>(FaultKind::kBadArgument, [] {}, {1, 100 * 1024});
  CHECK_NOTHROW(run_kernel<32>([] {}, {1, 100 * 1024}, {}, {.shared_limit_bytes = kSharedBytesSm90}));
}

TEST_CASE("every thread of every block runs once and the seed decides in which order") {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const auto order = order_of_arrival({.seed = seed});
    CHECK(order == order_of_arrival({.seed = seed}));
    orders.insert(order);
    auto sorted = order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<int> expected(256);
    std::iota(expected.begin(), expected.end(), 0);
    CHECK(sorted == expected);
  }
  CHECK(orders.size() == 5);
}

TEST_CASE("resident blocks are interleaved") {
  CHECK_FALSE(is_interleaved(order_of_arrival({.resident_blocks = 1})));
  CHECK(is_interleaved(order_of_arrival({.resident_blocks = 3})));
}

TEST_CASE("an exception in a kernel is passed on and leaves no thread behind") {
  const auto kernel = [] {
    const Witness witness;
    synchronize_warp();
    if (thread_index() == 40) throw std::out_of_range("from thread 40");
    synchronize_block();
  };
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CHECK_THROWS_WITH_AS(run_kernel<64>(kernel, {3, 0}, {}, {.seed = seed, .resident_blocks = 2}), "from thread 40",
                         std::out_of_range);
    CHECK(Witness::living == 0);
  }
  CHECK(passes<64>([] { synchronize_block(); }, {3, 0}));
}

TEST_CASE("a fault in one thread ends those that wait") {
  check_guilty<64>(FaultKind::kMissedBarrier,
                   [] {
                     const Witness witness;
                     if (warp_index() == 0) synchronize_block();
                   },
                   {1, 0});
  CHECK(Witness::living == 0);
}

TEST_CASE("threads that wait for another in a loop do not keep it from running") {
  DeviceMemory memory;
  int* flag = memory.upload_writable("flag", std::vector<int>{0});
  run_kernel<64>(
      [=] {
        if (thread_index() == 63) atomic_add(flag, 1);
        while (thread_index() != 63 && atomic_add(flag, 0) == 0) {
        }
      },
      {1, 0}, memory);
  CHECK(*flag == 1);
}

TEST_CASE("accesses beyond shared memory are faults") {
  const auto kernel = [](int offset) {
    return [=] { store(reinterpret_cast<int*>(shared_memory()) + lane_index() + offset, 1, kMistake); };
  };
  CHECK(passes<32>(kernel(0), {1, 128}));
  check_fault<32>(FaultKind::kOutOfBounds, kernel(1), {1, 128});
  check_fault<32>(FaultKind::kOutOfBounds, kernel(-1), {1, 128});
  check_fault<32>(FaultKind::kOutOfBounds,
                  [] {
                    std::uint32_t registers[4];
                    load_matrices(registers, shared_memory() + 512, kMistake);
                  },
                  {1, 512});
}

TEST_CASE("every access is aligned to its size") {
  DeviceMemory memory;
  auto* bytes = memory.allocate<std::byte>("bytes", 1024);
  const auto at = [](std::byte* address) { return address + 16 * lane_index(); };
  check_fault<32>(
      FaultKind::kMisaligned, [=] { static_cast<void>(load_packet(at(bytes) + 8, kMistake)); }, {1, 1024}, memory);
  check_fault<32>(
      FaultKind::kMisaligned, [=] { store_packet(at(bytes) + 4, {}, kMistake); }, {1, 1024}, memory);
  check_fault<32>(FaultKind::kMisaligned, [=] { store_packet(at(shared_memory()) + 8, {}, kMistake); }, {1, 1024});
  check_fault<32>(
      FaultKind::kMisaligned, [=] { static_cast<void>(load(reinterpret_cast<float*>(at(bytes) + 2), kMistake)); },
      {1, 1024}, memory);
  check_fault<32>(FaultKind::kMisaligned,
                  [=] { store(reinterpret_cast<BFloat16*>(at(shared_memory()) + 1), {}, kMistake); }, {1, 1024});
  check_fault<32>(
      FaultKind::kMisaligned, [=] { atomic_add(reinterpret_cast<int*>(at(bytes) + 2), 1, kMistake); }, {1, 0}, memory);
  check_fault<32>(
      FaultKind::kMisaligned, [=] { copy_async(at(shared_memory()) + 8, at(bytes), 16, kMistake); }, {1, 1024}, memory);
  check_fault<32>(
      FaultKind::kMisaligned, [=] { copy_async(at(shared_memory()), at(bytes) + 8, 8, kMistake); }, {1, 1024}, memory);
  check_fault<32>(FaultKind::kMisaligned,
                  [=] {
                    store_packet(at(shared_memory()), {});
                    store_packet(at(shared_memory()) + 512, {});
                    synchronize_warp();
                    std::uint32_t registers[4];
                    load_matrices(registers, at(shared_memory()) + 8, kMistake);
                  },
                  {1, 1024});
}

TEST_CASE("a copy is of 0 to 16 bytes") {
  DeviceMemory memory;
  auto* bytes = memory.allocate<std::byte>("bytes", 1024);
  for (const int count : {-4, 20}) {
    check_fault<32>(
        FaultKind::kBadArgument, [=] { copy_async(shared_memory() + 16 * lane_index(), bytes, count, kMistake); },
        {1, 512}, memory);
  }
}

TEST_CASE("memory of others must be entered or allowed") {
  std::vector<int> numbers(32, 1);
  const auto kernel = [data = numbers.data()] { store(data + lane_index(), load(data + lane_index(), kMistake) + 1); };
  DeviceMemory memory;
  check_fault<32>(FaultKind::kOutOfBounds, kernel, {1, 0}, memory);
  memory.allow_unregistered();
  run_kernel<32>(kernel, {1, 0}, memory);
  CHECK(numbers == std::vector<int>(32, 2));
  DeviceMemory entered;
  entered.add("numbers", numbers.data(), 128);
  run_kernel<32>(kernel, {1, 0}, entered);
  CHECK(numbers == std::vector<int>(32, 3));
  check_error(
      ErrorCode::kUsage, [&] { entered.add_read_only("again", numbers.data() + 31, 4); }, "again", "numbers");
}

TEST_CASE("buffers are poisoned and guarded") {
  DeviceMemory memory;
  auto* floats = memory.allocate<float>("floats", 5);
  for (int i = 0; i < 5; ++i) CHECK(floats[i] != floats[i]);
  CHECK(reinterpret_cast<std::uintptr_t>(floats) % 256 == 0);
  CHECK(memory.overrun() == nullptr);
  check_guilty<32>(
      FaultKind::kOutOfBounds, [=] { floats[5] = 1.0F; }, {1, 0}, memory);
  REQUIRE(memory.overrun() != nullptr);
  CHECK(memory.overrun()->name == "floats");
}

TEST_CASE("threads may keep arrays of their own and read the kernel's members") {
  DeviceMemory memory;
  int* result = memory.allocate<int>("result", 32);
  interpret(Multiply{{1, 2, 3, 4}, result}, {1, 0}, memory);
  for (int i = 0; i < 32; ++i) CHECK(result[i] == 4 * i);
}

TEST_CASE("a launcher runs kernels one after the other") {
  DeviceMemory memory;
  int* numbers = memory.upload_writable("numbers", std::vector<int>(96, 1));
  const InterpretedLaunch launch(memory, {}, 7);
  CHECK(launch.multiprocessors() == 7);
  for (int i = 0; i < 4; ++i) launch(Double{numbers}, {.blocks = 3});
  launch(Double{numbers}, {.blocks = 0});
  for (int i = 0; i < 96; ++i) CHECK(numbers[i] == 16);
}
