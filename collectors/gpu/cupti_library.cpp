#include "collectors/gpu/cupti_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <initializer_list>

namespace kvscope {
namespace {

// CUPTI counts its own versions: 130001 is the first of CUDA 13's. Records of another major version differ.
constexpr std::uint32_t kVersionsPerMajor = 10'000;
constexpr std::uint32_t kMajor = CUPTI_API_VERSION / kVersionsPerMajor;

/// Where LibTorch has loaded it already, or the loader finds it, or CUDA is installed.
void* open_library() {
  const std::string name = fmt::format("libcupti.so.{}", kMajor);
  const std::string places[] = {name, "/usr/local/cuda/lib64/" + name, "/usr/local/cuda/extras/CUPTI/lib64/" + name};
  for (const std::string& place : places) {
    if (void* handle = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL); handle != nullptr) return handle;
  }
  return nullptr;
}

/// Looks functions up; remembers the first that is missing.
class Symbols {
 public:
  Symbols(void* handle, std::string& problem) : handle_(handle), problem_(problem) {}

  template <typename Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(handle_, name));
    if (function == nullptr && problem_.empty()) problem_ = fmt::format("CUPTI has no function {}", name);
  }

 private:
  void* handle_;
  std::string& problem_;
};

CuptiLibrary load() {
  CuptiLibrary library;
  void* const handle = open_library();
  if (handle == nullptr) {
    library.problem = fmt::format("libcupti.so.{} is not installed", kMajor);
    return library;
  }
  Symbols symbols(handle, library.problem);
  symbols.find("cuptiGetVersion", library.get_version);
  symbols.find("cuptiGetResultString", library.get_result_string);
  symbols.find("cuptiActivityRegisterCallbacks", library.register_callbacks);
  symbols.find("cuptiActivityRegisterTimestampCallback", library.register_timestamp);
  symbols.find("cuptiActivityEnable", library.enable);
  symbols.find("cuptiActivityDisable", library.disable);
  symbols.find("cuptiActivityFlushAll", library.flush_all);
  symbols.find("cuptiActivityGetNextRecord", library.next_record);
  symbols.find("cuptiActivityGetNumDroppedRecords", library.dropped_records);
  symbols.find("cuptiActivityPushExternalCorrelationId", library.push_external);
  symbols.find("cuptiActivityPopExternalCorrelationId", library.pop_external);
  symbols.find("cuptiSubscribe", library.subscribe);
  symbols.find("cuptiUnsubscribe", library.unsubscribe);
  symbols.find("cuptiEnableCallback", library.enable_callback);
  symbols.find("cuptiGetGraphNodeId", library.graph_node_id);
  symbols.find("cuptiFinalize", library.finalize);
  return library;
}

}  // namespace

std::string CuptiLibrary::text_of(CUptiResult result) const {
  const char* name = nullptr;
  if (get_result_string == nullptr || get_result_string(result, &name) != CUPTI_SUCCESS || name == nullptr) {
    return fmt::format("CUPTI error {}", static_cast<int>(result));
  }
  switch (result) {
    case CUPTI_ERROR_INSUFFICIENT_PRIVILEGES:
    case CUPTI_ERROR_VIRTUALIZED_DEVICE_INSUFFICIENT_PRIVILEGES:
      return fmt::format(
          "{} (the driver lets administrators alone profile; its option "
          "NVreg_RestrictProfilingToAdminUsers=0 changes that)",
          name);
    case CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED:
      return fmt::format("{} (another profiler is attached)", name);
    case CUPTI_ERROR_NOT_INITIALIZED:
    case CUPTI_ERROR_UNKNOWN:
      return fmt::format("{} (no NVIDIA driver?)", name);
    default:
      return name;
  }
}

const CuptiLibrary& cupti_library() {
  static const CuptiLibrary library = load();
  return library;
}

}  // namespace kvscope
