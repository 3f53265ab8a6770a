#include "collectors/base/element_type.h"

#include <doctest/doctest.h>

using namespace kvscope;

TEST_SUITE("collectors.base.element_type") {
  TEST_CASE("every type is found by the name it is written with and has its size") {
    for (int i = 0; i <= static_cast<int>(ElementType::kBool); ++i) {
      const auto type = static_cast<ElementType>(i);
      CAPTURE(element_name(type));
      CHECK(element_type_from_name(element_name(type)) == type);
    }
    CHECK(element_bytes(ElementType::kFloat32) == 4);
    CHECK(element_bytes(ElementType::kBFloat16) == 2);
    CHECK(element_bytes(ElementType::kInt64) == 8);
    CHECK(element_bytes(ElementType::kBool) == 1);
  }

  TEST_CASE("short names are understood and unknown ones are not") {
    CHECK(element_type_from_name("bf16") == ElementType::kBFloat16);
    CHECK_FALSE(element_type_from_name("float8").has_value());
  }
}
