#pragma once

#include "classifiers/plan/plan.h"

#include <cstdint>
#include <vector>

namespace kvscope {

/// What a plan says about the bytes of a batch's cache, and what was measured. Bytes are of keys and values
/// over all layers, key/value heads and rows, at the element types of the run.
struct CacheLedger {
  std::int64_t rows = 0;                 ///< sequences of the batch
  std::int64_t predicted_bytes = 0;      ///< all slots of the ragged cache, and parameters of quantisation once
  std::vector<std::int64_t> held_bytes;  ///< [K] predicted after each step
};

/// @param model  of the run: its element types count, not the plan's
/// @param samples  of the batch
[[nodiscard]] CacheLedger cache_ledger(const Plan& plan, const ModelInfo& model, std::int64_t samples);

/// The books must balance to the byte: what a step holds and what is allocated is what the plan predicts.
/// @throws Error  kCheckFailed naming step, predicted and measured bytes: a defect of the compressed cache.
void check_held(const CacheLedger& ledger, int step, std::int64_t held_bytes);
void check_allocated(const CacheLedger& ledger, std::int64_t allocated_bytes);

}  // namespace kvscope
