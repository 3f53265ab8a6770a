#pragma once

#include "collectors/base/json_file.h"

#include <string>
#include <string_view>

namespace kvscope::testing {

/// What Python's jsonschema (draft 7) has against `document` under the schema of the repository's file
/// `schema`; empty if nothing. The schema itself is checked, too.
[[nodiscard]] std::string schema_complaints(std::string_view schema, const Json& document);

}  // namespace kvscope::testing
