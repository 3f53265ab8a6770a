# Finds CUPTI's headers: the toolkit's, or those of the wheels that come with LibTorch. Records are numbered by the
# version of their layout, so headers without the ones we decode (CUDA 13.0) do not do.
include(CheckCXXSourceCompiles)

find_path(KVSCOPE_CUPTI_INCLUDE cupti.h
  HINTS ${CUDAToolkit_INCLUDE_DIRS} ${KVSCOPE_TORCH_ROOT}/../nvidia/cu13/include
  PATHS /usr/local/cuda/include /usr/local/cuda/extras/CUPTI/include)
if(KVSCOPE_CUPTI_INCLUDE)
  set(CMAKE_REQUIRED_INCLUDES ${KVSCOPE_CUPTI_INCLUDE} ${CUDAToolkit_INCLUDE_DIRS})
  check_cxx_source_compiles("
    #include <cupti.h>
    CUpti_ActivityKernel10 kernel; CUpti_ActivityMemcpy6 copy; CUpti_ActivityMemory4 memory; CUpti_ActivityOverhead3 overhead;
    int main() { return 0; }" KVSCOPE_CUPTI_COMPILES)
  unset(CMAKE_REQUIRED_INCLUDES)
endif()
if(KVSCOPE_CUPTI_COMPILES)
  set(KVSCOPE_HAS_CUPTI ON)
  message(STATUS "CUPTI: headers in ${KVSCOPE_CUPTI_INCLUDE}; kvscope profile records GPUs")
else()
  message(STATUS "CUPTI: no headers of CUDA 13; kvscope profile reads the host's clock only")
endif()

# NVTX needs headers only, which lie beside CUPTI's; the tool that listens brings the rest.
if(KVSCOPE_HAS_CUPTI AND EXISTS ${KVSCOPE_CUPTI_INCLUDE}/nvtx3/nvToolsExt.h)
  set(KVSCOPE_HAS_NVTX ON)
endif()
