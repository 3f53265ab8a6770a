#include "collectors/gpu/cupti_records.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace kvscope {
namespace {

std::int64_t ns(std::uint64_t time) {
  return static_cast<std::int64_t>(time);
}

const char* copy_name(std::uint8_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOD:
      return "host to device";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOH:
      return "device to host";
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOA:
      return "host to array";
    case CUPTI_ACTIVITY_MEMCPY_KIND_ATOH:
      return "array to host";
    case CUPTI_ACTIVITY_MEMCPY_KIND_ATOA:
      return "array to array";
    case CUPTI_ACTIVITY_MEMCPY_KIND_ATOD:
      return "array to device";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOA:
      return "device to array";
    case CUPTI_ACTIVITY_MEMCPY_KIND_DTOD:
      return "device to device";
    case CUPTI_ACTIVITY_MEMCPY_KIND_HTOH:
      return "host to host";
    case CUPTI_ACTIVITY_MEMCPY_KIND_PTOP:
      return "peer to peer";
    default:
      return "unknown direction";
  }
}

const char* memory_name(std::uint32_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_MEMORY_KIND_PAGEABLE:
      return "pageable";
    case CUPTI_ACTIVITY_MEMORY_KIND_PINNED:
      return "pinned";
    case CUPTI_ACTIVITY_MEMORY_KIND_DEVICE:
      return "device";
    case CUPTI_ACTIVITY_MEMORY_KIND_ARRAY:
      return "array";
    case CUPTI_ACTIVITY_MEMORY_KIND_MANAGED:
      return "managed";
    case CUPTI_ACTIVITY_MEMORY_KIND_DEVICE_STATIC:
      return "device static";
    case CUPTI_ACTIVITY_MEMORY_KIND_MANAGED_STATIC:
      return "managed static";
    default:
      return "unknown";
  }
}

const char* overhead_name(std::uint32_t kind) {
  switch (kind) {
    case CUPTI_ACTIVITY_OVERHEAD_DRIVER_COMPILER:
      return "compiler";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_BUFFER_FLUSH:
      return "buffer flush";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_INSTRUMENTATION:
      return "instrumentation";
    case CUPTI_ACTIVITY_OVERHEAD_CUPTI_RESOURCE:
      return "resources";
    case CUPTI_ACTIVITY_OVERHEAD_RUNTIME_TRIGGERED_MODULE_LOADING:
      return "module loading";
    case CUPTI_ACTIVITY_OVERHEAD_LAZY_FUNCTION_LOADING:
      return "lazy function loading";
    case CUPTI_ACTIVITY_OVERHEAD_COMMAND_BUFFER_FULL:
      return "command buffer full";
    case CUPTI_ACTIVITY_OVERHEAD_ACTIVITY_BUFFER_REQUEST:
      return "activity buffer request";
    case CUPTI_ACTIVITY_OVERHEAD_UVM_ACTIVITY_INIT:
      return "unified memory start";
    default:
      return "unknown";
  }
}

bool is_possible(std::uint64_t start, std::uint64_t end) {
  return start > 0 && end >= start;
}

/// Fields that records of work have in common.
template <typename Record>
DeviceWork common_work(const Record& record, DeviceWorkKind kind, std::string name) {
  DeviceWork work;
  work.kind = kind;
  work.name = std::move(name);
  work.start_ns = ns(record.start);
  work.end_ns = ns(record.end);
  work.device = record.deviceId;
  work.stream = record.streamId;
  work.correlation = record.correlationId;
  work.graph_node = record.graphNodeId;
  return work;
}

template <typename Record>
DeviceWork moved_work(const Record& record, DeviceWorkKind kind, std::string name) {
  DeviceWork work = common_work(record, kind, std::move(name));
  work.bytes = static_cast<std::int64_t>(record.bytes);
  return work;
}

DeviceWork kernel_work(const CuptiKernelRecord& record) {
  DeviceWork work =
      common_work(record, DeviceWorkKind::kKernel, record.name == nullptr ? "kernel without a name" : record.name);
  work.grid = {record.gridX, record.gridY, record.gridZ};
  work.block = {record.blockX, record.blockY, record.blockZ};
  work.registers = record.registersPerThread;
  work.shared_memory_bytes = std::int64_t{record.staticSharedMemory} + record.dynamicSharedMemory;
  work.local_memory_bytes = record.localMemoryPerThread;
  return work;
}

void add(ActivityLog& log, DeviceWork work) {
  if (is_possible(static_cast<std::uint64_t>(work.start_ns), static_cast<std::uint64_t>(work.end_ns))) {
    log.work.push_back(std::move(work));
  } else {
    ++log.losses.malformed;
  }
}

void add_memory(ActivityLog& log, const CuptiMemoryRecord& record) {
  const bool is_allocation = record.memoryOperationType == CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_ALLOCATION;
  const bool is_release = record.memoryOperationType == CUPTI_ACTIVITY_MEMORY_OPERATION_TYPE_RELEASE;
  if (!is_allocation && !is_release) {
    ++log.losses.unknown_kind;
    return;
  }
  log.memory.push_back({.is_release = is_release,
                        .memory = memory_name(static_cast<std::uint32_t>(record.memoryKind)),
                        .time_ns = ns(record.timestamp),
                        .bytes = static_cast<std::int64_t>(record.bytes),
                        .address = record.address,
                        .device = record.deviceId,
                        .correlation = record.correlationId});
}

void add_overhead(ActivityLog& log, const CuptiOverheadRecord& record) {
  std::free(record.overheadData);  // CUPTI hands it over
  if (!is_possible(record.start, record.end)) {
    ++log.losses.malformed;
    return;
  }
  log.overhead.push_back(
      {overhead_name(static_cast<std::uint32_t>(record.overheadKind)), ns(record.start), ns(record.end)});
}

template <typename Record>
const Record& as(const CUpti_Activity& record) {
  return reinterpret_cast<const Record&>(record);
}

}  // namespace

void decode_record(const CUpti_Activity& record, ActivityLog& log) {
  switch (record.kind) {
    case CUPTI_ACTIVITY_KIND_KERNEL:
    case CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL:
      return add(log, kernel_work(as<CuptiKernelRecord>(record)));
    case CUPTI_ACTIVITY_KIND_MEMCPY: {
      const auto& copy = as<CuptiCopyRecord>(record);
      return add(log, moved_work(copy, DeviceWorkKind::kCopy, copy_name(copy.copyKind)));
    }
    case CUPTI_ACTIVITY_KIND_MEMCPY2: {
      const auto& copy = as<CuptiPeerCopyRecord>(record);
      return add(log, moved_work(copy, DeviceWorkKind::kCopy, copy_name(copy.copyKind)));
    }
    case CUPTI_ACTIVITY_KIND_MEMSET: {
      const auto& set = as<CuptiSetRecord>(record);
      return add(log, moved_work(set, DeviceWorkKind::kSet, memory_name(set.memoryKind)));
    }
    case CUPTI_ACTIVITY_KIND_MEMORY2:
      return add_memory(log, as<CuptiMemoryRecord>(record));
    case CUPTI_ACTIVITY_KIND_OVERHEAD:
      return add_overhead(log, as<CuptiOverheadRecord>(record));
    case CUPTI_ACTIVITY_KIND_EXTERNAL_CORRELATION: {
      const auto& external = as<CUpti_ActivityExternalCorrelation>(record);
      if (external.externalKind == kOurExternalKind) log.range_of_call[external.correlationId] = external.externalId;
      return;
    }
    case CUPTI_ACTIVITY_KIND_RUNTIME:
    case CUPTI_ACTIVITY_KIND_DRIVER:
      return;  // recorded only for the external ids beside them
    default:
      ++log.losses.unknown_kind;
  }
}

void decode_buffer(std::uint8_t* buffer, std::size_t valid_bytes, CuptiNextRecord next, ActivityLog& log) {
  if (buffer == nullptr || valid_bytes == 0) return;
  CUpti_Activity* record = nullptr;
  while (true) {
    const CUpti_Activity* const previous = record;
    const CUptiResult status = next(buffer, valid_bytes, &record);
    if (status == CUPTI_ERROR_MAX_LIMIT_REACHED) return;
    const auto* place = reinterpret_cast<const std::uint8_t*>(record);
    const bool advances = record != nullptr && record > previous && place >= buffer && place < buffer + valid_bytes;
    if (status != CUPTI_SUCCESS || !advances) {
      ++log.losses.malformed;
      return;
    }
    decode_record(*record, log);
  }
}

}  // namespace kvscope
