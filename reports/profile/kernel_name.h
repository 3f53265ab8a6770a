#pragma once

#include "collectors/timeline/activity.h"

#include <string>
#include <string_view>

namespace kvscope {

/// The C++ name behind a mangled one; a name that is none as it is.
[[nodiscard]] std::string demangled(std::string_view name);

/// How work of a GPU is called in tables and traces: a kernel's C++ name, "memcpy host to device", "memset device".
[[nodiscard]] std::string shown_name(const DeviceWork& work);

}  // namespace kvscope
