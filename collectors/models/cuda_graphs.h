#pragma once

#include "collectors/gpu/compute_device.h"
#include "collectors/models/graph_backend.h"

#include <memory>
#include <string>

namespace kvscope {

/// CUDA graphs of LibTorch's work, or why there are none.
struct CudaGraphs {
  std::unique_ptr<GraphBackend> backend;
  std::string problem;  ///< one line; empty where there is a backend
};

/// Loads libkvscope_cuda_graphs.so, which links LibTorch's CUDA side as no program does, from beside the program
/// (build/lib or the installed lib folder). Without it everything runs as well, launch by launch.
/// @param device  a GPU
/// @throws Error  as libtorch_device(), which it calls.
[[nodiscard]] CudaGraphs load_cuda_graphs(const ComputeDevice& device);

/// What the library exports under the name kMakeCudaGraphs: a new backend for the GPU of this number, which the caller
/// deletes. May throw std::exception. The name changes with GraphBackend.
using MakeCudaGraphs = GraphBackend*(int ordinal);
inline constexpr const char* kMakeCudaGraphs = "kvscope_make_cuda_graphs_1";

}  // namespace kvscope
