#include "collectors/checkpoint/zip_directory.h"

#include "support/checkpoint_files.h"
#include "support/errors.h"

#include <doctest/doctest.h>

#include <string>

using namespace kvscope;
using testing::bytes_of;
using testing::check_error;
using testing::ZipArchive;

namespace {

ZipArchive two_records() {
  ZipArchive archive;
  archive.records = {{.name = "a/data.pkl", .content = "pickle"}, {.name = "a/data/0", .content = "01234567"}};
  return archive;
}

std::string text_of(const ZipEntry& entry) {
  return {reinterpret_cast<const char*>(entry.bytes.data()), entry.bytes.size()};
}

template <typename... Words>
void check_refused(const ZipArchive& archive, const Words&... words) {
  const std::string bytes = archive.bytes();
  check_error(
      ErrorCode::kBadInput, [&] { static_cast<void>(read_zip_directory(bytes_of(bytes), "m.pth")); }, "m.pth",
      words...);
}

}  // namespace

TEST_SUITE("collectors.checkpoint.zip_directory") {
  TEST_CASE("stored records are found with and without zip64 and comment") {
    for (const bool zip64 : {false, true}) {
      CAPTURE(zip64);
      auto archive = two_records();
      archive.zip64 = zip64;
      archive.comment = "a comment";
      for (auto& record : archive.records) record.zip64 = zip64;
      const std::string bytes = archive.bytes();
      const auto entries = read_zip_directory(bytes_of(bytes), "m.pth");
      REQUIRE(entries.size() == 2);
      CHECK(entries[0].name == "a/data.pkl");
      CHECK(text_of(entries[0]) == "pickle");
      CHECK(text_of(entries[1]) == "01234567");
    }
  }

  TEST_CASE("an empty archive has no entries") {
    const std::string bytes = ZipArchive{}.bytes();
    CHECK(read_zip_directory(bytes_of(bytes), "m.pth").empty());
  }

  TEST_CASE("a file cut anywhere is refused") {
    for (const bool zip64 : {false, true}) {
      auto archive = two_records();
      archive.zip64 = zip64;
      const std::string whole = archive.bytes();
      for (std::size_t kept = 0; kept < whole.size(); ++kept) {
        CAPTURE(kept);
        const std::string cut = whole.substr(0, kept);
        check_error(
            ErrorCode::kBadInput, [&] { static_cast<void>(read_zip_directory(bytes_of(cut), "m.pth")); }, "m.pth");
      }
    }
  }

  TEST_CASE("compressed records are refused so that nothing can expand") {
    auto archive = two_records();
    archive.records[1].method = 8;
    check_refused(archive, "'a/data/0'", "compressed");
  }

  TEST_CASE("encrypted records and records that are there twice are refused") {
    auto archive = two_records();
    archive.records[0].flags = 1;
    check_refused(archive, "'a/data.pkl'", "encrypted");
    archive = two_records();
    archive.records[1].name = "a/data.pkl";
    check_refused(archive, "'a/data.pkl'", "twice");
  }

  TEST_CASE("sizes and offsets beyond the file are refused in 32 and in 64 bits") {
    for (const bool zip64 : {false, true}) {
      for (const std::int64_t value : {std::int64_t{0x7FFFFFFF}, std::int64_t{0xFFFFFFFE}, INT64_MAX}) {
        if (!zip64 && value > 0xFFFFFFFE) continue;
        CAPTURE(zip64);
        CAPTURE(value);
        auto archive = two_records();
        archive.records[1].zip64 = zip64;
        archive.records[1].stated_bytes = value;
        check_refused(archive, "'a/data/0'", "does not fit");
        archive = two_records();
        archive.records[1].zip64 = zip64;
        archive.records[1].stated_offset = value;
        check_refused(archive, "'a/data/0'", "outside the file");
      }
    }
    auto archive = two_records();
    archive.zip64 = true;
    archive.stated_directory = INT64_MAX;
    check_refused(archive, "does not fit");
  }

  TEST_CASE("a directory cannot claim more entries than it has room for") {
    auto archive = two_records();
    archive.stated_entries = 60000;
    check_refused(archive, "claims 60000 entries");
    archive.zip64 = true;
    archive.stated_entries = INT64_MAX;
    check_refused(archive, "claims 9223372036854775807 entries");
    archive.zip64 = false;
    archive.stated_entries = 3;
    check_refused(archive);
  }

  TEST_CASE("a record must agree with its local header") {
    auto archive = two_records();
    archive.records[1].local_name = "a/data/1";
    check_refused(archive, "'a/data/0'", "do not agree");
    archive = two_records();
    archive.records[1].stated_offset = 1;
    check_refused(archive, "'a/data/0'", "do not agree");
  }
}
