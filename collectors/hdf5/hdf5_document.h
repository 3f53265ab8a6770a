#pragma once

#include "collectors/base/json_file.h"
#include "collectors/hdf5/hdf5_file.h"

#include <filesystem>
#include <functional>
#include <string_view>

namespace kvscope {

// What HDF5 files with a `format` and a `version` have in common.

/// Has `write` fill a new file beside `path` and gives it its name at the end: readers see the old file or the new one,
/// never half of one, and a failure leaves nothing behind. Parent folders are made.
/// @throws Error  kEnvironment if the file cannot be made or replaced, and whatever `write` throws.
void replace_hdf5_file(const std::filesystem::path& path, const std::function<void(Hdf5File&)>& write);

/// @throws Error  kBadInput naming the file if its attributes `format` and `version` are not these.
void check_hdf5_format(const Hdf5File& file, std::string_view format, int version);

/// A text attribute of the file that holds JSON.
/// @throws Error  kBadInput naming file and attribute if it is missing or no JSON.
[[nodiscard]] Json json_attribute(const Hdf5File& file, std::string_view name);

}  // namespace kvscope
