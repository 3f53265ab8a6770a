#pragma once

#include "reports/profile/profile_summary.h"

#include <filesystem>

namespace kvscope {

/// Writes everything that was recorded, and the tables, as HDF5 ("kvscope-profile", version 1;
/// docs/formats/profile.md).
/// @throws Error  kEnvironment if the file cannot be written.
void write_profile(const std::filesystem::path& path, const ProfileResult& result, const ProfileSummary& summary);

}  // namespace kvscope
