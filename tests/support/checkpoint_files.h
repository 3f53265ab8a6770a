#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Checkpoint files made in code, byte by byte, so that tests can make them wrong in every way.
namespace kvscope::testing {

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

/// `number` as `count` bytes, lowest first.
[[nodiscard]] std::string little_endian(std::uint64_t number, int count);

/// The raw bytes of `values`.
template <typename T>
[[nodiscard]] std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

/// One record of a zip archive and what its headers say of it.
struct ZipRecord {
  std::string name = {};
  std::string content = {};
  std::uint16_t method = 0;         ///< 0: stored
  std::uint16_t flags = 0;          ///< bit 0: encrypted
  std::uint32_t crc32 = 0;          ///< 0: not computed
  std::int64_t stated_bytes = -1;   ///< -1: the truth
  std::int64_t stated_offset = -1;  ///< -1: the truth
  std::string local_name = {};      ///< empty: `name`
  bool zip64 = false;               ///< sizes and offset in the zip64 extra field
};

/// A zip archive of these records.
struct ZipArchive {
  std::vector<ZipRecord> records;
  bool zip64 = false;                  ///< with zip64 end record and locator
  std::int64_t stated_entries = -1;    ///< -1: the truth
  std::int64_t stated_directory = -1;  ///< offset of the directory; -1: the truth
  std::string comment;

  [[nodiscard]] std::string bytes() const;
};

/// Pickles of protocol 2, opcode by opcode.
class Pickle {
 public:
  explicit Pickle(int protocol = 2) : text_{'\x80', static_cast<char>(protocol)} {}

  Pickle& op(std::string_view opcodes) {
    text_ += opcodes;
    return *this;
  }
  Pickle& text(std::string_view value);
  Pickle& integer(std::int64_t value);
  Pickle& global(std::string_view module, std::string_view name);
  Pickle& tuple(const std::vector<std::int64_t>& values);
  /// ('storage', torch.CLASS, key, 'cpu', elements) as a persistent id.
  Pickle& storage(std::string_view storage_class, std::string_view key, std::int64_t elements);
  /// torch._utils._rebuild_tensor_v2(...)
  Pickle& tensor(std::string_view storage_class, std::string_view key, std::int64_t elements, std::int64_t offset,
                 const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides);
  /// The bytes, ended by STOP.
  [[nodiscard]] std::string stop() const { return text_ + '.'; }

 private:
  std::string text_;
};

/// The archive that torch.save makes of `pickle` and the storages "0", "1", ...
[[nodiscard]] ZipArchive torch_archive(const std::string& pickle, const std::vector<std::string>& storages,
                                       std::string_view byte_order = "little");

/// A safetensors file.
[[nodiscard]] std::string safetensors_bytes(std::string_view header, std::string_view data);

}  // namespace kvscope::testing
