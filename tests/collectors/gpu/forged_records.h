#pragma once

#include "collectors/gpu/cupti_records.h"

#include <cstring>
#include <string>
#include <vector>

namespace kvscope::testing {

// Records as CUPTI would hand them over, with no GPU and no call of CUPTI.

inline CuptiKernelRecord kernel_record(const char* name, std::uint64_t start, std::uint64_t end,
                                       std::uint32_t correlation, std::uint32_t stream = 7) {
  CuptiKernelRecord record{};
  record.kind = CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL;
  record.name = name;
  record.start = start;
  record.end = end;
  record.correlationId = correlation;
  record.streamId = stream;
  record.gridX = 4;
  record.gridY = 2;
  record.gridZ = 1;
  record.blockX = 128;
  record.blockY = 1;
  record.blockZ = 1;
  record.registersPerThread = 96;
  record.staticSharedMemory = 1024;
  record.dynamicSharedMemory = 4096;
  record.localMemoryPerThread = 16;
  return record;
}

inline CuptiCopyRecord copy_record(std::uint8_t direction, std::uint64_t bytes, std::uint64_t start, std::uint64_t end,
                                   std::uint32_t correlation) {
  CuptiCopyRecord record{};
  record.kind = CUPTI_ACTIVITY_KIND_MEMCPY;
  record.copyKind = direction;
  record.bytes = bytes;
  record.start = start;
  record.end = end;
  record.correlationId = correlation;
  return record;
}

inline CuptiSetRecord set_record(std::uint64_t bytes, std::uint64_t start, std::uint64_t end,
                                 std::uint32_t correlation) {
  CuptiSetRecord record{};
  record.kind = CUPTI_ACTIVITY_KIND_MEMSET;
  record.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  record.bytes = bytes;
  record.start = start;
  record.end = end;
  record.correlationId = correlation;
  return record;
}

inline CuptiMemoryRecord memory_record(CUpti_ActivityMemoryOperationType operation, std::uint64_t bytes,
                                       std::uint64_t time, std::uint32_t correlation) {
  CuptiMemoryRecord record{};
  record.kind = CUPTI_ACTIVITY_KIND_MEMORY2;
  record.memoryOperationType = operation;
  record.memoryKind = CUPTI_ACTIVITY_MEMORY_KIND_DEVICE;
  record.bytes = bytes;
  record.timestamp = time;
  record.address = 0xabc000;
  record.correlationId = correlation;
  return record;
}

inline CuptiOverheadRecord overhead_record(CUpti_ActivityOverheadKind kind, std::uint64_t start, std::uint64_t end) {
  CuptiOverheadRecord record{};
  record.kind = CUPTI_ACTIVITY_KIND_OVERHEAD;
  record.overheadKind = kind;
  record.start = start;
  record.end = end;
  return record;
}

inline CUpti_ActivityExternalCorrelation external_record(std::uint32_t correlation, std::uint64_t range,
                                                         CUpti_ExternalCorrelationKind kind = kOurExternalKind) {
  CUpti_ActivityExternalCorrelation record{};
  record.kind = CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION;
  record.externalKind = kind;
  record.externalId = range;
  record.correlationId = correlation;
  return record;
}

/// A call of the CUDA runtime, which CUPTI records beside the external ids.
inline CUpti_ActivityAPI call_record(std::uint32_t correlation) {
  CUpti_ActivityAPI record{};
  record.kind = CUPTI_ACTIVITY_KIND_RUNTIME;
  record.start = 1;
  record.end = 2;
  record.correlationId = correlation;
  return record;
}

/// A buffer with records one after the other.
class ForgedBuffer {
 public:
  template <typename Record>
  ForgedBuffer& add(const Record& record) {
    const std::size_t words = sizeof(Record) / sizeof(std::uint64_t);
    static_assert(sizeof(Record) % sizeof(std::uint64_t) == 0);
    words_.resize(words_.size() + words);
    std::memcpy(words_.data() + words_.size() - words, &record, sizeof(Record));
    return *this;
  }

  [[nodiscard]] std::uint8_t* data() { return reinterpret_cast<std::uint8_t*>(words_.data()); }
  [[nodiscard]] std::size_t bytes() const { return words_.size() * sizeof(std::uint64_t); }

 private:
  std::vector<std::uint64_t> words_;  // 8-byte aligned, as CUPTI's records are
};

/// Bytes of a record of that kind; 0 for kinds that are not forged here.
inline std::size_t record_bytes(CUpti_ActivityKind kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      return sizeof(CuptiKernelRecord);
    case CUPTI_ACTIVITY_KIND_MEMCPY:
      return sizeof(CuptiCopyRecord);
    case CUPTI_ACTIVITY_KIND_MEMSET:
      return sizeof(CuptiSetRecord);
    case CUPTI_ACTIVITY_KIND_MEMORY2:
      return sizeof(CuptiMemoryRecord);
    case CUPTI_ACTIVITY_KIND_OVERHEAD:
      return sizeof(CuptiOverheadRecord);
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION:
      return sizeof(CUpti_ActivityExternalCorrelation);
    case CUPTI_ACTIVITY_KIND_RUNTIME:
      return sizeof(CUpti_ActivityAPI);
    case CUPTI_ACTIVITY_KIND_NAME:
      return sizeof(CUpti_ActivityName);
    default:
      return 0;
  }
}

/// What cuptiActivityGetNextRecord() is documented to do.
inline CUptiResult forged_next(std::uint8_t* buffer, std::size_t valid_bytes, CUpti_Activity** record) {
  std::uint8_t* next = buffer;
  if (*record != nullptr) next = reinterpret_cast<std::uint8_t*>(*record) + record_bytes((*record)->kind);
  if (next >= buffer + valid_bytes) return CUPTI_ERROR_MAX_LIMIT_REACHED;
  const std::size_t size = record_bytes(reinterpret_cast<CUpti_Activity*>(next)->kind);
  if (size == 0 || next + size > buffer + valid_bytes) return CUPTI_ERROR_INVALID_KIND;
  *record = reinterpret_cast<CUpti_Activity*>(next);
  return CUPTI_SUCCESS;
}

}  // namespace kvscope::testing
