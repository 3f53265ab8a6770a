#include "kernel_support.h"
#include "kernels/cuda/primitives.h"

#include <numeric>
#include <stdexcept>
#include <vector>

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::testing::check_fault;
using kvscope::testing::check_guilty;
using kvscope::testing::faults_of;
using kvscope::testing::kMistake;
using kvscope::testing::passes;

namespace {

int* shared_ints() {
  return reinterpret_cast<int*>(shared_memory());
}

constexpr int kTwoWarps = 64;
constexpr LaunchShape kOneBlock{1, 1024};

/// A source for copies: 0, 1, 2, ....
struct Numbers {
  DeviceMemory memory;
  const int* ints;
  Numbers() {
    std::vector<int> values(256);
    std::iota(values.begin(), values.end(), 0);
    ints = memory.upload("numbers", values);
  }
};

}  // namespace

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
  CHECK(passes<kTwoWarps>(kernel(true), {1, 256}));
  check_guilty<kTwoWarps>(FaultKind::kRace, kernel(false), {1, 256});
}

TEST_CASE("overwriting what another thread still reads needs a barrier") {
  const auto kernel = [](bool has_barrier) {
    return [has_barrier] {
      store(shared_ints() + thread_index(), thread_index());
      synchronize_block();
      static_cast<void>(load(shared_ints() + (thread_index() ^ 32)));
      if (has_barrier) synchronize_block();
      store(shared_ints() + thread_index(), -1);
    };
  };
  CHECK(passes<kTwoWarps>(kernel(true), kOneBlock));
  check_guilty<kTwoWarps>(FaultKind::kRace, kernel(false), kOneBlock);
}

TEST_CASE("a thread may overwrite what it alone reads") {
  CHECK(passes<kTwoWarps>(
      [] {
        auto* mine = reinterpret_cast<BFloat16*>(shared_memory()) + thread_index();
        for (int i = 0; i < 3; ++i) {
          store(mine, BFloat16{static_cast<std::uint16_t>(i)});
          static_cast<void>(load(mine));
        }
      },
      kOneBlock));
}

TEST_CASE("single bytes belong to threads") {
  CHECK(passes<kTwoWarps>(
      [] {
        std::byte* mine = shared_memory() + thread_index();
        for (int i = 0; i < 3; ++i) {
          store(mine, std::byte{7});
          static_cast<void>(load(mine));
        }
      },
      kOneBlock));
}

TEST_CASE("two threads that write different values race and those that write the same do not") {
  const auto kernel = [](bool same) { return [same] { store(shared_ints(), same ? 1 : thread_index(), kMistake); }; };
  CHECK(passes<kTwoWarps>(kernel(true), kOneBlock));
  check_fault<kTwoWarps>(FaultKind::kRace, kernel(false), kOneBlock);
}

TEST_CASE("lanes see each other's writes after synchronize_warp and not after a shuffle") {
  const auto kernel = [](bool has_synchronize) {
    return [has_synchronize] {
      store(shared_ints() + lane_index(), 0);
      synchronize_warp();
      store(shared_ints() + lane_index(), 1);
      if (has_synchronize) {
        synchronize_warp();
      } else {
        static_cast<void>(shuffle(1, 0));
      }
      static_cast<void>(load(shared_ints() + (lane_index() ^ 1), kMistake));
    };
  };
  CHECK(passes<32>(kernel(true), kOneBlock));
  check_fault<32>(FaultKind::kRace, kernel(false), kOneBlock);
}

TEST_CASE("synchronize_warp does not order what other warps wrote") {
  check_fault<kTwoWarps>(
      FaultKind::kRace,
      [] {
        if (warp_index() == 0) store(shared_ints() + lane_index(), 1);
        synchronize_block();
        if (warp_index() == 0) store(shared_ints() + lane_index(), 2, kMistake);
        synchronize_warp();
        if (warp_index() == 1) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
      },
      kOneBlock);
}

TEST_CASE("named barriers hand on what a warp has seen") {
  // Warp 0 writes, meets warp 1, which meets warp 2, which reads.
  const auto kernel = [](bool is_handed_on) {
    return [is_handed_on] {
      if (warp_index() == 2) store(shared_ints() + lane_index(), 0);
      synchronize_block();
      if (warp_index() == 0) store(shared_ints() + lane_index(), 1, kMistake);
      if (warp_index() <= 1) synchronize_part(1, 64);
      if (warp_index() >= 1 && is_handed_on) synchronize_part(2, 64);
      if (warp_index() == 2) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
    };
  };
  CHECK(passes<96>(kernel(true), kOneBlock));
  check_fault<96>(FaultKind::kRace, kernel(false), kOneBlock);
}

TEST_CASE("a writer waits for every warp that reads and may do so at several barriers") {
  const auto kernel = [](bool waits_for_both) {
    return [waits_for_both] {
      const int warp = warp_index();
      if (warp == 2) store(shared_ints() + lane_index(), 0);
      synchronize_block();
      if (warp == 0) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
      if (warp == 0 || warp == 2) synchronize_part(1, 64);
      if (warp == 1) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
      if (warp >= 1 && waits_for_both) synchronize_part(2, 64);
      if (warp == 2) store(shared_ints() + lane_index(), 1, kMistake);
    };
  };
  CHECK(passes<96>(kernel(true), kOneBlock));
  check_fault<96>(FaultKind::kRace, kernel(false), kOneBlock);
}

TEST_CASE("atomic additions of all threads add up and need a barrier before they are read") {
  const auto kernel = [](bool has_barrier) {
    return [has_barrier] {
      if (thread_index() == 0) store(shared_ints(), 100);
      synchronize_block();
      atomic_add(shared_ints(), 2, kMistake);
      if (has_barrier) synchronize_block();
      const bool is_complete = load(shared_ints(), kMistake) == 100 + 2 * thread_count();
      if (has_barrier && !is_complete) throw std::runtime_error("lost an addition");
    };
  };
  CHECK(passes<kTwoWarps>(kernel(true), kOneBlock));
  check_fault<kTwoWarps>(FaultKind::kRace, kernel(false), kOneBlock);
}

TEST_CASE("atomic additions do not wait for the first value") {
  check_guilty<kTwoWarps>(
      FaultKind::kRace,
      [] {
        store(shared_ints() + thread_index(), 0);
        synchronize_block();
        if (thread_index() == 0) store(shared_ints(), 1);
        atomic_add(shared_ints(), 2);
      },
      kOneBlock);
}

TEST_CASE("the result of a copy may be used after it was waited for") {
  const Numbers numbers;
  const auto kernel = [&numbers](bool waits) {
    return [waits, source = numbers.ints] {
      copy_async(shared_ints() + 4 * lane_index(), source + 4 * lane_index());
      commit_copies();
      if (waits) wait_for_copies<0>();
      for (int i = 0; i < 4; ++i) {
        if (load(shared_ints() + 4 * lane_index() + i, kMistake) != 4 * lane_index() + i)
          throw std::runtime_error("value");
      }
    };
  };
  CHECK(passes<32>(kernel(true), kOneBlock, numbers.memory));
  check_fault<32>(FaultKind::kPendingCopy, kernel(false), kOneBlock, numbers.memory);
}

TEST_CASE("waiting for all but the latest group leaves the latest group under way") {
  const Numbers numbers;
  const auto kernel = [&numbers](int used) {
    return [used, source = numbers.ints] {
      for (int i = 0; i < 2; ++i) {
        copy_async(shared_ints() + 4 * lane_index() + 128 * i, source + 4 * lane_index());
        commit_copies();
      }
      wait_for_copies<1>();
      static_cast<void>(load(shared_ints() + 4 * lane_index() + 128 * used, kMistake));
    };
  };
  CHECK(passes<32>(kernel(0), kOneBlock, numbers.memory));
  check_fault<32>(FaultKind::kPendingCopy, kernel(1), kOneBlock, numbers.memory);
}

TEST_CASE("a copy that no group holds is never waited for") {
  const Numbers numbers;
  check_fault<32>(
      FaultKind::kPendingCopy,
      [source = numbers.ints] {
        copy_async(shared_ints() + 4 * lane_index(), source);
        wait_for_copies<0>();
        static_cast<void>(load(shared_ints() + 4 * lane_index(), kMistake));
      },
      kOneBlock, numbers.memory);
}

TEST_CASE("other threads see a copy after its wait and a barrier") {
  const Numbers numbers;
  const auto kernel = [&numbers](bool has_barrier) {
    return [has_barrier, source = numbers.ints] {
      store(shared_ints() + thread_index(), 0);
      synchronize_block();
      if (warp_index() == 0 && lane_index() < 16) copy_async(shared_ints() + 4 * lane_index(), source, 16, kMistake);
      commit_copies();
      wait_for_copies<0>();
      if (has_barrier) synchronize_block();
      if (warp_index() == 1) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
    };
  };
  CHECK(passes<kTwoWarps>(kernel(true), kOneBlock, numbers.memory));
  check_fault<kTwoWarps>(FaultKind::kRace, kernel(false), kOneBlock, numbers.memory);
}

TEST_CASE("a barrier without a wait does not finish the copies of others") {
  const Numbers numbers;
  check_fault<kTwoWarps>(
      FaultKind::kPendingCopy,
      [source = numbers.ints] {
        if (warp_index() == 0 && lane_index() < 16) copy_async(shared_ints() + 4 * lane_index(), source);
        commit_copies();
        synchronize_block();
        if (warp_index() == 1) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
      },
      kOneBlock, numbers.memory);
}

TEST_CASE("a copy into what other threads still read is a race") {
  const Numbers numbers;
  const auto kernel = [&numbers](bool has_barrier) {
    return [has_barrier, source = numbers.ints] {
      store(shared_ints() + thread_index(), 0);
      synchronize_block();
      if (warp_index() == 1) static_cast<void>(load(shared_ints() + lane_index(), kMistake));
      if (has_barrier) synchronize_block();
      if (warp_index() == 0 && lane_index() < 8) copy_async(shared_ints() + 4 * lane_index(), source, 16, kMistake);
    };
  };
  CHECK(passes<kTwoWarps>(kernel(true), kOneBlock, numbers.memory));
  // Whoever comes second is told: the copy of the reads, or a read of the copy.
  const auto faults = faults_of<kTwoWarps>(kernel(false), kOneBlock, numbers.memory);
  REQUIRE(!faults.empty());
  for (const auto& fault : faults) CHECK(to_string(fault.place().site) == to_string(kMistake));
}

TEST_CASE("a copy of fewer bytes fills up with zeros") {
  const Numbers numbers;
  for (int bytes = 0; bytes <= 16; bytes += 4) {
    CAPTURE(bytes);
    CHECK(passes<32>(
        [bytes, source = numbers.ints] {
          copy_async(shared_ints() + 4 * lane_index(), source + 4 * lane_index(), bytes);
          commit_copies();
          wait_for_copies<0>();
          for (int i = 0; i < 4; ++i) {
            const int expected = 4 * i < bytes ? 4 * lane_index() + i : 0;
            if (load(shared_ints() + 4 * lane_index() + i) != expected) throw std::runtime_error("value");
          }
        },
        kOneBlock, numbers.memory));
  }
}

TEST_CASE("writing past shared memory without store is found at the block's end") {
  check_guilty<32>(FaultKind::kOutOfBounds, [] { shared_ints()[32] = 5; }, {1, 128});
}

TEST_CASE("shared memory is NaN where nobody wrote") {
  CHECK(passes<32>(
      [] {
        const auto* floats = reinterpret_cast<const float*>(shared_memory());
        if (floats[lane_index()] == floats[lane_index()]) throw std::runtime_error("a number");
      },
      {2, 128}));
}
