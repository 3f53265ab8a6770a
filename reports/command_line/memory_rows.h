#pragma once

#include "collectors/base/json_file.h"
#include "collectors/models/generation_memory.h"
#include "reports/tables/table.h"

#include <optional>

namespace kvscope {

/// What a run would take and what is available, for --estimate: rows of a table of a name and bytes each.
void add_memory_rows(const std::optional<MemoryNeed>& need, Table& table);
/// The same as fields: resident_bytes, streamed_bytes and available_bytes, those that are known.
void add_memory_fields(const std::optional<MemoryNeed>& need, Json& document);

}  // namespace kvscope
