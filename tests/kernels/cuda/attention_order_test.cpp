#include "kernels/cuda/attention/attention_order.h"

#include "kernels/interpreter/interpreted_launch.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <vector>

TEST_SUITE_BEGIN("kernels.cuda.attention_order");

using namespace kvscope;

TEST_CASE("pairs with most keys come first and lower pairs first among equals") {
  // More than the 128 that one block ranks, and whose keys it looks at together.
  constexpr int kPairs = 300;
  std::vector<std::int32_t> keys;
  for (int pair = 0; pair < kPairs; ++pair) keys.push_back(pair * 37 % 50);
  gpu::DeviceMemory memory;
  gpu::AttentionArguments<float> arguments;
  arguments.rows = kPairs / 10;
  arguments.kv_heads = 10;
  arguments.attended = memory.upload("attended", keys);
  arguments.counter = memory.allocate<int>("counter", 1);
  auto* order = memory.allocate<std::int32_t>("order", kPairs);
  using Order = gpu::OrderPairs<float>;
  const gpu::InterpretedLaunch launch(memory);
  launch(Order{arguments, order}, {(kPairs + Order::kThreads - 1) / Order::kThreads, Order::kSharedBytes});
  std::vector<std::int32_t> expected(kPairs);
  std::iota(expected.begin(), expected.end(), 0);
  std::ranges::stable_sort(expected, [&](std::int32_t a, std::int32_t b) {
    return keys[static_cast<std::size_t>(a)] > keys[static_cast<std::size_t>(b)];
  });
  CHECK(std::vector<std::int32_t>(order, order + kPairs) == expected);
  CHECK(*arguments.counter == 0);
}

TEST_SUITE_END();
