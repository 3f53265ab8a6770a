#include "collectors/base/file.h"

#include "support/errors.h"
#include "support/paths.h"
#include "support/resident_memory.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

using namespace kvscope;

TEST_SUITE("collectors.base.file") {
  TEST_CASE("a written file is read back whole and leaves no partial file") {
    const testing::TemporaryFolder folder;
    const auto path = folder / "deep/inside.txt";
    const std::string text("first\0second\n", 13);
    write_file(path, text);
    CHECK(read_text_file(path) == text);
    CHECK_FALSE(std::filesystem::exists(partial_path(path)));
  }

  TEST_CASE("a writer that is not committed leaves the old file and nothing else") {
    const testing::TemporaryFolder folder;
    write_file(folder / "kept", "old");
    {
      FileWriter writer(folder / "kept");
      writer.write("half of the");
    }
    CHECK(read_text_file(folder / "kept") == "old");
    CHECK_FALSE(std::filesystem::exists(partial_path(folder / "kept")));
    FileWriter writer(folder / "kept");
    writer.write("piece ");
    writer.write("by piece");
    writer.commit();
    CHECK(read_text_file(folder / "kept") == "piece by piece");
  }

  TEST_CASE("a released part of a mapped file takes no memory and reads as before") {
    const testing::TemporaryFolder folder;
    constexpr std::size_t kPart = std::size_t{1} << 20;
    write_file(folder / "large", std::string(kPart, 'a') + std::string(kPart + 100, 'b'));
    const MappedFile file(folder / "large");
    const auto sum = [&] {
      std::size_t total = 0;
      for (const std::byte value : file.bytes()) total += static_cast<std::size_t>(value);
      return total;
    };
    const std::size_t expected = kPart * 'a' + (kPart + 100) * 'b';
    CHECK(sum() == expected);
    CHECK(testing::resident_bytes_of(folder / "large") >= static_cast<std::int64_t>(2 * kPart));
    file.release(file.bytes().subspan(kPart));
    // A kernel that maps in large pages may give back more.
    CHECK(testing::resident_bytes_of(folder / "large") <= static_cast<std::int64_t>(kPart));
    CHECK(sum() == expected);
    file.release(file.bytes());
    CHECK(testing::resident_bytes_of(folder / "large") == 0);
    file.release({});
    CHECK(sum() == expected);
  }

  TEST_CASE("a folder that cannot be written is an environment error") {
    const testing::TemporaryFolder folder;
    write_file(folder / "file", "");
    testing::check_error(
        ErrorCode::kEnvironment, [&] { FileWriter(folder / "file/below"); }, "file/below", "cannot create");
  }

  TEST_CASE("an empty file is mapped as no bytes") {
    const testing::TemporaryFolder folder;
    write_file(folder / "empty", "");
    CHECK(MappedFile(folder / "empty").bytes().empty());
  }

  TEST_CASE("a missing file and a folder are named in the error") {
    const testing::TemporaryFolder folder;
    testing::check_error(
        ErrorCode::kBadInput, [&] { MappedFile(folder / "none"); }, "none", "No such file");
    testing::check_error(
        ErrorCode::kBadInput, [&] { MappedFile{folder.path()}; }, "not a regular file");
  }

  TEST_CASE("a full disk keeps the old file and is an environment error") {
    if (!std::filesystem::exists("/dev/full")) return;
    const testing::TemporaryFolder folder;
    write_file(folder / "kept", "old");
    std::filesystem::create_symlink("/dev/full", partial_path(folder / "kept"));
    testing::check_error(
        ErrorCode::kEnvironment, [&] { write_file(folder / "kept", "new"); }, "kept", "No space left");
    CHECK(read_text_file(folder / "kept") == "old");
  }

  TEST_CASE("a reader gives any part of a file and refuses what is beyond its end") {
    const testing::TemporaryFolder folder;
    write_file(folder / "letters", "abcdefgh");
    const FileReader reader(folder / "letters");
    CHECK(reader.size() == 8);
    std::vector<std::byte> part(3);
    reader.read(2, part);
    CHECK(std::string(reinterpret_cast<const char*>(part.data()), part.size()) == "cde");
    reader.read(8, {});
    testing::check_error(
        ErrorCode::kBadInput, [&] { reader.read(6, part); }, "letters", "cut short");
    testing::check_error(
        ErrorCode::kBadInput, [&] { FileReader other(folder / "none"); }, "none");
    testing::check_error(
        ErrorCode::kBadInput, [&] { FileReader other(folder.path()); }, "regular");
  }
}
