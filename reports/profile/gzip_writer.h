#pragma once

#include "collectors/base/file.h"

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace kvscope {

/// Writes text to a file piece by piece, gzipped (RFC 1952) where the name ends in ".gz", else as it is. Like
/// FileWriter: only commit() gives the file its name. The bytes depend on the text alone.
class GzipWriter {
 public:
  /// @throws Error  kEnvironment if the file cannot be made.
  explicit GzipWriter(const std::filesystem::path& path);
  ~GzipWriter();
  GzipWriter(const GzipWriter&) = delete;
  GzipWriter& operator=(const GzipWriter&) = delete;

  /// @throws Error  kEnvironment, e.g. if the disk is full.
  void write(std::string_view text);
  void commit();

 private:
  class Stream;
  void hand_on(int flush);

  FileWriter file_;
  std::string pending_;             ///< not yet compressed or written
  std::unique_ptr<Stream> stream_;  ///< empty: not compressed
};

}  // namespace kvscope
