#pragma once

#include "classifiers/plan/plan.h"
#include "collectors/models/kv_cache.h"

#include <cstdint>

namespace kvscope {

/// Checks an attention call against the plan of the cache that gets it.
/// @param rows     that begin() was called for
/// @throws Error   kUsage if it was made for another model or other steps.
void check_call(const Plan& plan, std::int64_t rows, const AttentionSite& site, const Step& step, const at::Tensor& q,
                const at::Tensor& k, const at::Tensor& v);

}  // namespace kvscope
