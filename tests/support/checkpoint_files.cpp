#include "support/checkpoint_files.h"

namespace kvscope::testing {
namespace {

constexpr std::uint32_t kSeeZip64 = 0xFFFFFFFF;

std::uint64_t stated(std::int64_t value, std::uint64_t truth) {
  return value < 0 ? truth : static_cast<std::uint64_t>(value);
}

std::string local_header(const ZipRecord& record) {
  const std::string& name = record.local_name.empty() ? record.name : record.local_name;
  return little_endian(0x04034B50, 4) + little_endian(20, 2) + little_endian(record.flags, 2) +
         little_endian(record.method, 2) + little_endian(0, 4) + little_endian(record.crc32, 4) +
         little_endian(record.content.size(), 4) + little_endian(record.content.size(), 4) +
         little_endian(name.size(), 2) + little_endian(0, 2) + name;
}

std::string directory_header(const ZipRecord& record, std::uint64_t offset) {
  const std::uint64_t bytes = stated(record.stated_bytes, record.content.size());
  offset = stated(record.stated_offset, offset);
  std::string extra;
  if (record.zip64) {
    extra = little_endian(1, 2) + little_endian(24, 2) + little_endian(bytes, 8) + little_endian(bytes, 8) +
            little_endian(offset, 8);
  }
  return little_endian(0x02014B50, 4) + little_endian(20, 2) + little_endian(20, 2) + little_endian(record.flags, 2) +
         little_endian(record.method, 2) + little_endian(0, 4) + little_endian(record.crc32, 4) +
         little_endian(record.zip64 ? kSeeZip64 : bytes, 4) + little_endian(record.zip64 ? kSeeZip64 : bytes, 4) +
         little_endian(record.name.size(), 2) + little_endian(extra.size(), 2) + little_endian(0, 2) +
         little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) +
         little_endian(record.zip64 ? kSeeZip64 : offset, 4) + record.name + extra;
}

std::string zip64_end(std::uint64_t entries, std::uint64_t bytes, std::uint64_t offset, std::uint64_t at) {
  return little_endian(0x06064B50, 4) + little_endian(44, 8) + little_endian(45, 2) + little_endian(45, 2) +
         little_endian(0, 4) + little_endian(0, 4) + little_endian(entries, 8) + little_endian(entries, 8) +
         little_endian(bytes, 8) + little_endian(offset, 8) + little_endian(0x07064B50, 4) + little_endian(0, 4) +
         little_endian(at, 8) + little_endian(1, 4);
}

}  // namespace

std::string little_endian(std::uint64_t number, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += static_cast<char>((number >> (8 * i)) & 0xFFU);
  return text;
}

std::string ZipArchive::bytes() const {
  std::string files;
  std::string directory;
  for (const auto& record : records) {
    directory += directory_header(record, files.size());
    files += local_header(record) + record.content;
  }
  const std::uint64_t entries = stated(stated_entries, records.size());
  const std::uint64_t offset = stated(stated_directory, files.size());
  const std::uint64_t end = files.size() + directory.size();
  std::string text = files + directory;
  if (zip64) text += zip64_end(entries, directory.size(), offset, end);
  text += little_endian(0x06054B50, 4) + little_endian(0, 4) + little_endian(zip64 ? 0xFFFF : entries, 2) +
          little_endian(zip64 ? 0xFFFF : entries, 2) + little_endian(zip64 ? kSeeZip64 : directory.size(), 4) +
          little_endian(zip64 ? kSeeZip64 : offset, 4) + little_endian(comment.size(), 2) + comment;
  return text;
}

Pickle& Pickle::text(std::string_view value) {
  text_ += 'X' + little_endian(value.size(), 4);
  text_ += value;
  return *this;
}

Pickle& Pickle::integer(std::int64_t value) {
  text_ += "\x8A\x08" + little_endian(static_cast<std::uint64_t>(value), 8);
  return *this;
}

Pickle& Pickle::global(std::string_view module, std::string_view name) {
  text_ += 'c';
  text_ += module;
  text_ += '\n';
  text_ += name;
  text_ += '\n';
  return *this;
}

Pickle& Pickle::tuple(const std::vector<std::int64_t>& values) {
  op("(");
  for (const auto value : values) integer(value);
  return op("t");
}

Pickle& Pickle::storage(std::string_view storage_class, std::string_view key, std::int64_t elements) {
  return op("(").text("storage").global("torch", storage_class).text(key).text("cpu").integer(elements).op("tQ");
}

Pickle& Pickle::tensor(std::string_view storage_class, std::string_view key, std::int64_t elements, std::int64_t offset,
                       const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides) {
  global("torch._utils", "_rebuild_tensor_v2").op("(").storage(storage_class, key, elements).integer(offset);
  return tuple(shape).tuple(strides).op("\x89").global("collections", "OrderedDict").op(")RtR");
}

ZipArchive torch_archive(const std::string& pickle, const std::vector<std::string>& storages,
                         std::string_view byte_order) {
  ZipArchive archive;
  archive.records.push_back({.name = "archive/data.pkl", .content = pickle});
  archive.records.push_back({.name = "archive/byteorder", .content = std::string(byte_order)});
  for (std::size_t i = 0; i < storages.size(); ++i) {
    archive.records.push_back({.name = "archive/data/" + std::to_string(i), .content = storages[i]});
  }
  archive.records.push_back({.name = "archive/version", .content = "3\n"});
  return archive;
}

std::string safetensors_bytes(std::string_view header, std::string_view data) {
  return little_endian(header.size(), 8) + std::string(header) + std::string(data);
}

}  // namespace kvscope::testing
