#include "kernels/attention/compact.h"

#include "collectors/base/error.h"

#include <cstddef>
#include <cstring>

namespace kvscope {

void compact_rows(void* rows, std::int64_t row_bytes, std::span<const std::int32_t> kept) {
  auto* bytes = static_cast<std::byte*>(rows);
  std::size_t i = 0;
  while (i < kept.size()) {
    require(kept[i] >= (i == 0 ? 0 : kept[i - 1] + 1), "compact_rows: kept rows must ascend");
    std::size_t run = 1;
    while (i + run < kept.size() && kept[i + run] == kept[i] + static_cast<std::int32_t>(run)) ++run;
    const auto source = static_cast<std::int64_t>(kept[i]);
    const auto target = static_cast<std::int64_t>(i);
    if (source != target) {
      std::memmove(bytes + target * row_bytes, bytes + source * row_bytes, run * static_cast<std::size_t>(row_bytes));
    }
    i += run;
  }
}

}  // namespace kvscope
