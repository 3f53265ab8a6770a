#pragma once

#include <cupti.h>

#include <string>

namespace kvscope {

/// CUPTI's functions, looked up when the program runs: one binary serves machines with and without it.
struct CuptiLibrary {
  decltype(&::cuptiGetVersion) get_version = nullptr;
  decltype(&::cuptiGetResultString) get_result_string = nullptr;
  decltype(&::cuptiActivityRegisterCallbacks) register_callbacks = nullptr;
  decltype(&::cuptiActivityRegisterTimestampCallback) register_timestamp = nullptr;
  decltype(&::cuptiActivityEnable) enable = nullptr;
  decltype(&::cuptiActivityDisable) disable = nullptr;
  decltype(&::cuptiActivityFlushAll) flush_all = nullptr;
  decltype(&::cuptiActivityGetNextRecord) next_record = nullptr;
  decltype(&::cuptiActivityGetNumDroppedRecords) dropped_records = nullptr;
  decltype(&::cuptiActivityPushExternalCorrelationId) push_external = nullptr;
  decltype(&::cuptiActivityPopExternalCorrelationId) pop_external = nullptr;
  decltype(&::cuptiSubscribe) subscribe = nullptr;
  decltype(&::cuptiUnsubscribe) unsubscribe = nullptr;
  decltype(&::cuptiEnableCallback) enable_callback = nullptr;
  decltype(&::cuptiGetGraphNodeId) graph_node_id = nullptr;
  decltype(&::cuptiFinalize) finalize = nullptr;

  /// Why it cannot be used, in one line; empty if it can.
  std::string problem;

  /// "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES (what may help)".
  [[nodiscard]] std::string text_of(CUptiResult result) const;
};

/// Loaded at the first call.
[[nodiscard]] const CuptiLibrary& cupti_library();

}  // namespace kvscope
