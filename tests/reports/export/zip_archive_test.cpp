#include "reports/export/zip_archive.h"

#include "collectors/checkpoint/crc32.h"
#include "collectors/checkpoint/zip_directory.h"

#include <doctest/doctest.h>

#include <span>
#include <string>

using namespace kvscope;

TEST_SUITE("reports.export.zip_archive") {
  TEST_CASE("an archive is read back by the reader of checkpoints") {
    const std::string bytes = zip_archive({{"a.npy", "first"}, {"b.npy", std::string(1000, 'x')}, {"empty", ""}});
    const auto entries = read_zip_directory(std::as_bytes(std::span(bytes)), "archive");
    REQUIRE(entries.size() == 3);
    CHECK(entries[0].name == "a.npy");
    CHECK(entries[0].bytes.size() == 5);
    CHECK(static_cast<char>(entries[0].bytes[4]) == 't');
    CHECK(entries[1].bytes.size() == 1000);
    CHECK(entries[1].crc32 == crc32(entries[1].bytes));
    CHECK(entries[2].bytes.empty());
  }

  TEST_CASE("the same files give the same bytes and no date but the first") {
    const std::string bytes = zip_archive({{"a", "content"}});
    CHECK(bytes == zip_archive({{"a", "content"}}));
    CHECK(bytes.substr(10, 4) == std::string("\0\0\x21\0", 4));  // time 0, 1980-01-01
  }

  TEST_CASE("an archive of nothing is an end record") {
    CHECK(zip_archive({}).size() == 22);
  }
}
