#include "kernels/interpreter/access_mark.h"

#include <algorithm>

namespace kvscope::gpu::interpreter {

CallSite SiteNumbers::site(std::uint64_t number) const {
  const auto file = static_cast<std::size_t>(number >> kLineBits);
  return {file < files_.size() ? files_[file] : "another file", static_cast<int>(number & kLineMask)};
}

void SiteNumbers::look_up(const char* file) {
  const auto known = std::find(files_.begin(), files_.end(), file);
  const auto index = static_cast<std::size_t>(known - files_.begin());
  // The last number stands for all files beyond.
  if (known == files_.end() && files_.size() + 1 < kMaxFiles) files_.push_back(file);
  last_file_ = file;
  last_number_ = std::min<std::uint64_t>(index, kMaxFiles - 1) << kLineBits;
}

}  // namespace kvscope::gpu::interpreter
