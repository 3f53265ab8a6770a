#include "support/resident_memory.h"

#include <fstream>
#include <string>

namespace kvscope::testing {

std::int64_t resident_bytes_of(const std::filesystem::path& file) {
  const std::string path = std::filesystem::canonical(file).string();
  std::ifstream maps("/proc/self/smaps");
  std::int64_t bytes = 0;
  bool is_its_mapping = false;
  for (std::string line; std::getline(maps, line);) {
    // A mapping begins with "begin-end permissions ... path"; its figures follow as "Rss:   12 kB".
    if (line.find('-') < line.find(' ')) is_its_mapping = line.ends_with(path);
    if (is_its_mapping && line.starts_with("Rss:")) bytes += 1024 * std::stoll(line.substr(4));
  }
  return bytes;
}

}  // namespace kvscope::testing
