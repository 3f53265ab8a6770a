#pragma once

#include <string>
#include <utility>
#include <vector>

namespace kvscope {

/// A zip archive (PKWARE, APPNOTE.TXT) of stored files, given as name and content. All files bear the first moment that
/// zip knows, 1980-01-01, so that the same files give the same bytes.
/// @throws Error  kUsage if two names are the same, or if it takes zip64: 65535 files or 4 GiB.
[[nodiscard]] std::string zip_archive(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace kvscope
