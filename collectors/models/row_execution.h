#pragma once

#include "collectors/gpu/compute_device.h"

#include <optional>

namespace kvscope {

/// How the rows of a batch (the branches of its samples) go through a model.
enum class RowExecution {
  /// Each on its own, on one thread: its bits depend neither on the batch nor on the number of threads. For CPUs.
  kOneByOne,
  /// All in every operation, which keeps a GPU busy; the order of summation is the library's choice.
  kTogether,
};

/// What was asked for; by default one by one on a CPU, together on a GPU.
[[nodiscard]] inline RowExecution row_execution(std::optional<RowExecution> asked, const ComputeDevice& device) {
  return asked.value_or(device.is_cuda() ? RowExecution::kTogether : RowExecution::kOneByOne);
}

}  // namespace kvscope
