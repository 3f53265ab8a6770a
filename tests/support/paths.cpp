#include "support/paths.h"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <system_error>

namespace kvscope::testing {

std::filesystem::path repository_file(std::string_view relative) {
  return std::filesystem::path(KVSCOPE_SOURCE_DIR) / relative;
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "kvscope-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a temporary folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace kvscope::testing
