#include "collectors/gpu/cupti_records.h"

#include "collectors/gpu/activity_buffers.h"
#include "collectors/gpu/cupti_library.h"
#include "collectors/gpu/forged_records.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <thread>

using namespace kvscope;
using namespace kvscope::testing;

namespace {

template <typename Record>
ActivityLog decoded(const Record& record) {
  ActivityLog log;
  decode_record(reinterpret_cast<const CUpti_Activity&>(record), log);
  return log;
}

ForgedBuffer one_of_each() {
  ForgedBuffer buffer;
  buffer.add(call_record(5)).add(external_record(5, 77)).add(kernel_record("flash_fwd", 1'000, 4'500, 5));
  buffer.add(copy_record(CUPTI_ACTIVITY_MEMCPY_KIND_DTOH, 1 << 20, 5'000, 6'000, 6)).add(set_record(64, 10, 20, 7));
  buffer.add(memory_record(CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION, 4096, 30, 8));
  buffer.add(overhead_record(CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH, 40, 90));
  return buffer;
}

void check_one_of_each(const ActivityLog& log) {
  REQUIRE(log.work.size() == 3);
  CHECK(log.work[0].name == "flash_fwd");
  CHECK(log.work[1].name == "device to host");
  CHECK(log.work[2].name == "device");
  CHECK(log.memory.size() == 1);
  CHECK(log.overhead.size() == 1);
  CHECK(log.range_of_call.at(5) == 77);
  CHECK(log.losses.malformed == 0);
  CHECK(log.losses.unknown_kind == 0);
}

}  // namespace

TEST_SUITE("collectors.gpu.cupti_records") {
  TEST_CASE("a kernel record keeps name and times in ns and place and launch") {
    CuptiKernelRecord record = kernel_record("flash_fwd", 1'000, 4'500, 21, 13);
    record.deviceId = 1;
    record.graphNodeId = 99;
    const ActivityLog log = decoded(record);
    REQUIRE(log.work.size() == 1);
    const DeviceWork& work = log.work[0];
    CHECK(work.kind == DeviceWorkKind::kKernel);
    CHECK(work.name == "flash_fwd");
    CHECK(work.start_ns == 1'000);
    CHECK(work.end_ns == 4'500);
    CHECK(work.seconds() == doctest::Approx(3.5e-6));
    CHECK(work.device == 1);
    CHECK(work.stream == 13);
    CHECK(work.correlation == 21);
    CHECK(work.graph_node == 99);
    CHECK(work.grid == std::array<std::int32_t, 3>{4, 2, 1});
    CHECK(work.block == std::array<std::int32_t, 3>{128, 1, 1});
    CHECK(work.registers == 96);
    CHECK(work.shared_memory_bytes == 5120);
    CHECK(work.local_memory_bytes == 16);
  }

  TEST_CASE("a kernel without a name is still a kernel") {
    const ActivityLog log = decoded(kernel_record(nullptr, 1, 2, 3));
    REQUIRE(log.work.size() == 1);
    CHECK(log.work[0].name == "kernel without a name");
  }

  TEST_CASE("a copy says where from and where to and how much") {
    const ActivityLog log = decoded(copy_record(CUPTI_ACTIVITY_MEMCPY_KIND_HTOD, 4096, 10, 30, 2));
    REQUIRE(log.work.size() == 1);
    CHECK(log.work[0].kind == DeviceWorkKind::kCopy);
    CHECK(log.work[0].name == "host to device");
    CHECK(log.work[0].bytes == 4096);
    CHECK(decoded(copy_record(250, 1, 10, 30, 2)).work[0].name == "unknown direction");
  }

  TEST_CASE("a copy between GPUs has a record of its own") {
    CuptiPeerCopyRecord record{};
    record.kind = CUPTI_ACTIVITY_KIND_MEMCPY2;
    record.copyKind = CUPTI_ACTIVITY_MEMCPY_KIND_PTOP;
    record.bytes = 10;
    record.start = 5;
    record.end = 6;
    const ActivityLog log = decoded(record);
    REQUIRE(log.work.size() == 1);
    CHECK(log.work[0].name == "peer to peer");
  }

  TEST_CASE("memory is taken and given back") {
    const ActivityLog taken = decoded(memory_record(CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION, 4096, 30, 8));
    REQUIRE(taken.memory.size() == 1);
    CHECK_FALSE(taken.memory[0].is_release);
    CHECK(taken.memory[0].memory == "device");
    CHECK(taken.memory[0].bytes == 4096);
    CHECK(taken.memory[0].time_ns == 30);
    CHECK(decoded(memory_record(CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_RELEASE, 4096, 40, 9)).memory[0].is_release);
    CHECK(decoded(memory_record(CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_INVALID, 1, 1, 1)).losses.unknown_kind == 1);
  }

  TEST_CASE("overhead has a name and what it points to is freed") {
    CuptiOverheadRecord record = overhead_record(CUPTI_ACTIVITY_OVERHEAD_LAZY_FUNCTION_LOADING, 100, 350);
    record.overheadData = std::malloc(16);  // a leak would show under the address sanitizer
    const ActivityLog log = decoded(record);
    REQUIRE(log.overhead.size() == 1);
    CHECK(log.overhead[0].name == "lazy function loading");
    CHECK(log.overhead[0].end_ns == 350);
    CHECK(decoded(overhead_record(CUPTI_ACTIVITY_OVERHEAD_UNKNOWN, 0, 0)).losses.malformed == 1);
  }

  TEST_CASE("work without times and work that ends before it begins is counted and left out") {
    const ActivityLog timeless = decoded(kernel_record("k", 0, 0, 1));
    CHECK(timeless.work.empty());
    CHECK(timeless.losses.malformed == 1);
    const ActivityLog backwards = decoded(copy_record(CUPTI_ACTIVITY_MEMCPY_KIND_DTOD, 1, 50, 40, 1));
    CHECK(backwards.work.empty());
    CHECK(backwards.losses.malformed == 1);
  }

  TEST_CASE("kinds that nobody decodes are counted") {
    CUpti_ActivityName record{};
    record.kind = CUPTI_ACTIVITY_KIND_NAME;
    CHECK(decoded(record).losses.unknown_kind == 1);
    CUpti_Activity from_the_future{};
    from_the_future.kind = static_cast<CUpti_ActivityKind>(12'345);
    CHECK(decoded(from_the_future).losses.unknown_kind == 1);
  }

  TEST_CASE("external ids of other tools are not ours") {
    CHECK(decoded(external_record(5, 77)).range_of_call.at(5) == 77);
    CHECK(decoded(external_record(5, 77, CUPTI_EXTERNAL_CORRELATION_KIND_OPENACC)).range_of_call.empty());
  }

  TEST_CASE("a buffer gives all its records") {
    ForgedBuffer buffer = one_of_each();
    ActivityLog log;
    decode_buffer(buffer.data(), buffer.bytes(), forged_next, log);
    check_one_of_each(log);
  }

  TEST_CASE("CUPTI's own reader finds the same records in a forged buffer") {
    if (!cupti_library().problem.empty()) {
      MESSAGE("skipped: " << cupti_library().problem);
      return;
    }
    ForgedBuffer buffer = one_of_each();
    ActivityLog log;
    decode_buffer(buffer.data(), buffer.bytes(), cupti_library().next_record, log);
    check_one_of_each(log);
  }

  TEST_CASE("an empty buffer and a missing one hold nothing") {
    ActivityLog log;
    const auto never = [](std::uint8_t*, std::size_t, CUpti_Activity**) -> CUptiResult { std::abort(); };
    decode_buffer(nullptr, 100, never, log);
    std::uint64_t word = 0;
    decode_buffer(reinterpret_cast<std::uint8_t*>(&word), 0, never, log);
    CHECK(log.work.empty());
    CHECK(log.losses.malformed == 0);
  }

  TEST_CASE("a buffer that is cut short counts once and keeps what came before") {
    ForgedBuffer buffer;
    buffer.add(kernel_record("first", 1, 2, 1)).add(kernel_record("second", 3, 4, 2));
    ActivityLog log;
    decode_buffer(buffer.data(), buffer.bytes() - 8, forged_next, log);
    REQUIRE(log.work.size() == 1);
    CHECK(log.work[0].name == "first");
    CHECK(log.losses.malformed == 1);
  }

  TEST_CASE("a reader that does not advance or leaves the buffer ends the reading") {
    ForgedBuffer buffer;
    buffer.add(kernel_record("again", 1, 2, 1));
    ActivityLog stuck;
    decode_buffer(
        buffer.data(), buffer.bytes(),
        [](std::uint8_t* begin, std::size_t, CUpti_Activity** record) {
          *record = reinterpret_cast<CUpti_Activity*>(begin);
          return CUPTI_SUCCESS;
        },
        stuck);
    CHECK(stuck.work.size() == 1);
    CHECK(stuck.losses.malformed == 1);
    ActivityLog astray;
    decode_buffer(
        buffer.data(), buffer.bytes(),
        [](std::uint8_t* begin, std::size_t bytes, CUpti_Activity** record) {
          *record = reinterpret_cast<CUpti_Activity*>(begin + bytes);
          return CUPTI_SUCCESS;
        },
        astray);
    CHECK(astray.work.empty());
    CHECK(astray.losses.malformed == 1);
  }
}

TEST_SUITE("collectors.gpu.activity_buffers") {
  TEST_CASE("buffers are aligned and go round and their records arrive in the log") {
    ActivityBuffers buffers;
    buffers.reserve();
    for (int round = 0; round < 40; ++round) {
      const std::span<std::uint8_t> buffer = buffers.take();
      REQUIRE(buffer.size() >= 1 << 20);
      CHECK(reinterpret_cast<std::uintptr_t>(buffer.data()) % 8 == 0);
      ForgedBuffer forged;
      forged.add(kernel_record("k", 10, 20, static_cast<std::uint32_t>(round)));
      std::memcpy(buffer.data(), forged.data(), forged.bytes());
      buffers.decode_and_give_back(buffer.data(), forged.bytes(), forged_next);
    }
    buffers.add_dropped(3);
    const ActivityLog log = buffers.take_log();
    CHECK(log.work.size() == 40);
    CHECK(log.losses.dropped == 3);
    CHECK(log.losses.refused_buffers == 0);
    CHECK(buffers.take_log().work.empty());
  }

  TEST_CASE("a buffer that comes back empty holds nothing and can be used again") {
    ActivityBuffers buffers;
    buffers.reserve();
    const std::span<std::uint8_t> buffer = buffers.take();
    buffers.decode_and_give_back(buffer.data(), 0, forged_next);
    CHECK(buffers.take().data() == buffer.data());
    CHECK(buffers.take_log().losses.malformed == 0);
  }

  TEST_CASE("requests beyond the limit are refused and counted") {
    ActivityBuffers buffers;
    buffers.reserve();
    int taken = 0;
    while (!buffers.take().empty()) REQUIRE(++taken < 1000);
    CHECK(taken > 8);
    CHECK(buffers.take().data() == nullptr);
    CHECK(buffers.take_log().losses.refused_buffers == 2);
  }

  TEST_CASE("forgetting a warm-up keeps the nodes of graphs") {
    ActivityBuffers buffers;
    buffers.add_node(10, 7);
    buffers.add_node(0, 7);
    buffers.add_node(11, 0);
    buffers.add_clone(20, 10);
    buffers.add_dropped(5);
    buffers.forget_work();
    const ActivityLog log = buffers.take_log();
    CHECK(log.range_of_node.size() == 1);
    CHECK(log.cloned_from.at(20) == 10);
    CHECK(log.losses.dropped == 0);
  }

  TEST_CASE("threads may give buffers back at the same time") {
    ActivityBuffers buffers;
    buffers.reserve();
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < 50; ++round) {
          const std::span<std::uint8_t> buffer = buffers.take();
          ForgedBuffer forged;
          forged.add(set_record(1, 2, 3, 4));
          std::memcpy(buffer.data(), forged.data(), forged.bytes());
          buffers.decode_and_give_back(buffer.data(), forged.bytes(), forged_next);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(buffers.take_log().work.size() == 200);
  }
}
