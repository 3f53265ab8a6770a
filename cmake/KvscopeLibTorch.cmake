# LibTorch's CPU side as the imported target kvscope_torch. find_package(Torch) of the wheel insists on
# the whole CUDA toolkit of its own version; linking libtorch_cpu and libc10 alone does not need it, and
# the CUDA side is a decision of run time.

set(_kvscope_torch_places ${KVSCOPE_LIBTORCH} $ENV{KVSCOPE_LIBTORCH})
if(NOT _kvscope_torch_places)
  if(DEFINED ENV{XDG_CACHE_HOME})
    list(APPEND _kvscope_torch_places $ENV{XDG_CACHE_HOME}/kvscope/libtorch-2.11.0)
  else()
    list(APPEND _kvscope_torch_places $ENV{HOME}/.cache/kvscope/libtorch-2.11.0)
  endif()
endif()

find_library(KVSCOPE_TORCH_CPU_LIBRARY torch_cpu HINTS ${_kvscope_torch_places}
             PATH_SUFFIXES torch/lib lib NO_DEFAULT_PATH)
if(NOT KVSCOPE_TORCH_CPU_LIBRARY)
  message(FATAL_ERROR "LibTorch was not found in: ${_kvscope_torch_places}. Run ./dev setup, name a folder with "
                      "-DKVSCOPE_LIBTORCH=DIR, or build without it: -DKVSCOPE_TORCH=OFF")
endif()
cmake_path(GET KVSCOPE_TORCH_CPU_LIBRARY PARENT_PATH _kvscope_torch_lib)
cmake_path(GET _kvscope_torch_lib PARENT_PATH KVSCOPE_TORCH_ROOT)

# The header moved with LibTorch 2.10.
set(_kvscope_torch_version_header ${KVSCOPE_TORCH_ROOT}/include/torch/headeronly/version.h)
if(NOT EXISTS ${_kvscope_torch_version_header})
  set(_kvscope_torch_version_header ${KVSCOPE_TORCH_ROOT}/include/torch/csrc/api/include/torch/version.h)
endif()
file(STRINGS ${_kvscope_torch_version_header} _kvscope_torch_version
     REGEX "define TORCH_VERSION_(MAJOR|MINOR) ")
string(REGEX REPLACE "[^0-9]+" ";" _kvscope_torch_version "${_kvscope_torch_version}")
list(FILTER _kvscope_torch_version EXCLUDE REGEX "^$")
list(JOIN _kvscope_torch_version "." _kvscope_torch_version)
if(_kvscope_torch_version VERSION_LESS 2.9)
  message(FATAL_ERROR "${KVSCOPE_TORCH_ROOT} holds LibTorch ${_kvscope_torch_version}; kvscope needs 2.9 or later")
endif()

add_library(kvscope_torch INTERFACE)
# The wheel carries headers of other libraries too (fmt 12 among them), without their code: searched last,
# they cannot shadow the installed ones.
target_compile_options(kvscope_torch INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${KVSCOPE_TORCH_ROOT}/include>"
  "$<$<COMPILE_LANGUAGE:CXX>:SHELL:-idirafter ${KVSCOPE_TORCH_ROOT}/include/torch/csrc/api/include>")
target_link_libraries(kvscope_torch INTERFACE
  ${_kvscope_torch_lib}/libtorch_cpu.so ${_kvscope_torch_lib}/libc10.so)
# Libraries that libtorch_cpu itself needs are found through its own run path.
target_link_options(kvscope_torch INTERFACE -Wl,--allow-shlib-undefined)
# Our own folder is for libraries that programs load at run time.
set(CMAKE_BUILD_RPATH ${_kvscope_torch_lib} ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
set(CMAKE_INSTALL_RPATH_USE_LINK_PATH ON)
message(STATUS "LibTorch: ${_kvscope_torch_version} in ${KVSCOPE_TORCH_ROOT}")

# kvscope_torch_find_cuda()
#   LibTorch's CUDA side as the target kvscope_torch_cuda, for libraries that programs load at run time, and
#   KVSCOPE_HAS_TORCH_CUDA: it takes nvcc's toolkit for the headers, and a LibTorch that has that side.
function(kvscope_torch_find_cuda)
  set(KVSCOPE_HAS_TORCH_CUDA OFF PARENT_SCOPE)
  cmake_path(GET KVSCOPE_TORCH_CPU_LIBRARY PARENT_PATH folder)
  if(NOT KVSCOPE_HAS_CUDA)
    message(STATUS "CUDA graphs: left out with CUDA")
    return()
  endif()
  foreach(file IN ITEMS ${folder}/libtorch_cuda.so ${folder}/libc10_cuda.so
                        ${KVSCOPE_TORCH_ROOT}/include/ATen/cuda/CUDAGraph.h)
    if(NOT EXISTS ${file})
      message(STATUS "CUDA graphs: left out, this LibTorch has no ${file}")
      return()
    endif()
  endforeach()
  add_library(kvscope_torch_cuda INTERFACE)
  target_include_directories(kvscope_torch_cuda SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
  target_link_libraries(kvscope_torch_cuda INTERFACE kvscope_torch ${folder}/libtorch_cuda.so ${folder}/libc10_cuda.so)
  # Every symbol of ours must be there, whatever those libraries themselves miss here.
  target_link_options(kvscope_torch_cuda INTERFACE -Wl,--no-undefined)
  set(KVSCOPE_HAS_TORCH_CUDA ON PARENT_SCOPE)
  message(STATUS "CUDA graphs: a library that is loaded at run time")
endfunction()
