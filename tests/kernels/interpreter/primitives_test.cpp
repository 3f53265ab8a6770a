#include "kernels/cuda/primitives.h"

#include "kernel_support.h"
#include "kernels/interpreter/interpreted_launch.h"

#include <cmath>
#include <limits>
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

namespace {

/// What every lane of one warp gets from `call`.
template <typename T, typename Call>
std::vector<T> of_lanes(const Call& call) {
  DeviceMemory memory;
  T* results = memory.allocate<T>("results", 32);
  run_kernel<32>([=] { store(results + lane_index(), call()); }, {1, 0}, memory);
  return {results, results + 32};
}

}  // namespace

TEST_CASE("shuffles take the value of the lane that the PTX ISA says") {
  for (const int argument : {0, 1, 5, 16, 31, 33}) {
    CAPTURE(argument);
    const auto index = of_lanes<int>([=] { return shuffle(100 + lane_index(), argument); });
    const auto flipped = of_lanes<double>([=] { return shuffle_xor(100.5 + lane_index(), argument); });
    const auto up = of_lanes<int>([=] { return shuffle_up(100 + lane_index(), argument); });
    const auto down =
        of_lanes<float>([=] { return shuffle_down(100.5F + static_cast<float>(lane_index()), argument); });
    const int operand = argument % 32;  // the hardware looks at five bits
    for (int lane = 0; lane < 32; ++lane) {
      const auto i = static_cast<std::size_t>(lane);
      CHECK(index[i] == 100 + operand);
      CHECK(flipped[i] == 100.5 + (lane ^ operand));
      CHECK(up[i] == 100 + (lane >= operand ? lane - operand : lane));
      CHECK(down[i] == 100.5F + static_cast<float>(lane + operand < 32 ? lane + operand : lane));
    }
  }
}

TEST_CASE("lanes may look at different lanes") {
  const auto reversed = of_lanes<int>([] { return shuffle(lane_index(), 31 - lane_index()); });
  for (int lane = 0; lane < 32; ++lane) CHECK(reversed[static_cast<std::size_t>(lane)] == 31 - lane);
}

TEST_CASE("a ballot has the bit of each lane") {
  const auto votes = of_lanes<std::uint32_t>([] { return ballot(lane_index() % 3 == 0); });
  std::uint32_t expected = 0;
  for (int lane = 0; lane < 32; lane += 3) expected |= 1U << lane;
  for (const std::uint32_t vote : votes) CHECK(vote == expected);
}

TEST_CASE("threads know where they are") {
  DeviceMemory memory;
  int* places = memory.allocate<int>("places", 3 * 96);
  run_kernel<96>(
      [=] {
        store(places + block_index() * thread_count() + thread_index(),
              warp_index() * 1000 + lane_index() * 10 + block_count());
      },
      {3, 0}, memory);
  for (int i = 0; i < 3 * 96; ++i) CHECK(places[i] == i % 96 / 32 * 1000 + i % 32 * 10 + 3);
}

TEST_CASE("infinities and NaN and subnormal halves go through the tensor core") {
  const auto product = [](float a, float b) {
    const auto results = of_lanes<float>([=] {
      float d[4] = {};
      const std::uint32_t left = pack2<Float16>(a, 0.0F);
      const std::uint32_t right = pack2<Float16>(b, 0.0F);
      // Only k = 0 of every row and column is not 0.
      const bool is_first = lane_index() % 4 == 0;
      multiply_add<Float16>(d, {is_first ? left : 0U, is_first ? left : 0U, 0U, 0U}, {is_first ? right : 0U, 0U});
      return d[0];
    });
    for (const float result : results) CHECK(float_bits(result) == float_bits(results[0]));
    return results[0];
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  CHECK(product(0x1p-24F, 3.0F) == 0x3p-24F);
  CHECK(product(-0x3FFp-24F, 0x1p-24F) == -0x3FFp-48F);
  CHECK(product(65504.0F, 65504.0F) == 65504.0F * 65504.0F);
  CHECK(product(-kInfinity, 2.0F) == -kInfinity);
  CHECK(std::isnan(product(kInfinity, 0.0F)));
  CHECK(std::isnan(product(std::numeric_limits<float>::quiet_NaN(), 1.0F)));
}

TEST_CASE("powers and logarithms flush subnormal numbers") {
  CHECK(exp2_approximately(3.0F) == 8.0F);
  CHECK(exp2_approximately(-127.0F) == 0.0F);
  CHECK(exp2_approximately(-std::numeric_limits<float>::infinity()) == 0.0F);
  CHECK(log2_approximately(0.125F) == -3.0F);
  CHECK(log2_approximately(0x1p-130F) == -std::numeric_limits<float>::infinity());
}

TEST_CASE("elements round to nearest with ties to even") {
  CHECK(round_to<BFloat16>(1.0F + 0x1p-8F).bits == 0x3F80);
  CHECK(round_to<BFloat16>(1.0F + 0x3p-8F).bits == 0x3F82);
  CHECK(round_to<Float16>(1.0F + 0x1p-11F).bits == 0x3C00);
  CHECK(round_to<Float16>(1.0F + 0x3p-11F).bits == 0x3C02);
  CHECK(pack2<BFloat16>(1.0F, -2.0F) == 0xC0003F80);
  CHECK(to_float(round_to<Float16>(-0.333251953125F)) == -0.333251953125F);
}
