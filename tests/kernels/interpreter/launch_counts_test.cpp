#include "kernels/interpreter/launch_counts.h"

#include "kernel_support.h"
#include "kernels/cuda/primitives.h"

#include <vector>

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::testing::run_kernel;

namespace {

constexpr LaunchShape kTwoBlocks{2, 8192};

template <typename Body>
LaunchCounts counts_of(const Body& body, const DeviceMemory& memory = {}) {
  LaunchCounts counts;
  run_kernel<32>(body, kTwoBlocks, memory, {.counts = &counts});
  return counts;
}

/// Checks how often one block's warp goes to shared memory in `body`, which does so from one line.
template <typename Body>
void check_wavefronts(std::int64_t wavefronts, std::int64_t least, const Body& body) {
  const LaunchCounts counts = counts_of(body);
  REQUIRE(counts.shared_sites.size() == 1);
  CHECK(counts.shared_sites[0].wavefronts == 2 * wavefronts);
  CHECK(counts.shared_sites[0].least_wavefronts == 2 * least);
  CHECK(counts.bank_conflicts() == 2 * (wavefronts - least));
}

}  // namespace

TEST_CASE("words conflict where their distance shares a factor with the banks") {
  for (const int stride : {1, 2, 3, 4, 32, 33, 40}) {
    CAPTURE(stride);
    const int expected = stride % 32 == 0 ? 32 : stride % 8 == 0 ? 8 : stride % 4 == 0 ? 4 : stride % 2 == 0 ? 2 : 1;
    check_wavefronts(expected, 1, [=] { store(reinterpret_cast<int*>(shared_memory()) + lane_index() * stride, 1); });
  }
}

TEST_CASE("lanes that share a word do not conflict") {
  check_wavefronts(1, 1, [] { store(reinterpret_cast<int*>(shared_memory()), 1); });
  check_wavefronts(1, 1, [] { store(reinterpret_cast<BFloat16*>(shared_memory()) + lane_index(), BFloat16{}); });
}

TEST_CASE("packets take a wavefront for each 8 lanes at least") {
  check_wavefronts(4, 4, [] { store_packet(shared_memory() + 16 * lane_index(), {}); });
  check_wavefronts(4 * 8, 4, [] { store_packet(shared_memory() + 128 * lane_index(), {}); });
  check_wavefronts(2, 2, [] {
    if (lane_index() >= 16) store_packet(shared_memory() + 16 * lane_index(), {});
  });
}

TEST_CASE("instructions of a loop count one by one") {
  check_wavefronts(3 * (1 + 2), 6, [] {
    for (int i = 0; i < 3; ++i) {
      for (int stride = 1; stride <= 2; ++stride) {
        store(reinterpret_cast<int*>(shared_memory()) + lane_index() * stride, lane_index() * stride);
        synchronize_warp();
      }
    }
  });
}

TEST_CASE("matrices conflict when their rows begin in one bank") {
  const auto kernel = [](int stride) {
    return [stride] {
      for (int i = 0; i < 16; ++i) store_packet(shared_memory() + 16 * (32 * i + lane_index()), {});
      synchronize_warp();
      std::uint32_t registers[4];
      load_matrices(registers, shared_memory() + stride * lane_index());
    };
  };
  CHECK(counts_of(kernel(128)).bank_conflicts() == 2 * 4 * 7);
  CHECK(counts_of(kernel(144)).bank_conflicts() == 0);
  CHECK(counts_of(kernel(16)).bank_conflicts() == 0);
}

TEST_CASE("bytes and products and barriers are counted") {
  DeviceMemory memory;
  const float* source = memory.upload("source", std::vector<float>(4, 1.0F));
  float* values = memory.upload_writable("values", std::vector<float>(64, 1.0F));
  const LaunchCounts counts = counts_of(
      [=] {
        float* mine = values + block_index() * 32 + lane_index();
        copy_async(shared_memory() + 16 * lane_index(), source, lane_index() == 0 ? 12 : 0);
        commit_copies();
        wait_for_copies<0>();
        synchronize_block();
        float d[4] = {};
        for (int i = 0; i < 3; ++i) multiply_add<BFloat16>(d, {0, 0, 0, 0}, {0, 0});
        synchronize_part(3, 32);
        if (lane_index() < 8) store(mine, load(mine) + d[0] + load(reinterpret_cast<float*>(shared_memory())));
      },
      memory);
  CHECK(counts.threads == 64);
  CHECK(counts.products == 6);
  CHECK(counts.block_barriers == 4);
  CHECK(counts.global_bytes_read == 2 * (12 + 8 * 4));
  CHECK(counts.global_bytes_written == 2 * 8 * 4);
  CHECK(counts.shared_bytes_read == 2 * 8 * 4);
  CHECK(counts.shared_bytes_written == 2 * 32 * 16);
}
