#pragma once

#include "collectors/base/json_file.h"
#include "reports/profile/profile_summary.h"

namespace kvscope {

/// What was profiled, and how: the same in every file that a profile is written to (docs/formats/profile.md).
[[nodiscard]] Json profile_header(const ProfileResult& result);

/// The header and all tables: what `kvscope profile --json` prints.
[[nodiscard]] Json profile_document(const ProfileResult& result, const ProfileSummary& summary);

}  // namespace kvscope
