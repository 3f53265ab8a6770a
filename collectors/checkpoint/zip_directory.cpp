#include "collectors/checkpoint/zip_directory.h"

#include "collectors/base/error.h"
#include "collectors/checkpoint/byte_cursor.h"
#include "collectors/checkpoint/tensor_name.h"

#include <algorithm>
#include <optional>
#include <unordered_set>

// Record layouts: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7 to 4.3.16 and 4.5.3.
namespace kvscope {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034B50;
constexpr std::uint32_t kDirectoryHeader = 0x02014B50;
constexpr std::uint32_t kEndRecord = 0x06054B50;
constexpr std::uint32_t kZip64EndRecord = 0x06064B50;
constexpr std::uint32_t kZip64Locator = 0x07064B50;
constexpr std::size_t kEndRecordBytes = 22;
constexpr std::size_t kZip64LocatorBytes = 20;
constexpr std::size_t kDirectoryHeaderBytes = 46;
constexpr std::size_t kLongestComment = 0xFFFF;
constexpr std::uint16_t kZip64Field = 1;
constexpr std::uint16_t kEncrypted = 1;
constexpr std::uint32_t kSeeZip64 = 0xFFFFFFFF;

using Bytes = std::span<const std::byte>;

/// Where the central directory lies.
struct Directory {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

/// Offset of the end record: the last place where one fits, together with its comment, up to the end of the file.
std::size_t find_end_record(Bytes archive, std::string_view where) {
  if (archive.size() >= kEndRecordBytes) {
    const std::size_t last = archive.size() - kEndRecordBytes;
    const std::size_t first = last - std::min(last, kLongestComment);
    for (std::size_t at = last + 1; at-- > first;) {
      ByteCursor cursor(archive.subspan(at), where);
      if (cursor.take_number<std::uint32_t>() != kEndRecord) continue;
      cursor.take(kEndRecordBytes - 6);
      if (cursor.take_number<std::uint16_t>() == cursor.remaining()) return at;
    }
  }
  throw bad_input("{}: the zip archive has no end record: the file is cut short or not whole", where);
}

/// The zip64 end record that the locator just before `end` points to, if there is one.
std::optional<Directory> read_zip64(Bytes archive, std::size_t end, std::string_view where) {
  if (end < kZip64LocatorBytes) return std::nullopt;
  ByteCursor locator(archive.subspan(end - kZip64LocatorBytes), where);
  if (locator.take_number<std::uint32_t>() != kZip64Locator) return std::nullopt;
  locator.take_number<std::uint32_t>();  // disk
  const auto at = locator.take_number<std::uint64_t>();
  if (at >= end) throw bad_input("{}: the zip64 end record lies outside the file, at byte {}", where, at);
  ByteCursor record(archive.subspan(static_cast<std::size_t>(at), end - static_cast<std::size_t>(at)), where);
  if (record.take_number<std::uint32_t>() != kZip64EndRecord) {
    throw bad_input("{}: expected the zip64 end record at byte {}", where, at);
  }
  record.take(8 + 2 + 2 + 4 + 4 + 8);  // own size, versions, disks, entries on this disk
  Directory directory;
  directory.entries = record.take_number<std::uint64_t>();
  directory.bytes = record.take_number<std::uint64_t>();
  directory.offset = record.take_number<std::uint64_t>();
  return directory;
}

Directory read_end_record(Bytes archive, std::string_view where) {
  const std::size_t end = find_end_record(archive, where);
  ByteCursor cursor(archive.subspan(end), where);
  cursor.take(4 + 2 + 2 + 2);  // signature, disks, entries on this disk
  Directory directory;
  directory.entries = cursor.take_number<std::uint16_t>();
  directory.bytes = cursor.take_number<std::uint32_t>();
  directory.offset = cursor.take_number<std::uint32_t>();
  if (const auto large = read_zip64(archive, end, where)) directory = *large;
  if (directory.offset > end || directory.bytes > end - directory.offset) {
    throw bad_input("{}: the zip directory of {} bytes at byte {} does not fit into the file", where, directory.bytes,
                    directory.offset);
  }
  if (directory.entries > directory.bytes / kDirectoryHeaderBytes) {
    throw bad_input("{}: the zip directory claims {} entries in {} bytes", where, directory.entries, directory.bytes);
  }
  return directory;
}

/// What the directory says of one entry; 64-bit values already in place.
struct Header {
  std::string_view name;
  std::uint32_t crc32 = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
};

/// Replaces the 32-bit values that say so by those of the zip64 extra field.
void read_zip64_field(Header& header, Bytes extra, std::string_view where) {
  ByteCursor fields(extra, where);
  while (fields.remaining() >= 4) {
    const auto id = fields.take_number<std::uint16_t>();
    const Bytes content = fields.take(fields.take_number<std::uint16_t>());
    if (id != kZip64Field) continue;
    ByteCursor values(content, where);
    for (auto* value : {&header.bytes, &header.packed_bytes, &header.offset}) {
      if (*value == kSeeZip64) *value = values.take_number<std::uint64_t>();
    }
    return;
  }
}

Header read_header(ByteCursor& cursor, std::string_view where) {
  if (cursor.take_number<std::uint32_t>() != kDirectoryHeader) {
    throw bad_input("{}: the zip directory is damaged", where);
  }
  cursor.take(4);  // versions
  const auto flags = cursor.take_number<std::uint16_t>();
  const auto method = cursor.take_number<std::uint16_t>();
  cursor.take(4);  // time
  Header header;
  header.crc32 = cursor.take_number<std::uint32_t>();
  header.packed_bytes = cursor.take_number<std::uint32_t>();
  header.bytes = cursor.take_number<std::uint32_t>();
  const auto name_bytes = cursor.take_number<std::uint16_t>();
  const auto extra_bytes = cursor.take_number<std::uint16_t>();
  const auto comment_bytes = cursor.take_number<std::uint16_t>();
  cursor.take(2 + 2 + 4);  // disk, attributes
  header.offset = cursor.take_number<std::uint32_t>();
  header.name = cursor.take_text(name_bytes);
  read_zip64_field(header, cursor.take(extra_bytes), where);
  cursor.take(comment_bytes);
  if (method != 0 || header.packed_bytes != header.bytes) {
    throw bad_input("{}: record '{}' is compressed; torch.save stores records as they are", where,
                    printable(header.name));
  }
  if ((flags & kEncrypted) != 0) throw bad_input("{}: record '{}' is encrypted", where, printable(header.name));
  return header;
}

/// Follows a directory header to its local header and the bytes behind that.
ZipEntry locate(Bytes archive, std::uint64_t directory_offset, const Header& header, std::string_view where) {
  const Bytes files = archive.first(static_cast<std::size_t>(directory_offset));
  if (header.offset > files.size()) {
    throw bad_input("{}: record '{}' lies outside the file, at byte {}", where, printable(header.name), header.offset);
  }
  ByteCursor local(files.subspan(static_cast<std::size_t>(header.offset)), where);
  const bool is_header = local.take_number<std::uint32_t>() == kLocalHeader;
  local.take(22);
  const auto name_bytes = local.take_number<std::uint16_t>();
  const auto extra_bytes = local.take_number<std::uint16_t>();
  if (!is_header || local.take_text(name_bytes) != header.name) {
    throw bad_input("{}: record '{}' and its local header do not agree", where, printable(header.name));
  }
  local.take(extra_bytes);
  if (header.bytes > local.remaining()) {
    throw bad_input("{}: record '{}' of {} bytes does not fit into the file", where, printable(header.name),
                    header.bytes);
  }
  return {header.name, local.take(header.bytes), header.crc32};
}

}  // namespace

std::vector<ZipEntry> read_zip_directory(Bytes archive, std::string_view where) {
  const Directory directory = read_end_record(archive, where);
  ByteCursor cursor(
      archive.subspan(static_cast<std::size_t>(directory.offset), static_cast<std::size_t>(directory.bytes)), where);
  std::vector<ZipEntry> entries;
  std::unordered_set<std::string_view> names;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    const Header header = read_header(cursor, where);
    if (!names.insert(header.name).second) {
      throw bad_input("{}: record '{}' is there twice", where, printable(header.name));
    }
    entries.push_back(locate(archive, directory.offset, header, where));
  }
  return entries;
}

}  // namespace kvscope
