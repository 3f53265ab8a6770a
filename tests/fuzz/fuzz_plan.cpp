// Feeds arbitrary bytes to the plan reader. Whatever is refused must be refused with an Error of one line;
// whatever is accepted must be countable and must survive being written and read again.

#include "classifiers/plan/accounting.h"
#include "classifiers/plan/plan.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

using namespace kvscope;

namespace {

/// Ends the process so that libFuzzer keeps the input.
void demand(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const Plan plan = plan_from_json(parse_json(text, "input"), "input");
    const PlanTotals totals = plan_totals(plan);
    demand(totals.peak_bytes <= totals.allocated_bytes);
    demand(totals.allocated_bytes - totals.parameter_bytes <= totals.full_bytes);
    const Json written = to_json(plan);
    demand(to_json(plan_from_json(written, "written")) == written);
  } catch (const Error& failure) {
    demand(std::string_view(failure.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
