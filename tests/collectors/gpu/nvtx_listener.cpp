// A tool that listens to NVTX, as Nsight Systems would: prints each range that is pushed and each pop to the file that
// NVTX_LISTENER_OUTPUT names. Loaded by NVTX itself from NVTX_INJECTION64_PATH.

#include <nvtx3/nvToolsExt.h>

#include <cstdio>
#include <cstdlib>

namespace {

std::FILE* output() {
  static std::FILE* const file = std::fopen(std::getenv("NVTX_LISTENER_OUTPUT"), "w");
  return file;
}

int NVTX_API on_push(const char* message) {
  std::fprintf(output(), "push %s\n", message);
  std::fflush(output());
  return 0;
}

int NVTX_API on_pop() {
  std::fprintf(output(), "pop\n");
  std::fflush(output());
  return 0;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int InitializeInjectionNvtx2(NvtxGetExportTableFunc_t get_table) {
  const auto* callbacks = static_cast<const NvtxExportTableCallbacks*>(get_table(NVTX_ETID_CALLBACKS));
  if (callbacks == nullptr) return 0;
  NvtxFunctionTable functions = nullptr;
  unsigned int size = 0;
  if (callbacks->GetModuleFunctionTable(NVTX_CB_MODULE_CORE, &functions, &size) == 0) return 0;
  *functions[NVTX_CBID_CORE_RangePushA] = reinterpret_cast<NvtxFunctionPointer>(&on_push);
  *functions[NVTX_CBID_CORE_RangePop] = reinterpret_cast<NvtxFunctionPointer>(&on_pop);
  return 1;
}
