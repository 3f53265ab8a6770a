#pragma once

#include "collectors/base/json_file.h"

#include <string>
#include <string_view>
#include <vector>

namespace kvscope::benchmark {

/// Runs a script of tests/benchmarks with Debian's Python.
/// @return  the JSON that it printed; null if it printed nothing
/// @throws Error  kEnvironment if it failed; what it had to say went to standard error.
Json run_python(std::string_view script, const std::vector<std::string>& arguments);

[[nodiscard]] bool python_has_h5py();

}  // namespace kvscope::benchmark
