#include "collectors/models/cuda_graphs.h"

#include "collectors/base/error.h"
#include "collectors/models/libtorch_device.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <exception>
#include <string_view>

namespace kvscope {
namespace {

constexpr const char* kLibrary = "libkvscope_cuda_graphs.so";

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, text.find('\n')));
}

std::string latest_loader_problem() {
  const char* reason = dlerror();
  return first_line(reason == nullptr ? "unknown reason" : reason);
}

}  // namespace

CudaGraphs load_cuda_graphs(const ComputeDevice& device) {
  require(device.is_cuda(), "load_cuda_graphs: a GPU is needed");
  (void)libtorch_device(device);  // the library's own dependencies are in the process from here on
  CudaGraphs graphs;
  // Found through the run path of the program. Never closed: graphs and their code may live until the process ends.
  void* const library = dlopen(kLibrary, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    graphs.problem = fmt::format("no CUDA graphs: {}", latest_loader_problem());
    return graphs;
  }
  auto* const make = reinterpret_cast<MakeCudaGraphs*>(dlsym(library, kMakeCudaGraphs));
  if (make == nullptr) {
    graphs.problem = fmt::format("no CUDA graphs: {} is of another version ({})", kLibrary, latest_loader_problem());
    return graphs;
  }
  try {
    graphs.backend.reset(make(device.ordinal));
  } catch (const std::exception& failure) {
    graphs.problem = fmt::format("no CUDA graphs: {}", first_line(failure.what()));
  }
  return graphs;
}

}  // namespace kvscope
