#include "collectors/base/array.h"

#include "support/errors.h"

#include <doctest/doctest.h>

using namespace kvscope;

TEST_SUITE("collectors.base.array") {
  TEST_CASE("elements lie in row-major order") {
    Array<int> array({2, 3, 4});
    for (int i = 0; i < 24; ++i) array.values()[static_cast<std::size_t>(i)] = i;
    CHECK(array(0, 0, 0) == 0);
    CHECK(array(1, 2, 3) == 23);
    CHECK(array(1, 0, 2) == 14);
  }

  TEST_CASE("a slice holds everything below its leading indices") {
    Array<int> array({2, 3, 4});
    array(1, 2, 0) = 7;
    CHECK(array.slice(1, 2).size() == 4);
    CHECK(array.slice(1, 2)[0] == 7);
    CHECK(array.slice(1).size() == 12);
    CHECK(array.slice(1)[8] == 7);
  }

  TEST_CASE("a shape that does not fit the data is refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          Array<int>({2, 2}, std::vector<int>{1, 2, 3});
        },
        "shape");
  }
}
