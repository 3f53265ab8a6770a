#pragma once

#include "kernels/cuda/launch.h"

#include <cxxabi.h>

#include <cstdlib>
#include <functional>
#include <string>
#include <typeinfo>
#include <utility>

namespace kvscope::testing {

/// How host code wants a kernel started.
struct RecordedLaunch {
  std::string kernel;  ///< its type, with all namespaces
  int threads = 0;     ///< of a block
  gpu::LaunchShape shape;
};

/// A launcher (kernels/cuda/launch.h) that starts nothing and tells what it was asked for.
class RecordingLaunch {
 public:
  RecordingLaunch(int multiprocessors, std::function<void(const RecordedLaunch&)> record)
      : multiprocessors_(multiprocessors), record_(std::move(record)) {}

  [[nodiscard]] int multiprocessors() const { return multiprocessors_; }

  template <typename Kernel>
  void operator()(const Kernel&, const gpu::LaunchShape& shape) const {
    int status = 0;
    char* name = abi::__cxa_demangle(typeid(Kernel).name(), nullptr, nullptr, &status);
    record_({status == 0 ? name : typeid(Kernel).name(), Kernel::kThreads, shape});
    std::free(name);
  }

 private:
  int multiprocessors_;
  std::function<void(const RecordedLaunch&)> record_;
};

}  // namespace kvscope::testing
