#pragma once

#include <filesystem>
#include <string_view>

namespace kvscope::testing {

/// A file of the repository: repository_file("tests/data/var_basic/var.pth").
[[nodiscard]] std::filesystem::path repository_file(std::string_view relative);

/// An empty folder that is removed with its content when the object dies.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace kvscope::testing
