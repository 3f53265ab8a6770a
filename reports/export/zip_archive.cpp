#include "reports/export/zip_archive.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/crc32.h"

#include <cstdint>
#include <limits>
#include <set>
#include <span>

namespace kvscope {
namespace {

constexpr std::uint16_t kVersion = 20;          // 2.0: plain files and folders
constexpr std::uint16_t kUtf8Names = 1U << 11;  // general purpose bit 11
constexpr std::uint16_t kStored = 0;
constexpr std::uint16_t kFirstDate = 0x21;  // 1980-01-01: year 0, month 1, day 1
constexpr std::uint32_t kReadableFile = 0644U << 16;
constexpr std::uint16_t kMadeOnUnix = 3U << 8;

void put16(std::string& bytes, std::uint32_t number) {
  bytes += static_cast<char>(number & 0xffU);
  bytes += static_cast<char>(number >> 8 & 0xffU);
}

void put32(std::string& bytes, std::uint32_t number) {
  put16(bytes, number & 0xffffU);
  put16(bytes, number >> 16);
}

/// The fields that a file's own header and its entry in the directory share.
void put_facts(std::string& bytes, const std::string& name, const std::string& content, std::uint32_t crc) {
  put16(bytes, kVersion);
  put16(bytes, kUtf8Names);
  put16(bytes, kStored);
  put16(bytes, 0);  // time
  put16(bytes, kFirstDate);
  put32(bytes, crc);
  put32(bytes, static_cast<std::uint32_t>(content.size()));
  put32(bytes, static_cast<std::uint32_t>(content.size()));
  put16(bytes, static_cast<std::uint32_t>(name.size()));
  put16(bytes, 0);  // no extra field
}

}  // namespace

std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& files) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max();
  require(files.size() < std::numeric_limits<std::uint16_t>::max(), "zip_archive: too many files");
  std::set<std::string> names;
  std::string bytes;
  std::string directory;
  for (const auto& [name, content] : files) {
    require(names.insert(name).second, "zip_archive: two files have the same name");
    require(name.size() <= std::numeric_limits<std::uint16_t>::max(), "zip_archive: a name is too long");
    require(content.size() < kMost && bytes.size() + content.size() < kMost - (1U << 20), "zip_archive: over 4 GiB");
    const auto offset = static_cast<std::uint32_t>(bytes.size());
    const std::uint32_t crc = crc32(std::as_bytes(std::span(content)));
    put32(bytes, 0x04034b50);
    put_facts(bytes, name, content, crc);
    bytes += name;
    bytes += content;
    put32(directory, 0x02014b50);
    put16(directory, kMadeOnUnix | kVersion);
    put_facts(directory, name, content, crc);
    put16(directory, 0);  // no comment
    put16(directory, 0);  // first disk
    put16(directory, 0);  // internal attributes
    put32(directory, kReadableFile);
    put32(directory, offset);
    directory += name;
  }
  const auto start = static_cast<std::uint32_t>(bytes.size());
  bytes += directory;
  put32(bytes, 0x06054b50);
  put32(bytes, 0);  // disks
  put16(bytes, static_cast<std::uint32_t>(files.size()));
  put16(bytes, static_cast<std::uint32_t>(files.size()));
  put32(bytes, static_cast<std::uint32_t>(directory.size()));
  put32(bytes, start);
  put16(bytes, 0);  // no comment
  return bytes;
}

}  // namespace kvscope
