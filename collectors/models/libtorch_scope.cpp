#include "collectors/models/libtorch_scope.h"

#include <ATen/Parallel.h>

namespace kvscope {

LibTorchScope::LibTorchScope() {
  // The count is kept per thread by OpenMP and MKL, so every thread of the pool has to be told once.
  thread_local const bool told = [] {
    at::set_num_threads(1);
    return true;
  }();
  (void)told;
}

}  // namespace kvscope
