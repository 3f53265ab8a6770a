#include "kernels/interpreter/kernel_fault.h"

#include <string_view>
#include <utility>

namespace kvscope::gpu {

KernelFault::KernelFault(FaultKind kind, KernelPlace place, const std::string& what_happened)
    : Error(ErrorCode::kCheckFailed, fmt::format("kernel {}, block {}, thread {}, {}: {}", place.kernel, place.block,
                                                 place.thread, to_string(place.site), what_happened)),
      kind_(kind),
      place_(std::move(place)) {}

std::string to_string(const CallSite& site) {
  const std::string_view path = site.file;
  return fmt::format("{}:{}", path.substr(path.rfind('/') + 1), site.line);
}

}  // namespace kvscope::gpu
