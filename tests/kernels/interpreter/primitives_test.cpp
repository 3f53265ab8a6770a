#include "kernels/cuda/primitives.h"

#include "kernel_support.h"
#include "kernels/interpreter/interpreted_launch.h"

#include <cmath>
#include <vector>

using namespace kvscope::gpu;  // NOLINT(google-build-using-namespace): kernels read as on the device
using kvscope::testing::run_kernel;

namespace {

/// Small integers, exact in every element type.
float small_integer(int i) {
  return static_cast<float>((i * 7 + i / 5) % 13 - 6);
}

/// d = a b for 16 x 16 and 16 x 8 matrices, by one warp, fragments read element by element as the PTX ISA lays them
/// out.
template <typename Element>
struct MultiplyFromGlobal {
  static constexpr int kThreads = 32;
  const Element* a;  // [16, 16]
  const Element* b;  // [16, 8]
  float* d;          // [16, 8]

  std::uint32_t pair(Element low, Element high) const { return low.bits | static_cast<std::uint32_t>(high.bits) << 16; }

  void operator()() const {
    const int g = lane_index() / 4;
    const int t = lane_index() % 4;
    std::uint32_t a_registers[4];
    std::uint32_t b_registers[2];
    for (int i = 0; i < 4; ++i) {
      const Element* row = a + (g + 8 * (i % 2)) * 16 + 2 * t + 8 * (i / 2);
      a_registers[i] = pair(load(row), load(row + 1));
    }
    for (int i = 0; i < 2; ++i) {
      const Element* first = b + (2 * t + 8 * i) * 8 + g;
      b_registers[i] = pair(load(first), load(first + 8));
    }
    float sums[4] = {0.5F, 0.5F, 0.5F, 0.5F};
    multiply_add<Element>(sums, a_registers, b_registers);
    for (int i = 0; i < 4; ++i) store(d + (g + 8 * (i / 2)) * 8 + 2 * t + i % 2, sums[i]);
  }
};

/// The same through shared memory: copy_async(), and ldmatrix, for b transposed.
template <typename Element>
struct MultiplyFromShared {
  static constexpr int kThreads = 32;
  const Element* a;
  const Element* b;
  float* d;

  void operator()() const {
    auto* shared = reinterpret_cast<Element*>(shared_memory());
    Element* shared_b = shared + 16 * 16;
    copy_async(shared + 8 * lane_index(), a + 8 * lane_index());
    if (lane_index() < 16) copy_async(shared_b + 8 * lane_index(), b + 8 * lane_index());
    if (lane_index() >= 16) copy_async(shared_b + 8 * lane_index(), b, 0);
    commit_copies();
    wait_for_copies<0>();
    synchronize_warp();
    const int matrix = lane_index() / 8;
    std::uint32_t a_registers[4];
    std::uint32_t b_registers[4];
    load_matrices(a_registers, shared + (lane_index() % 8 + 8 * (matrix % 2)) * 16 + 8 * (matrix / 2));
    load_matrices_transposed(b_registers, shared_b + 8 * lane_index());
    float sums[4] = {0.5F, 0.5F, 0.5F, 0.5F};
    multiply_add<Element>(sums, a_registers, {b_registers[0], b_registers[1]});
    // Rows 16 to 31 of b are what the copies of no bytes left: zeros.
    multiply_add<Element>(sums, a_registers, {b_registers[2], b_registers[3]});
    const int g = lane_index() / 4;
    const int t = lane_index() % 4;
    for (int i = 0; i < 4; ++i) store(d + (g + 8 * (i / 2)) * 8 + 2 * t + i % 2, sums[i]);
  }
};

template <typename Element, template <typename> typename Kernel>
void check_product() {
  DeviceMemory memory;
  std::vector<Element> a;
  std::vector<Element> b;
  for (int i = 0; i < 16 * 16; ++i) a.push_back(round_to<Element>(small_integer(i)));
  for (int i = 0; i < 16 * 8; ++i) b.push_back(round_to<Element>(small_integer(i + 3)));
  float* d = memory.allocate<float>("d", 16 * 8);
  const Kernel<Element> kernel{memory.upload("a", a), memory.upload("b", b), d};
  interpret(kernel, {1, 1024}, memory);
  for (int row = 0; row < 16; ++row) {
    for (int column = 0; column < 8; ++column) {
      float sum = 0.5F;
      for (int k = 0; k < 16; ++k) {
        sum +=
            to_float(a[static_cast<std::size_t>(row * 16 + k)]) * to_float(b[static_cast<std::size_t>(k * 8 + column)]);
      }
      CHECK(d[row * 8 + column] == sum);
    }
  }
}

}  // namespace

TEST_CASE("fragments laid out as the PTX ISA says give the product") {
  check_product<BFloat16, MultiplyFromGlobal>();
  check_product<Float16, MultiplyFromGlobal>();
}

TEST_CASE("matrices loaded from shared memory give the product") {
  check_product<BFloat16, MultiplyFromShared>();
  check_product<Float16, MultiplyFromShared>();
}
