#pragma once

#ifdef __CUDACC__
#define KVSCOPE_DEVICE __device__ __forceinline__
#define KVSCOPE_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define KVSCOPE_DEVICE inline
#define KVSCOPE_HOST_DEVICE inline
#endif

namespace kvscope::gpu {

/// The source line of an access or collective, so that the interpreter can name it; nothing on a GPU.
struct CallSite {
#ifdef __CUDACC__
  KVSCOPE_HOST_DEVICE static constexpr CallSite here() { return {}; }
#else
  const char* file = "";
  int line = 0;
  static constexpr CallSite here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
#endif
};

}  // namespace kvscope::gpu
