#include "collectors/checkpoint/torch_file.h"

#include "collectors/checkpoint/crc32.h"
#include "support/checkpoint_files.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;
using testing::bytes_of;
using testing::check_error;
using testing::Pickle;
using testing::torch_archive;
using testing::ZipArchive;

namespace {

const std::string kSixFloats = testing::raw(std::vector<float>{0, 1, 2, 3, 4, 5});

/// {"x": one tensor of the storage "0"}.
std::string one_tensor(std::int64_t elements, std::int64_t offset, const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& strides, std::string_view type = "FloatStorage") {
  return Pickle().op("}").text("x").tensor(type, "0", elements, offset, shape, strides).op("s").stop();
}

template <typename... Words>
void check_refused(const ZipArchive& archive, const Words&... words) {
  const std::string bytes = archive.bytes();
  check_error(
      ErrorCode::kBadInput, [&] { static_cast<void>(read_torch_file(bytes_of(bytes), "m.pth")); }, "m.pth", words...);
}

std::vector<CheckpointTensor> read(const std::string& bytes) {
  return read_torch_file(bytes_of(bytes), "m.pth");
}

}  // namespace

TEST_SUITE("collectors.checkpoint.torch_file") {
  TEST_CASE("a tensor is a view into its record") {
    const std::string bytes = torch_archive(one_tensor(6, 1, {2, 2}, {3, 1}), {kSixFloats}).bytes();
    const auto tensors = read(bytes);
    REQUIRE(tensors.size() == 1);
    CHECK(tensors[0].shape == Shape{2, 2});
    CHECK(tensors[0].strides == Shape{3, 1});
    // From element 1 to element 1 + 3 + 1, both included.
    CHECK(tensors[0].storage.size() == 5 * sizeof(float));
    CHECK(tensors[0].storage.data() == reinterpret_cast<const std::byte*>(bytes.data() + bytes.find(kSixFloats) + 4));
  }

  TEST_CASE("tensors without elements and scalars are allowed") {
    const std::string empty = torch_archive(one_tensor(0, 0, {0, 5}, {5, 1}), {""}).bytes();
    CHECK(read(empty)[0].storage.empty());
    const std::string scalar = torch_archive(one_tensor(6, 5, {}, {}), {kSixFloats}).bytes();
    CHECK(read(scalar)[0].elements() == 1);
  }

  TEST_CASE("views that leave their storage are refused without overflow") {
    const std::int64_t huge = INT64_MAX;
    const auto refused = [](std::int64_t offset, const std::vector<std::int64_t>& shape,
                            const std::vector<std::int64_t>& strides) {
      CAPTURE(offset);
      check_refused(torch_archive(one_tensor(6, offset, shape, strides), {kSixFloats}), "'x'", "storage of 6 elements");
    };
    refused(0, {7}, {1});
    refused(1, {2, 3}, {3, 1});
    refused(7, {0}, {1});
    refused(-1, {1}, {1});
    refused(0, {2}, {-1});
    refused(0, {-2}, {1});
    refused(0, {-2, -3}, {3, 1});
    refused(0, {2, 3}, {1});
    refused(huge, {2}, {1});
    refused(0, {2, 2}, {huge, huge});
    refused(0, {huge, huge}, {0, 0});
    refused(0, {huge}, {1});
    refused(0, {3}, {huge});
    refused(0, {0, huge, huge}, {1, 1, 1});
  }

  TEST_CASE("the number of elements must match the record") {
    const auto refused = [](std::int64_t elements, std::string_view type) {
      CAPTURE(elements);
      check_refused(torch_archive(one_tensor(elements, 0, {1}, {1}, type), {kSixFloats}), "'x'", "24 bytes");
    };
    refused(5, "FloatStorage");
    refused(7, "FloatStorage");
    refused(-6, "FloatStorage");
    refused(6, "DoubleStorage");
    refused(INT64_MAX, "FloatStorage");
    refused(INT64_MAX / 4 + 7, "FloatStorage");  // times four it wraps around to 24
  }

  TEST_CASE("a few bytes cannot stand for a huge tensor") {
    check_refused(torch_archive(one_tensor(6, 0, {1 << 20, 1 << 20}, {0, 0}), {kSixFloats}), "'x'",
                  "far larger than the file");
    Pickle pickle;
    pickle.op("}(").text("a").tensor("ByteStorage", "0", 4096, 0, {4096}, {1}).op("q\x01");
    for (int i = 0; i < 600; ++i) pickle.text(fmt::format("t{}", i)).op("h\x01");
    check_refused(torch_archive(pickle.op("u").stop(), {std::string(4096, 'x')}), "far larger than the file");
  }

  TEST_CASE("missing and doubled parts are named") {
    auto archive = torch_archive(one_tensor(6, 0, {6}, {1}), {});
    check_refused(archive, "'x'", "'data/0' is missing");
    archive = torch_archive(one_tensor(6, 0, {6}, {1}), {kSixFloats});
    archive.records[0].name = "archive/other.pkl";
    check_refused(archive, "without data.pkl");
    archive = torch_archive(one_tensor(6, 0, {6}, {1}), {kSixFloats});
    archive.records.push_back({.name = "second/data.pkl", .content = "x"});
    check_refused(archive, "two data.pkl");
  }

  TEST_CASE("big-endian files are refused") {
    check_refused(torch_archive(one_tensor(6, 0, {6}, {1}), {kSixFloats}, "big"), "byte order 'big'");
  }

  TEST_CASE("damage is found by the checksums") {
    auto archive = torch_archive(one_tensor(6, 0, {6}, {1}), {kSixFloats});
    for (auto& record : archive.records) record.crc32 = crc32(bytes_of(record.content));
    std::string bytes = archive.bytes();
    CHECK(check_torch_checksums(bytes_of(bytes), "m.pth") == 4);
    bytes[bytes.find(kSixFloats) + 7] ^= 1;
    CHECK(read(bytes).size() == 1);  // opening does not read the weights
    check_error(
        ErrorCode::kBadInput, [&] { check_torch_checksums(bytes_of(bytes), "m.pth"); }, "archive/data/0", "checksum");
    archive.records[0].crc32 ^= 1;
    check_refused(archive, "data.pkl", "checksum");
  }

  TEST_CASE("a hostile pickle inside a whole archive is refused by name") {
    const auto pickle = Pickle().global("os", "system").op("(").text("true").op("tR").stop();
    check_refused(torch_archive(pickle, {}), "data.pkl", "os.system");
  }
}
