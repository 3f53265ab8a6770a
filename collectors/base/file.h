#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace kvscope {

/// A file mapped read-only into memory; pages are read when they are touched.
/// The bytes are valid as long as the object lives.
class MappedFile {
 public:
  /// @throws Error  kBadInput if `path` is missing, not a regular file or unreadable.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  /// Gives back the physical memory that reading `part` of bytes() took. The part stays as readable as before: its
  /// pages come from the file again when they are touched.
  void release(std::span<const std::byte> part) const noexcept;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// A file that any number of threads read at any place, into memory of their own. Unlike a mapped one it
/// reports a file that is cut short meanwhile as an error.
class FileReader {
 public:
  /// @throws Error  kBadInput if `path` is missing, not a regular file or unreadable.
  explicit FileReader(const std::filesystem::path& path);
  ~FileReader();
  FileReader(const FileReader&) = delete;
  FileReader& operator=(const FileReader&) = delete;

  /// Fills `target` with the bytes from `offset` on.
  /// @throws Error  kBadInput if the file ends before.
  void read(std::int64_t offset, std::span<std::byte> target) const;
  [[nodiscard]] std::int64_t size() const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// The whole text of a file.
/// @throws Error  kBadInput if it cannot be read.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path);

/// Writes a file piece by piece under the name of partial_path(path); commit() gives it its name. Without a
/// commit nothing is left behind and an older file of that name stays. Parent folders are made.
class FileWriter {
 public:
  /// @throws Error  kEnvironment if the file cannot be made.
  explicit FileWriter(const std::filesystem::path& path);
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  /// @throws Error  kEnvironment, e.g. if the disk is full.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  /// Hands everything to the disk and renames the file; nothing can be written afterwards.
  void commit();

 private:
  void close() noexcept;

  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Writes `bytes` to `path` in one stroke: to `path`.partial first, then renamed, so that a reader
/// sees the old file or the new one, never half of one. Parent folders are made.
/// @throws Error  kEnvironment if the disk is full or the folder cannot be written.
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// `path` with ".partial" appended: where an unfinished file lives.
[[nodiscard]] std::filesystem::path partial_path(const std::filesystem::path& path);

}  // namespace kvscope
