#include "collectors/checkpoint/safetensors_file.h"

#include "support/checkpoint_files.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;
using testing::bytes_of;
using testing::check_error;
using testing::little_endian;
using testing::safetensors_bytes;

namespace {

std::vector<CheckpointTensor> read(const std::string& bytes) {
  return read_safetensors(bytes_of(bytes), "m.safetensors");
}

template <typename... Words>
void check_refused(const std::string& bytes, const Words&... words) {
  check_error(
      ErrorCode::kBadInput, [&] { static_cast<void>(read(bytes)); }, "m.safetensors", words...);
}

/// A header with one tensor "x", given its fields.
std::string one(const std::string& fields, std::size_t data_bytes) {
  return safetensors_bytes("{\"x\":{" + fields + "}}", std::string(data_bytes, '\0'));
}

}  // namespace

TEST_SUITE("collectors.checkpoint.safetensors_file") {
  TEST_CASE("tensors come in the order of their data and metadata is ignored") {
    const std::string bytes = safetensors_bytes(
        R"({"__metadata__":{"format":"pt"},"b":{"dtype":"I16","shape":[2],"data_offsets":[8,12]},)"
        R"("none":{"dtype":"F64","shape":[0,3],"data_offsets":[8,8]},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}}   )",
        std::string("AAAAaaaaBbBb"));
    const auto tensors = read(bytes);
    REQUIRE(tensors.size() == 3);
    CHECK(tensors[0].name == "a");
    CHECK(tensors[0].type == ElementType::kFloat32);
    CHECK(tensors[0].shape == Shape{2, 1});
    CHECK(tensors[0].is_contiguous());
    CHECK(tensors[1].name == "none");
    CHECK(tensors[2].name == "b");
    CHECK(std::to_integer<char>(tensors[2].storage[0]) == 'B');
    CHECK(tensors[2].storage.size() == 4);
  }

  TEST_CASE("every element type has its name and others are refused by theirs") {
    for (const auto type : {ElementType::kFloat64, ElementType::kFloat32, ElementType::kFloat16, ElementType::kBFloat16,
                            ElementType::kInt64, ElementType::kInt32, ElementType::kInt16, ElementType::kInt8,
                            ElementType::kUInt8, ElementType::kBool}) {
      CHECK(element_type_of_safetensors(safetensors_name(type)) == type);
      const auto bytes = static_cast<std::size_t>(element_bytes(type));
      const std::string file = one("\"dtype\":\"" + std::string(safetensors_name(type)) +
                                       "\",\"shape\":[],\"data_offsets\":[0," + std::to_string(bytes) + "]",
                                   bytes);
      CHECK(read(file)[0].type == type);
    }
    check_refused(one(R"("dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1])", 1), "'x'", "'F8_E4M3'");
    check_refused(one(R"("shape":[1],"data_offsets":[0,1])", 1), "'x'", "dtype");
    check_refused(one(R"("dtype":7,"shape":[1],"data_offsets":[0,1])", 1), "'x'", "dtype");
  }

  TEST_CASE("headers that are too long or cut short or no JSON are refused") {
    check_refused("", "cut short");
    check_refused("1234567", "cut short");
    check_refused(little_endian(100, 8) + "{", "cut short");
    check_refused(little_endian(100'000'001, 8) + "{}", "100000001");
    check_refused(little_endian(UINT64_MAX, 8) + "{}");
    check_refused(safetensors_bytes("{\"x\":", ""), "no JSON");
    check_refused(safetensors_bytes("[1]", ""), "no JSON object");
    check_refused(safetensors_bytes("{}", ""), "no tensors");
    check_refused(safetensors_bytes("{\"x\":1}", ""), "'x'");
    check_refused(safetensors_bytes("{\"\xFF\":1}", ""), "no JSON");
    check_refused(safetensors_bytes(R"({"a\nb":{"dtype":"U8","shape":[],"data_offsets":[0,1]}})", "x"), "a?b");
  }

  TEST_CASE("a header with a number that no type holds is refused") {
    check_refused(safetensors_bytes("{\"x\":1e999}", ""), "out of range");
    check_refused(safetensors_bytes("\n2222e2222", ""), "out of range");
  }

  TEST_CASE("bottomless nesting and doubled names are refused while parsing") {
    check_refused(safetensors_bytes("{\"x\":" + std::string(1'000'000, '['), ""), "nested");
    std::string objects;
    for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
    check_refused(safetensors_bytes(objects, ""), "nested");
    check_refused(
        safetensors_bytes(
            R"({"x":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[],"data_offsets":[1,2]}})",
            "ab"),
        "'x'", "twice");
  }

  TEST_CASE("shapes must match their bytes without overflow") {
    const auto refused = [](const std::string& shape, const char* offsets, std::size_t bytes) {
      CAPTURE(shape);
      check_refused(one("\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":" + offsets, bytes), "'x'");
    };
    refused("[2]", "[0,4]", 4);
    refused("[2,3]", "[0,20]", 20);
    refused("[-1]", "[0,4]", 4);
    refused("[1.0]", "[0,4]", 4);
    refused("[\"1\"]", "[0,4]", 4);
    refused("1", "[0,4]", 4);
    refused("[9223372036854775807,2]", "[0,0]", 0);
    refused("[4611686018427387905]", "[0,4]", 4);  // times four it wraps around to 4
    refused("[18446744073709551615]", "[0,4]", 4);
    refused("[0,9223372036854775807,9223372036854775807]", "[0,0]", 0);
    refused("[4294967296,4294967296,0]", "[0,0]", 0);
    std::string rank = "[1";
    for (int i = 0; i < 64; ++i) rank += ",1";
    refused(rank + "]", "[0,4]", 4);
  }

  TEST_CASE("data must be covered once and within the file") {
    const auto refused = [](const char* offsets, std::size_t bytes, const char* word) {
      CAPTURE(offsets);
      check_refused(one(std::string(R"("dtype":"F32","shape":[1],"data_offsets":)") + offsets, bytes), word);
    };
    refused("[0,4]", 3, "cut short");
    refused("[0,4]", 5, "belong to none");
    refused("[1,5]", 5, "expected 0");
    refused("[4,0]", 4, "interval");
    refused("[0]", 4, "interval");
    refused("[18446744073709551612,18446744073709551616]", 4, "data_offsets");
    refused("[18446744073709551611,18446744073709551615]", 4, "cut short");
    check_refused(
        safetensors_bytes(
            R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
            "abcdef"),
        "'b'", "begins at byte 2", "expected 4");
    check_refused(
        safetensors_bytes(
            R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})",
            "abcdef"),
        "'b'", "begins at byte 4", "expected 2");
  }
}
