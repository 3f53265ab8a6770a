#include "collectors/models/libtorch_cuda.h"

#include <ATen/Context.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <filesystem>

namespace kvscope {
namespace {

std::filesystem::path libtorch_folder() {
  Dl_info place{};
  const bool is_known = dladdr(reinterpret_cast<void*>(&at::globalContext), &place) != 0 && place.dli_fname != nullptr;
  return is_known ? std::filesystem::path(place.dli_fname).parent_path() : std::filesystem::path();
}

std::string load_cuda_side() {
  const std::filesystem::path file = libtorch_folder() / "libtorch_cuda.so";
  if (dlopen(file.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    const char* reason = dlerror();
    return fmt::format("LibTorch's CUDA side cannot be loaded: {} (./dev setup --cuda installs it)",
                       reason == nullptr ? "unknown reason" : reason);
  }
  if (!at::globalContext().hasCUDA()) return "LibTorch's CUDA side was loaded but finds no GPU it can use";
  return {};
}

}  // namespace

const std::string& load_libtorch_cuda() {
  static const std::string problem = load_cuda_side();
  return problem;
}

}  // namespace kvscope
