#pragma once

#include <string>

namespace kvscope {

/// Loads LibTorch's CUDA side (libtorch_cuda.so beside libtorch_cpu.so) into the process, once; programs link
/// the CPU side alone. It must come before anything asks LibTorch whether there is CUDA: that answer is kept.
/// @return  why it cannot be used, in one line; empty once it can
[[nodiscard]] const std::string& load_libtorch_cuda();

}  // namespace kvscope
