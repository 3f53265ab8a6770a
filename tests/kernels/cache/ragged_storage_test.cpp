#include "kernels/cache/ragged_storage.h"

#include <doctest/doctest.h>

#include <cstring>

TEST_SUITE_BEGIN("kernels.ragged_storage");

using namespace kvscope;

TEST_CASE("every row and head owns its own slots and nothing is left over") {
  RaggedStorage storage(2, {3, 0, 5}, 4, ElementType::kFloat32, ElementType::kBFloat16);
  CHECK(storage.token_bytes() == 4 * 4 + 4 * 2);
  CHECK(storage.allocated_bytes() == 2 * 8 * 24);
  // Filling every owner's slots with its number leaves every other owner's alone.
  for (int pass = 0; pass < 2; ++pass) {
    for (std::int64_t row = 0; row < 2; ++row) {
      for (std::int64_t head = 0; head < 3; ++head) {
        const int number = static_cast<int>(row * 3 + head);
        const auto key_bytes = static_cast<std::size_t>(storage.capacity(head) * storage.key_row_bytes());
        const auto value_bytes = static_cast<std::size_t>(storage.capacity(head) * storage.value_row_bytes());
        if (pass == 0) {
          std::memset(storage.keys(row, head), number, key_bytes);
          std::memset(storage.values(row, head), number, value_bytes);
          continue;
        }
        for (std::size_t i = 0; i < key_bytes; ++i) CHECK(static_cast<int>(storage.keys(row, head)[i]) == number);
        for (std::size_t i = 0; i < value_bytes; ++i) CHECK(static_cast<int>(storage.values(row, head)[i]) == number);
      }
    }
  }
}

TEST_SUITE_END();
