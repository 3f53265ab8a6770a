#include "collectors/base/process_memory.h"

#include <sys/resource.h>

namespace kvscope {

std::int64_t peak_process_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;  // Linux counts KiB
}

}  // namespace kvscope
