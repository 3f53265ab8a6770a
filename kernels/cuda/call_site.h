#pragma once

#ifdef __CUDACC__
#define KVSCOPE_DEVICE __device__ __forceinline__
#define KVSCOPE_HOST_DEVICE __host__ __device__ __forceinline__
/// Before a loop over registers, whose indices must be known when compiling.
#define KVSCOPE_UNROLL _Pragma("unroll")
#define KVSCOPE_PRAGMA(words) _Pragma(#words)
#define KVSCOPE_UNROLL_BY(times) KVSCOPE_PRAGMA(unroll times)
#else
#define KVSCOPE_DEVICE inline
#define KVSCOPE_HOST_DEVICE inline
#define KVSCOPE_UNROLL
#define KVSCOPE_UNROLL_BY(times)
#endif

namespace kvscope::gpu {

/// The source line of an access or collective, so that the interpreter can name it; nothing on a GPU.
struct CallSite {
#ifdef __CUDACC__
  KVSCOPE_HOST_DEVICE static constexpr CallSite here() {
    return {};
  }
#else
  const char* file = "";
  int line = 0;
  static constexpr CallSite here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
#endif
};

}  // namespace kvscope::gpu
