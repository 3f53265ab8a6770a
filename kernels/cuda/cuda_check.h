#pragma once

#include <driver_types.h>

namespace kvscope::gpu {

/// @throws Error  kEnvironment with the call, CUDA's name of the failure and its text, if `status` is one.
void check(cudaError_t status, const char* call);

}  // namespace kvscope::gpu
