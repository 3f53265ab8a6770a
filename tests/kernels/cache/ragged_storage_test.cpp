#include "kernels/cache/ragged_storage.h"

#include "support/errors.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <vector>

TEST_SUITE_BEGIN("kernels.ragged_storage");

using namespace kvscope;
using namespace kvscope::testing;

namespace {

HeadQuantisation plain_codes(std::size_t head_dim, float scale, float offset) {
  const ChannelQuantisation channels{std::vector<float>(head_dim, scale), std::vector<float>(head_dim, offset)};
  return {.key = channels, .value = channels};
}

std::byte* writable(const void* place) {
  return static_cast<std::byte*>(const_cast<void*>(place));
}

/// Filling every owner's slots with its number leaves every other owner's alone.
void check_ownership(const RaggedStorage& storage, std::int64_t rows, std::int64_t heads, std::int64_t head_dim) {
  for (int pass = 0; pass < 2; ++pass) {
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t head = 0; head < heads; ++head) {
        const int number = static_cast<int>(row * heads + head);
        const KeyValueSegment slots = storage.slots(row, head);
        const auto fill_or_check = [&](const void* first, ElementType type) {
          CHECK(reinterpret_cast<std::uintptr_t>(first) % static_cast<std::uintptr_t>(element_bytes(type)) == 0);
          const auto bytes = static_cast<std::size_t>(storage.capacity(head) * head_dim * element_bytes(type));
          if (pass == 0) std::memset(writable(first), number, bytes);
          const auto* found = static_cast<const std::byte*>(first);
          for (std::size_t i = 0; i < bytes; ++i) CHECK(static_cast<int>(found[i]) == number);
        };
        fill_or_check(slots.keys, slots.key_type);
        fill_or_check(slots.values, slots.value_type);
      }
    }
  }
}

}  // namespace

TEST_CASE("every row and head owns its own slots and nothing is left over") {
  const std::array<HeadSlots, 3> heads = {{{.capacity = 3}, {.capacity = 0}, {.capacity = 5}}};
  RaggedStorage storage(2, heads, 4, ElementType::kFloat32, ElementType::kBFloat16);
  CHECK(storage.token_bytes(2) == 4 * 4 + 4 * 2);
  CHECK(storage.allocated_bytes() == 2 * 8 * 24);
  check_ownership(storage, 2, 3, 4);
}

TEST_CASE("heads of codes take a byte per element and their parameters and leave the others aligned") {
  const HeadQuantisation codes = plain_codes(5, 0.5F, 1.0F);
  const std::array<HeadSlots, 4> heads = {{{.capacity = 3, .quantisation = &codes},
                                           {.capacity = 2},
                                           {.capacity = 1, .quantisation = &codes},
                                           {.capacity = 4}}};
  RaggedStorage storage(3, heads, 5, ElementType::kFloat32, ElementType::kFloat16);
  CHECK(storage.token_bytes(0) == 5 * 2);
  CHECK(storage.token_bytes(1) == 5 * (4 + 2));
  // Two heads of codes with a scale and an offset for 5 channels of K and of V.
  CHECK(storage.allocated_bytes() == 3 * (4 * 10 + 6 * 30) + 2 * 4 * 5 * 4);
  check_ownership(storage, 3, 4, 5);
}

TEST_CASE("tokens become codes when they are stored and move as they are") {
  const HeadQuantisation codes = plain_codes(2, 0.5F, 1.0F);
  const std::array<HeadSlots, 2> heads = {{{.capacity = 1}, {.capacity = 3, .quantisation = &codes}}};
  RaggedStorage storage(1, heads, 2, ElementType::kFloat32, ElementType::kFloat32);
  for (int slot = 0; slot < 3; ++slot) {
    const std::array<float, 2> token = {static_cast<float>(slot) + 1.2F, 1000.0F};
    const StoredCodes key = storage.store_key(0, 1, slot, token.data(), ElementType::kFloat32);
    CHECK(key.elements == 2);
    CHECK(key.saturated == 1);
    storage.store_value(0, 1, slot, token.data(), ElementType::kFloat32);
  }
  const std::array<std::int32_t, 2> kept = {0, 2};
  storage.compact(0, 1, kept);
  const auto* keys = static_cast<const std::int8_t*>(storage.slots(0, 1).keys);
  // (x - 1) / 0.5 of 1.2 and 3.2, to the nearest.
  CHECK(std::vector<std::int8_t>(keys, keys + 4) == std::vector<std::int8_t>{0, 127, 4, 127});
  CHECK(storage.slots(0, 1).key_codes.scale[1] == 0.5F);
  CHECK(storage.slots(0, 0).key_codes.scale == nullptr);
}

TEST_CASE("a head without codes takes tokens of its own type only") {
  const std::array<HeadSlots, 1> heads = {{{.capacity = 1}}};
  RaggedStorage storage(1, heads, 2, ElementType::kFloat32, ElementType::kFloat32);
  const std::array<float, 2> token = {1.0F, 2.0F};
  CHECK(storage.store_key(0, 0, 0, token.data(), ElementType::kFloat32).elements == 0);
  CHECK(std::memcmp(storage.slots(0, 0).keys, token.data(), sizeof token) == 0);
  check_error(
      ErrorCode::kUsage, [&] { storage.store_key(0, 0, 0, token.data(), ElementType::kBFloat16); }, "type");
}

TEST_SUITE_END();
