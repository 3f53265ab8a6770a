#pragma once

#include <ATen/core/LegacyTypeDispatch.h>

#include <optional>

namespace kvscope {

/// Held by every piece of work that calls LibTorch: makes LibTorch compute it on the calling thread alone
/// and, outside of a GradientScope, without autograd's bookkeeping. Parallelism comes from parallel_for over rows and
/// samples, each of which is computed in the same order of operations whatever else runs: so its bits depend neither on
/// the batch nor on the number of threads.
class LibTorchScope {
 public:
  LibTorchScope();

 private:
  std::optional<at::AutoDispatchBelowADInplaceOrView> without_autograd_;
};

/// While one lives on a thread, every LibTorchScope of that thread lets autograd keep its books.
class GradientScope {
 public:
  GradientScope();
  ~GradientScope();
  GradientScope(const GradientScope&) = delete;
  GradientScope& operator=(const GradientScope&) = delete;

 private:
  bool was_active_;
};

}  // namespace kvscope
