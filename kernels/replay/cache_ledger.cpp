#include "kernels/replay/cache_ledger.h"

#include "classifiers/plan/accounting.h"

namespace kvscope {

CacheLedger cache_ledger(const Plan& plan, const ModelInfo& model, std::int64_t samples) {
  Plan of_run = plan;
  of_run.model = model;
  const PlanTotals totals = plan_totals(of_run);
  CacheLedger ledger{.rows = totals.rows * samples, .predicted_bytes = totals.allocated_bytes_of(samples)};
  for (const std::int64_t bytes : totals.bytes_after) ledger.held_bytes.push_back(bytes * samples);
  return ledger;
}

void check_held(const CacheLedger& ledger, int step, std::int64_t held_bytes) {
  const std::int64_t predicted = ledger.held_bytes.at(static_cast<std::size_t>(step));
  if (held_bytes == predicted) return;
  throw Error(ErrorCode::kCheckFailed,
              fmt::format("cache ledger: after step {} the plan holds {} bytes in {} rows, but the cache holds {}: a "
                          "defect of the compressed cache",
                          step, predicted, ledger.rows, held_bytes));
}

void check_allocated(const CacheLedger& ledger, std::int64_t allocated_bytes) {
  if (allocated_bytes == ledger.predicted_bytes) return;
  throw Error(
      ErrorCode::kCheckFailed,
      fmt::format("cache ledger: the plan predicts {} bytes for {} rows, but the cache allocated {}: a defect of "
                  "the compressed cache",
                  ledger.predicted_bytes, ledger.rows, allocated_bytes));
}

}  // namespace kvscope
