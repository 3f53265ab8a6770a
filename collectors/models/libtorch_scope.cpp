#include "collectors/models/libtorch_scope.h"

#include <ATen/Parallel.h>

namespace kvscope {
namespace {

thread_local bool keeps_gradients = false;

}  // namespace

LibTorchScope::LibTorchScope() {
  // The count is kept per thread by OpenMP and MKL, so every thread of the pool has to be told once.
  thread_local const bool told = [] {
    at::set_num_threads(1);
    return true;
  }();
  (void)told;
  if (!keeps_gradients) without_autograd_.emplace();
}

GradientScope::GradientScope() : was_active_(keeps_gradients) {
  keeps_gradients = true;
}

GradientScope::~GradientScope() {
  keeps_gradients = was_active_;
}

}  // namespace kvscope
