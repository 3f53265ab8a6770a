#pragma once

#include "collectors/timeline/activity.h"

#include <cupti.h>

#include <cstddef>
#include <cstdint>

namespace kvscope {

// The one place that knows the layout of CUPTI's records, those of CUDA 13. Private to this folder and its tests:
// needs CUPTI's headers, calls nothing of its library.

using CuptiKernelRecord = CUpti_ActivityKernel10;
using CuptiCopyRecord = CUpti_ActivityMemcpy6;
using CuptiPeerCopyRecord = CUpti_ActivityMemcpyPtoP4;
using CuptiSetRecord = CUpti_ActivityMemset4;
using CuptiMemoryRecord = CUpti_ActivityMemory4;
using CuptiOverheadRecord = CUpti_ActivityOverhead3;

/// Kinds that decode_record() understands: what has to be switched on. API calls are among them, since CUPTI says
/// which external id a call had only beside the call's own record.
inline constexpr CUpti_ActivityKind kCuptiKinds[] = {CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION,
                                                     CUPTI_ACTIVITY_KIND_RUNTIME,
                                                     CUPTI_ACTIVITY_KIND_DRIVER,
                                                     CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL,
                                                     CUPTI_ACTIVITY_KIND_MEMCPY,
                                                     CUPTI_ACTIVITY_KIND_MEMCPY2,
                                                     CUPTI_ACTIVITY_KIND_MEMSET,
                                                     CUPTI_ACTIVITY_KIND_MEMORY2,
                                                     CUPTI_ACTIVITY_KIND_OVERHEAD};

/// External ids of this kind are ours.
inline constexpr CUpti_ExternalCorrelationKind kOurExternalKind = CUPTI_EXTERNAL_CORRELATION_KIND_CUSTOM0;

/// Adds what a record says to the log. Times of 0 mean that CUPTI had none: such work counts as malformed, as does
/// work that ends before it begins.
void decode_record(const CUpti_Activity& record, ActivityLog& log);

/// As cuptiActivityGetNextRecord.
using CuptiNextRecord = CUptiResult (*)(std::uint8_t* buffer, std::size_t valid_bytes, CUpti_Activity** record);

/// Decodes all records of a buffer. A buffer that cannot be read on counts as one malformed record; what was read
/// before stays.
void decode_buffer(std::uint8_t* buffer, std::size_t valid_bytes, CuptiNextRecord next, ActivityLog& log);

}  // namespace kvscope
