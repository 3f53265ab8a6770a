#include "collectors/hdf5/hdf5_file.h"

#include "collectors/base/file.h"
#include "support/errors.h"
#include "support/paths.h"

#include <doctest/doctest.h>
#include <hdf5.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

using namespace kvscope;
using testing::check_error;
using testing::TemporaryFolder;

namespace {

/// 0, 1, 2, ... with the unequal extents 3, 5, 7.
template <typename T>
Array<T> counting() {
  Array<T> values({3, 5, 7});
  std::iota(values.values().begin(), values.values().end(), T{0});
  return values;
}

template <typename T>
std::vector<T> list(const Array<T>& array) {
  return {array.values().begin(), array.values().end()};
}

/// A dataset written by nothing but the C library.
template <typename T>
void write_plain(const std::filesystem::path& path, const char* name, hid_t type, const Shape& shape,
                 const std::vector<T>& values) {
  const hid_t file = H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const hid_t space = H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr);
  const hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  REQUIRE(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
  H5Dclose(dataset);
  H5Sclose(space);
  H5Fclose(file);
}

/// Files may not grow beyond this many bytes while it lives, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

}  // namespace

TEST_SUITE("collectors.hdf5.hdf5_file") {
  TEST_CASE("what is written is read back by the plain C library") {
    const TemporaryFolder folder;
    const auto path = folder / "written.h5";
    auto file = Hdf5File::create(path);
    file.write("/deep/below/values", counting<std::int32_t>(), {.checksum = true, .deflate = 4});
    file.close();

    const hid_t plain = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    const hid_t dataset = H5Dopen2(plain, "/deep/below/values", H5P_DEFAULT);
    const hid_t space = H5Dget_space(dataset);
    std::vector<hsize_t> extents(3);
    REQUIRE(H5Sget_simple_extent_dims(space, extents.data(), nullptr) == 3);
    CHECK(extents == std::vector<hsize_t>{3, 5, 7});
    std::vector<std::int32_t> values(105, -1);
    REQUIRE(H5Dread(dataset, H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) >= 0);
    CHECK(values == list(counting<std::int32_t>()));
    const hid_t properties = H5Dget_create_plist(dataset);
    CHECK(H5Pget_nfilters(properties) == 3);  // shuffle, deflate, Fletcher-32
    H5Pclose(properties);
    H5Sclose(space);
    H5Dclose(dataset);
    H5Fclose(plain);
  }

  TEST_CASE("files of the plain C library are read in every number type") {
    const TemporaryFolder folder;
    const auto path = folder / "plain.h5";
    const auto values = list(counting<std::int64_t>());
    write_plain(path, "values", H5T_STD_I64BE, {3, 5, 7}, [&] {
      std::vector<std::int64_t> swapped = values;
      for (auto& value : swapped)
        value = static_cast<std::int64_t>(__builtin_bswap64(static_cast<std::uint64_t>(value)));
      return swapped;
    }());
    const auto file = Hdf5File::open(path);
    CHECK(file.shape("values") == Shape{3, 5, 7});
    CHECK(list(file.read<std::int64_t>("values")) == values);
    CHECK(list(file.read<std::uint8_t>("values")) == list(counting<std::uint8_t>()));
    CHECK(list(file.read<float>("values")) == list(counting<float>()));
    CHECK(list(file.read<double>("values")) == list(counting<double>()));
  }

  TEST_CASE("a number that does not fit the integer asked for is an error and not clipped") {
    const TemporaryFolder folder;
    write_plain<std::int64_t>(folder / "large.h5", "n", H5T_NATIVE_INT64, {2}, {1, std::int64_t{1} << 40});
    write_plain<double>(folder / "broken.h5", "n", H5T_NATIVE_DOUBLE, {2}, {1.0, 2.5});
    write_plain<std::int32_t>(folder / "negative.h5", "n", H5T_NATIVE_INT32, {1}, {-1});
    for (const auto* name : {"large.h5", "broken.h5"}) {
      const auto file = Hdf5File::open(folder / name);
      check_error(
          ErrorCode::kBadInput, [&] { static_cast<void>(file.read<std::int32_t>("n")); }, name, "32-bit signed");
    }
    const auto negative = Hdf5File::open(folder / "negative.h5");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(negative.read<std::uint64_t>("n")); }, "64-bit unsigned");
  }

  TEST_CASE("slabs are read and written where they belong") {
    const TemporaryFolder folder;
    auto file = Hdf5File::create(folder / "slabs.h5");
    file.make_dataset<float>("values", {3, 5, 7});
    const Array<float> zeros = file.read<float>("values");
    CHECK(list(zeros) == std::vector<float>(105, 0.0F));
    file.write_slab("values", {1, 2, 3}, Array<float>({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8}));
    const auto back = file.read<float>("values");
    CHECK(back(1, 2, 3) == 1.0F);
    CHECK(back(1, 2, 6) == 4.0F);
    CHECK(back(1, 3, 3) == 5.0F);
    CHECK(back(0, 2, 3) == 0.0F);
    const auto slab = file.read_slab<float>("values", {1, 3, 4}, {2, 1, 2});
    CHECK(list(slab) == std::vector<float>{6, 7, 0, 0});
    check_error(
        ErrorCode::kBadInput,
        [&] {
          static_cast<void>(file.read_slab<float>("values", {1, 3, 4}, {2, 1, 4}));
        },
        "values", "[2, 1, 4]", "[3, 5, 7]");
    check_error(
        ErrorCode::kEnvironment,
        [&] {
          file.write_slab("values", {3, 0, 0}, Array<float>({1, 5, 7}));
        },
        "cannot grow");
  }

  TEST_CASE("a growable dataset starts empty and grows along its first axis only") {
    const TemporaryFolder folder;
    const auto path = folder / "grow.h5";
    auto file = Hdf5File::create(path);
    file.make_dataset<double>("values", {0, 5}, {.chunk = {1, 5}, .growable = true, .checksum = true});
    CHECK(file.read<double>("values").empty());
    file.write_slab("values", {0, 0}, Array<double>({1, 5}, 1.5));
    file.write_slab("values", {2, 0}, Array<double>({1, 5}, 2.5));
    file.close();
    const auto back = Hdf5File::open(path).read<double>("values");
    CHECK(back.shape() == Shape{3, 5});
    CHECK(back(0, 4) == 1.5);
    CHECK(back(1, 4) == 0.0);
    CHECK(back(2, 0) == 2.5);
  }

  TEST_CASE("float16 keeps what a half can hold and rounds to nearest even") {
    const TemporaryFolder folder;
    const auto path = folder / "half.h5";
    auto file = Hdf5File::create(path);
    // 2049 and 2051 lie half-way between two halves: the even mantissa is taken.
    file.write_float16("values", Array<float>({6}, {0.5F, -1.0F, 65504.0F, 2049.0F, 2051.0F, 5.9604645e-8F}));
    file.make_float16_dataset("slab", {3});
    file.write_slab("slab", {1}, Array<float>({1}, 2049.0F));
    file.close();
    const auto reopened = Hdf5File::open(path);
    CHECK(list(reopened.read<float>("slab")) == std::vector<float>{0.0F, 2048.0F, 0.0F});
    CHECK(reopened.stored_bytes("values") == 12);
    const std::vector<float> expected = {0.5F, -1.0F, 65504.0F, 2048.0F, 2052.0F, 5.9604645e-8F};
    CHECK(list(reopened.read<float>("values")) == expected);
  }

  TEST_CASE("texts and attributes come back as they were") {
    const TemporaryFolder folder;
    const auto path = folder / "attributes.h5";
    auto file = Hdf5File::create(path);
    const std::vector<std::string> prompts = {"a cat", "", "\xC3\xA9t\xC3\xA9"};
    file.write_strings("samples/prompt", prompts);
    file.set_attribute("/", "format", "kvscope-capture");
    file.set_attribute("/", "model", std::string(200000, 'x'));  // longer than old formats allow
    file.set_attribute("/samples", "version", 1);
    file.set_attribute("/samples", "version", std::int64_t{2});
    file.set_attribute("samples", "scale", 0.25);
    file.set_attribute("samples", "scale", "now text");
    const std::vector<std::int64_t> radii = {0, 1, 2, 4};
    file.set_attribute("samples/prompt", "radii", radii);
    file.set_attribute("samples/prompt", "words", prompts);
    file.close();

    const auto back = Hdf5File::open(path);
    CHECK(back.read_strings("samples/prompt") == prompts);
    CHECK(back.text_attribute("", "format") == "kvscope-capture");
    CHECK(back.text_attribute("/", "model").size() == 200000);
    CHECK(back.integer_attribute("samples", "version") == 2);
    CHECK(back.number_attribute("samples", "version") == 2.0);
    CHECK(back.text_attribute("samples", "scale") == "now text");
    CHECK(back.number_list_attribute("samples/prompt", "radii") == std::vector<double>{0, 1, 2, 4});
    CHECK(back.text_list_attribute("samples/prompt", "words") == prompts);
    CHECK(back.has_attribute("samples", "scale"));
    CHECK_FALSE(back.has_attribute("samples", "none"));
    CHECK_FALSE(back.has_attribute("nowhere", "none"));
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(back.integer_attribute("samples", "scale")); }, "samples@scale",
        "expected numbers");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(back.text_attribute("samples", "version")); }, "samples@version",
        "expected text");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(back.integer_attribute("samples/prompt", "radii")); },
        "expected one value", "4");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(back.text_attribute("samples", "none")); }, "samples@none");
  }

  TEST_CASE("fixed-length texts of other writers are cut at their padding") {
    const TemporaryFolder folder;
    const auto path = folder / "fixed.h5";
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    write_plain<char>(path, "names", type, {2}, {'a', 'b', '\0', '\0', 'w', 'x', 'y', 'z'});
    H5Tclose(type);
    CHECK(Hdf5File::open(path).read_strings("names") == std::vector<std::string>{"ab", "wxyz"});
  }

  TEST_CASE("groups and datasets are found and listed and removed") {
    const TemporaryFolder folder;
    auto file = Hdf5File::create(folder / "tree.h5");
    file.make_group("/b/c");
    file.make_group("/b/c");
    file.write("a", Array<float>({}, 3.0F));
    CHECK(file.children("/") == std::vector<std::string>{"a", "b"});
    CHECK(file.has("/b/c"));
    CHECK(file.has("b/c/"));
    CHECK_FALSE(file.has("/b/d/e"));
    CHECK_FALSE(file.has("/a/below"));
    CHECK(file.is_dataset("a"));
    CHECK_FALSE(file.is_dataset("b"));
    CHECK(file.shape("a").empty());
    CHECK(file.read<float>("a")() == 3.0F);
    file.remove("b");
    CHECK(file.children("") == std::vector<std::string>{"a"});
  }

  TEST_CASE("missing files and datasets and wrong kinds are named") {
    const TemporaryFolder folder;
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(Hdf5File::open(folder / "none.h5")); }, "none.h5",
        "No such file");
    write_file(folder / "text.h5", "this is no HDF5 file at all");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(Hdf5File::open(folder / "text.h5")); }, "text.h5", "signature");
    auto file = Hdf5File::create(folder / "file.h5");
    file.write_strings("texts", std::vector<std::string>{"a"});
    file.write("numbers", counting<float>());
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(file.read<float>("group/none")); }, "file.h5", "group/none");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(file.read<float>("texts")); }, "texts", "expected numbers");
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(file.read_strings("numbers")); }, "numbers", "expected text");
    check_error(
        ErrorCode::kEnvironment, [&] { file.write("numbers", counting<float>()); }, "numbers", "exists");
    file.close();
    check_error(
        ErrorCode::kUsage, [&] { static_cast<void>(file.read<float>("numbers")); }, "closed");
    auto readonly = Hdf5File::open(folder / "file.h5");
    check_error(
        ErrorCode::kEnvironment, [&] { readonly.write("more", counting<float>()); }, "more");
  }

  TEST_CASE("a file cut short is an error wherever it is cut") {
    const TemporaryFolder folder;
    auto file = Hdf5File::create(folder / "whole.h5");
    file.write("values", counting<double>());
    file.close();
    const std::string whole = read_text_file(folder / "whole.h5");
    for (const std::size_t kept : {std::size_t{1}, std::size_t{40}, whole.size() / 2, whole.size() - 1}) {
      CAPTURE(kept);
      write_file(folder / "cut.h5", whole.substr(0, kept));
      check_error(
          ErrorCode::kBadInput, [&] { static_cast<void>(Hdf5File::open(folder / "cut.h5")); }, "cut.h5");
    }
  }

  TEST_CASE("a damaged chunk is noticed by its checksum") {
    const TemporaryFolder folder;
    const auto path = folder / "damaged.h5";
    auto file = Hdf5File::create(path);
    file.write("values", Array<std::uint8_t>({4096}, std::uint8_t{0xA7}), {.checksum = true});
    file.close();
    std::string bytes = read_text_file(path);
    const auto data = bytes.find(std::string(64, '\xA7'));
    REQUIRE(data != std::string::npos);
    bytes[data + 100] = '\x00';
    write_file(path, bytes);
    const auto damaged = Hdf5File::open(path);
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(damaged.read<std::uint8_t>("values")); }, "damaged.h5", "values");
  }

  TEST_CASE("a shape larger than the file can hold is refused before memory is asked for") {
    const TemporaryFolder folder;
    auto file = Hdf5File::create(folder / "huge.h5");
    file.make_dataset<float>("values", {1000000, 1000000, 100}, {.chunk = {1, 1000, 100}});
    check_error(
        ErrorCode::kBadInput, [&] { static_cast<void>(file.read<float>("values")); }, "huge.h5", "values",
        "[1000000, 1000000, 100]");
  }

  TEST_CASE("a full disk is an environment error and leaves the program working") {
    const TemporaryFolder folder;
    {
      const FileSizeLimit limit(100000);
      auto file = Hdf5File::create(folder / "full.h5");
      const auto fill = [&] {
        file.write("values", Array<double>({1000000}, 1.0));
        file.close();
      };
      check_error(ErrorCode::kEnvironment, fill, "full.h5", "File too large");
    }
    auto file = Hdf5File::create(folder / "after.h5");
    file.write("values", counting<float>());
    file.close();
    CHECK(list(Hdf5File::open(folder / "after.h5").read<float>("values")) == list(counting<float>()));
  }
}
