#include "reports/export/npy.h"

#include "collectors/base/error.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>

using namespace kvscope;

namespace {

template <typename T>
T element_at(const std::string& bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

Table small_table() {
  Table table("", {{"plan", ""}, {"step", ""}, {"kl", ""}});
  table.add_row({std::string("a×b"), std::int64_t{3}, 0.25});
  table.add_row({std::string("c"), std::int64_t{4}, Cell()});
  return table;
}

}  // namespace

TEST_SUITE("reports.export.npy") {
  TEST_CASE("an array file is the header of the format and then the elements") {
    const std::string bytes = npy_bytes(NamedArray{"a", {2, 3}, std::vector<float>{0, 1, 2, 3, 4, 5.5F}});
    const std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }";
    CHECK(bytes.substr(0, 8) == std::string("\x93NUMPY\x01\x00", 8));
    CHECK(element_at<std::uint16_t>(bytes, 8) == 118);  // 10 + 118 = 128
    CHECK(bytes.substr(10, header.size()) == header);
    CHECK(bytes[127] == '\n');
    REQUIRE(bytes.size() == 128 + 6 * sizeof(float));
    CHECK(element_at<float>(bytes, 128 + 5 * sizeof(float)) == 5.5F);
  }

  TEST_CASE("data begins at a multiple of 64 whatever the header's length") {
    Shape shape;
    for (int n_axis = 0; n_axis < 40; ++n_axis) {
      const std::string bytes = npy_bytes(NamedArray{"a", shape, std::vector<std::uint8_t>{7}});
      CAPTURE(n_axis);
      CHECK(bytes.size() % 64 == 1);
      CHECK(bytes[bytes.size() - 2] == '\n');
      shape.push_back(1);
    }
    CHECK(npy_bytes(NamedArray{"a", {}, std::vector<double>{1}}).find("'shape': ()") != std::string::npos);
    CHECK(npy_bytes(NamedArray{"a", {2}, std::vector<double>{1, 2}}).find("'shape': (2,)") != std::string::npos);
  }

  TEST_CASE("text is fixed width unicode") {
    const std::string bytes = npy_bytes(NamedArray{"a", {2}, std::vector<std::string>{"a×", "b"}});
    CHECK(bytes.find("'<U2'") != std::string::npos);
    const std::size_t data = bytes.size() - 16;
    CHECK(element_at<char32_t>(bytes, data) == U'a');
    CHECK(element_at<char32_t>(bytes, data + 4) == U'×');
    CHECK(element_at<char32_t>(bytes, data + 8) == U'b');
    CHECK(element_at<char32_t>(bytes, data + 12) == U'\0');
  }

  TEST_CASE("a table is an array of records and each column an array") {
    const std::string bytes = npy_bytes(small_table());
    CHECK(bytes.find("[('plan', '<U3'), ('step', '<i8'), ('kl', '<f8')]") != std::string::npos);
    CHECK(bytes.find("'shape': (2,)") != std::string::npos);
    const std::size_t record = 3 * 4 + 8 + 8;
    const std::size_t data = bytes.size() - 2 * record;
    CHECK(element_at<std::int64_t>(bytes, data + 12) == 3);
    CHECK(element_at<double>(bytes, data + 20) == 0.25);
    CHECK(std::isnan(element_at<double>(bytes, data + record + 20)));
    const auto columns = columns_as_arrays(small_table());
    REQUIRE(columns.size() == 3);
    CHECK(columns[1].name == "step");
    CHECK(std::get<std::vector<std::int64_t>>(columns[1].elements) == std::vector<std::int64_t>{3, 4});
  }

  TEST_CASE("arrays whose shape contradicts their elements are refused") {
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          (void)npy_bytes(NamedArray{"a", {3}, std::vector<float>{1}});
        },
        "shape");
    testing::check_error(
        ErrorCode::kUsage,
        [] {
          const NamedArray array{"a", {1}, std::vector<float>{1}};
          (void)npz_bytes({array, array});
        },
        "same name");
  }
}
