#include "collectors/checkpoint/safetensors_writer.h"

#include "collectors/base/file.h"
#include "support/checkpoint_files.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

using namespace kvscope;
using testing::check_error;
using testing::TemporaryFolder;

namespace {

template <typename T>
CheckpointTensor tensor(const std::string& name, ElementType type, Shape shape, Shape strides,
                        const std::vector<T>& values) {
  return {name, type, std::move(shape), std::move(strides), std::as_bytes(std::span(values))};
}

template <typename To, typename From>
std::vector<To> converted(const std::vector<From>& values, ElementType from, ElementType to) {
  const auto bytes = convert_elements(std::as_bytes(std::span(values)), from, to, "t");
  std::vector<To> result(bytes.size() / sizeof(To));
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

}  // namespace

TEST_SUITE("collectors.checkpoint.safetensors_writer") {
  TEST_CASE("the bytes are those of the format") {
    const TemporaryFolder folder;
    const std::vector<std::int16_t> small = {1, 2, 3};
    const std::vector<float> values = {0, 1, 2, 3, 4, 5};
    const std::vector<CheckpointTensor> tensors = {tensor("ids", ElementType::kInt16, {3}, {1}, small),
                                                   tensor("a", ElementType::kFloat32, {3, 2}, {1, 3}, values)};
    const auto path = folder / "deep/out.safetensors";
    const auto bytes = write_safetensors(path, tensors);
    // The larger elements come first, the header is padded to a multiple of eight, the view is made dense.
    std::string header = R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[3,2],"data_offsets":[0,24]},)"
                         R"("ids":{"dtype":"I16","shape":[3],"data_offsets":[24,30]}})";
    header.resize((header.size() + 7) / 8 * 8, ' ');
    const auto data = testing::raw(std::vector<float>{0, 3, 1, 4, 2, 5}) + testing::raw(small);
    const std::string text = read_text_file(path);
    CHECK(text == testing::safetensors_bytes(header, data));
    CHECK(bytes == static_cast<std::int64_t>(text.size()));
  }

  TEST_CASE("an official file converted and read again holds the same tensors") {
    const TemporaryFolder folder;
    const auto original = Checkpoint::open(testing::repository_file("tests/data/var_basic/var.pth"));
    write_safetensors(folder / "var.safetensors", original.tensors());
    const auto copy = Checkpoint::open(folder / "var.safetensors");
    REQUIRE(copy.tensors().size() == original.tensors().size());
    for (const auto& tensor : original.tensors()) {
      CAPTURE(tensor.name);
      CHECK(copy.at(tensor.name).type == tensor.type);
      CHECK(copy.at(tensor.name).shape == tensor.shape);
      CHECK(contiguous_bytes(copy.at(tensor.name)) == contiguous_bytes(tensor));
    }
  }

  TEST_CASE("floating-point tensors are converted and integers are kept") {
    const TemporaryFolder folder;
    const std::vector<float> values = {0.1F, -2.0F, -std::numeric_limits<float>::infinity()};
    const std::vector<std::int64_t> ids = {7};
    const std::vector<CheckpointTensor> tensors = {tensor("x", ElementType::kFloat32, {3}, {1}, values),
                                                   tensor("ids", ElementType::kInt64, {}, {}, ids)};
    write_safetensors(folder / "half", tensors, ElementType::kFloat16);
    const auto half = Checkpoint::open(folder / "half");
    CHECK(half.at("x").type == ElementType::kFloat16);
    // 0.1 is nearest to 1638.5 / 2^14 rounded to 0x2E66.
    CHECK(contiguous_bytes(half.at("x")) == [] {
      const std::vector<std::uint16_t> bits = {0x2E66, 0xC000, 0xFC00};
      const auto raw = std::as_bytes(std::span(bits));
      return std::vector<std::byte>(raw.begin(), raw.end());
    }());
    CHECK(half.at("ids").type == ElementType::kInt64);
    CHECK(half.at("ids").shape.empty());
  }

  TEST_CASE("conversions round once") {
    // 1 + 2^-11 is half-way between two halves; the least bit of a double beyond it decides, though float cannot see
    // it.
    const double tie = 1.0 + std::ldexp(1.0, -11);
    const std::vector<double> values = {tie, std::nextafter(tie, 2.0), std::nextafter(tie, 0.0), -tie};
    CHECK(converted<std::uint16_t>(values, ElementType::kFloat64, ElementType::kFloat16) ==
          std::vector<std::uint16_t>{0x3C00, 0x3C01, 0x3C00, 0xBC00});
    CHECK(converted<float>(std::vector<std::uint16_t>{0x3C01, 0x8000}, ElementType::kFloat16, ElementType::kFloat32) ==
          std::vector<float>{1.0F + 0x1p-10F, -0.0F});
    CHECK(converted<float>(std::vector<std::uint16_t>{0x3F80}, ElementType::kBFloat16, ElementType::kFloat32) ==
          std::vector<float>{1.0F});
    CHECK(converted<std::uint16_t>(std::vector<float>{1.00390625F, 1.01171875F}, ElementType::kFloat32,
                                   ElementType::kBFloat16) == std::vector<std::uint16_t>{0x3F80, 0x3F82});
  }

  TEST_CASE("a number too large for the type is refused by tensor name and leaves no file") {
    const TemporaryFolder folder;
    const std::vector<float> values = {1.0F, 65520.0F};
    const std::vector<CheckpointTensor> tensors = {tensor("blocks.0.weight", ElementType::kFloat32, {2}, {1}, values)};
    check_error(
        ErrorCode::kBadInput, [&] { write_safetensors(folder / "half", tensors, ElementType::kFloat16); },
        "blocks.0.weight", "65520", "float16");
    CHECK(std::filesystem::is_empty(folder.path()));
    CHECK(write_safetensors(folder / "bfloat", tensors, ElementType::kBFloat16) > 0);
  }

  TEST_CASE("a full disk is an environment error") {
    if (!std::filesystem::exists("/dev/full")) return;
    const TemporaryFolder folder;
    std::filesystem::create_symlink("/dev/full", partial_path(folder / "out"));
    const std::vector<float> values = {1.0F};
    const std::vector<CheckpointTensor> tensors = {tensor("x", ElementType::kFloat32, {1}, {1}, values)};
    check_error(
        ErrorCode::kEnvironment, [&] { write_safetensors(folder / "out", tensors); }, "No space left");
  }
}
