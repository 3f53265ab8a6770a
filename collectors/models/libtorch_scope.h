#pragma once

#include <ATen/core/LegacyTypeDispatch.h>

namespace kvscope {

/// Held by every piece of work that calls LibTorch: makes LibTorch compute it on the calling thread alone
/// and without autograd's bookkeeping. Parallelism comes from parallel_for over rows and samples, each of
/// which is computed in the same order of operations whatever else runs: so its bits depend neither on
/// the batch nor on the number of threads.
class LibTorchScope {
 public:
  LibTorchScope();

 private:
  at::AutoDispatchBelowADInplaceOrView without_autograd_;
};

}  // namespace kvscope
