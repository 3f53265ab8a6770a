#pragma once

namespace kvscope {

/// How the rows of a batch (the branches of its samples) go through a model.
enum class RowExecution {
  /// Each on its own, on one thread: its bits depend neither on the batch nor on the number of threads. For CPUs.
  kOneByOne,
  /// All in every operation, which keeps a GPU busy; the order of summation is the library's choice.
  kTogether,
};

}  // namespace kvscope
