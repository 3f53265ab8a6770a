#include "reports/command_line/memory_rows.h"

#include "collectors/base/process_memory.h"

namespace kvscope {

void add_memory_rows(const std::optional<MemoryNeed>& need, Table& table) {
  if (need) {
    table.add_row({"memory in all", need->resident});
    table.add_row({"the same with --stream-layers", need->streamed});
  }
  if (const auto available = available_memory_bytes()) table.add_row({"available now", *available});
}

void add_memory_fields(const std::optional<MemoryNeed>& need, Json& document) {
  if (need) {
    document["resident_bytes"] = need->resident;
    document["streamed_bytes"] = need->streamed;
  }
  if (const auto available = available_memory_bytes()) document["available_bytes"] = *available;
}

}  // namespace kvscope
