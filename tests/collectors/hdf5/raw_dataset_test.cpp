#include "collectors/hdf5/raw_dataset.h"

#include "collectors/base/half.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <hdf5.h>

#include <filesystem>
#include <fstream>
#include <numeric>

using namespace kvscope;
using testing::check_error;
using testing::TemporaryFolder;

namespace {

const Shape kShape = {3, 2, 7, 13};

Array<float> counting() {
  Array<float> values(kShape);
  std::iota(values.values().begin(), values.values().end(), 1.0F);
  return values;
}

/// Blocks of one element, of rows, across chunks, and all.
struct Block {
  Shape offset;
  Shape count;
};
const std::vector<Block> kBlocks = {{{0, 0, 0, 0}, {3, 2, 7, 13}}, {{2, 1, 6, 12}, {1, 1, 1, 1}},
                                    {{1, 0, 2, 0}, {1, 2, 3, 13}}, {{0, 1, 0, 3}, {2, 1, 7, 6}},
                                    {{1, 1, 0, 0}, {1, 1, 7, 13}}, {{0, 0, 3, 0}, {3, 1, 1, 13}}};

std::vector<float> floats_of(const std::vector<std::byte>& bytes, ElementType type, std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    if (type == ElementType::kFloat16) {
      values.push_back(float_of_float16(reinterpret_cast<const std::uint16_t*>(bytes.data())[i]));
    } else {
      values.push_back(reinterpret_cast<const float*>(bytes.data())[i]);
    }
  }
  return values;
}

/// Reads every block both ways and compares with what was written.
void check_blocks(const std::filesystem::path& path, bool is_stored) {
  const Array<float> expected = counting();
  const Hdf5File file = Hdf5File::open(path);
  const RawDataset dataset(file, "/maps");
  CHECK(dataset.shape() == kShape);
  const auto stored = dataset.stored();
  CHECK(stored.has_value() == is_stored);
  const FileReader reader(path);
  std::vector<std::byte> scratch;
  for (const Block& block : kBlocks) {
    CAPTURE(block.offset[2]);
    CAPTURE(block.count[2]);
    const std::int64_t count = element_count(block.count);
    const auto wanted = file.read_slab<float>("/maps", block.offset, block.count);
    const std::vector<float> values(wanted.values().begin(), wanted.values().end());
    std::vector<std::byte> bytes(static_cast<std::size_t>(count * 4 + StoredBlocks::kSlackBytes));
    dataset.read(block.offset, block.count, bytes.data());
    CHECK(floats_of(bytes, dataset.type(), count) == values);
    if (!stored) continue;
    std::ranges::fill(bytes, std::byte{0x5A});
    stored->read(reader, block.offset, block.count, bytes.data(), scratch);
    CHECK(floats_of(bytes, dataset.type(), count) == values);
  }
}

}  // namespace

TEST_SUITE("collectors.hdf5.raw_dataset") {
  TEST_CASE("blocks are the same past the library as through it for every layout that is stored plainly") {
    for (const Shape& chunk : {Shape{}, Shape{1, 1, 7, 13}, Shape{1, 1, 3, 13}, Shape{2, 1, 7, 13}, Shape{2, 2, 3, 5},
                               Shape{1, 1, 1, 1}, Shape{3, 2, 7, 13}}) {
      for (const bool checksum : {false, true}) {
        for (const bool half : {false, true}) {
          CAPTURE(chunk.size());
          CAPTURE(checksum);
          CAPTURE(half);
          const TemporaryFolder folder;
          Hdf5File file = Hdf5File::create(folder / "raw.h5");
          const DatasetLayout layout{.chunk = chunk, .checksum = checksum};
          if (half) {
            file.write_float16("/maps", counting(), layout);
          } else {
            file.write("/maps", counting(), layout);
          }
          file.close();
          check_blocks(folder / "raw.h5", true);
        }
      }
    }
  }

  TEST_CASE("other types and filters are read through the library") {
    const TemporaryFolder folder;
    {
      Hdf5File file = Hdf5File::create(folder / "deflated.h5");
      file.write("/maps", counting(), {.chunk = {1, 2, 3, 13}, .deflate = 1});
      file.close();
    }
    check_blocks(folder / "deflated.h5", false);
    {
      Hdf5File file = Hdf5File::create(folder / "double.h5");
      Array<double> values(kShape);
      std::iota(values.values().begin(), values.values().end(), 1.0);
      file.write("/maps", values);
      file.close();
    }
    check_blocks(folder / "double.h5", false);
  }

  TEST_CASE("numbers in another byte order or never written are left to the library") {
    const TemporaryFolder folder;
    const auto path = folder / "plain.h5";
    const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hsize_t extents[] = {3, 2, 7, 13};
    const hid_t space = H5Screate_simple(4, extents, nullptr);
    const hid_t big = H5Dcreate2(file, "maps", H5T_IEEE_F32BE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(big, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, counting().data());
    const hid_t empty = H5Dcreate2(file, "empty", H5T_NATIVE_FLOAT, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dclose(big);
    H5Dclose(empty);
    H5Sclose(space);
    H5Fclose(file);
    check_blocks(path, false);
    const Hdf5File opened = Hdf5File::open(path);
    CHECK_FALSE(RawDataset(opened, "/empty").stored().has_value());
  }

  TEST_CASE("a damaged chunk is told by its checksum") {
    const TemporaryFolder folder;
    const auto path = folder / "damaged.h5";
    {
      Hdf5File file = Hdf5File::create(path);
      file.write("/maps", counting(), {.chunk = {1, 1, 7, 13}, .checksum = true});
      file.close();
    }
    {
      // The last number of the dataset is 546; its bytes are found near the end of the chunks.
      std::fstream bytes(path, std::ios::in | std::ios::out | std::ios::binary);
      std::string all((std::istreambuf_iterator<char>(bytes)), {});
      const float last = 546;
      const auto at = all.find(std::string(reinterpret_cast<const char*>(&last), sizeof(last)));
      REQUIRE(at != std::string::npos);
      bytes.seekp(static_cast<std::streamoff>(at));
      bytes.put('\x11');
    }
    const Hdf5File file = Hdf5File::open(path);
    const auto stored = RawDataset(file, "/maps").stored();
    REQUIRE(stored.has_value());
    const FileReader reader(path);
    std::vector<std::byte> scratch;
    std::vector<std::byte> bytes(4096);
    stored->read(reader, {0, 0, 0, 0}, {1, 1, 7, 13}, bytes.data(), scratch);
    for (const std::int64_t rows : {7, 2}) {
      check_error(
          ErrorCode::kBadInput,
          [&] {
            stored->read(reader, {2, 1, 7 - rows, 0}, {1, 1, rows, 13}, bytes.data(), scratch);
          },
          "damaged.h5", "/maps", "checksum");
    }
  }

  TEST_CASE("a file cut short while it is read and texts are refused") {
    const TemporaryFolder folder;
    const auto path = folder / "cut.h5";
    {
      Hdf5File file = Hdf5File::create(path);
      file.write_strings("/names", std::vector<std::string>{"a"});
      file.write("/maps", counting());
      file.close();
    }
    const Hdf5File file = Hdf5File::open(path);
    check_error(
        ErrorCode::kBadInput, [&] { RawDataset(file, "/names"); }, "cut.h5", "/names", "numbers");
    check_error(
        ErrorCode::kBadInput, [&] { RawDataset(file, "/none"); }, "cut.h5", "/none");
    const auto stored = RawDataset(file, "/maps").stored();
    REQUIRE(stored.has_value());
    std::filesystem::resize_file(path, 2000);
    const FileReader reader(path);
    std::vector<std::byte> scratch;
    std::vector<std::byte> bytes(8192);
    check_error(
        ErrorCode::kBadInput,
        [&] {
          stored->read(reader, {0, 0, 0, 0}, kShape, bytes.data(), scratch);
        },
        "cut.h5", "cut short");
    check_error(
        ErrorCode::kBadInput, [&] { (void)RawDataset(file, "/maps").stored(); }, "cut.h5", "/maps", "cut short");
  }
}
