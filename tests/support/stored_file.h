#pragma once

#include <string_view>

namespace kvscope::testing {

/// Compares `content` byte by byte with the file tests/data/`relative` and reports the first line that differs.
/// With KVSCOPE_RENEW_STORED_FILES=1 in the environment the file is written instead: look at the change before
/// committing it.
void check_stored_file(std::string_view relative, std::string_view content);

}  // namespace kvscope::testing
