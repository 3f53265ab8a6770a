# Language level, warnings and sanitizers, as properties of targets.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

find_program(KVSCOPE_CCACHE ccache)
if(KVSCOPE_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${KVSCOPE_CCACHE})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${KVSCOPE_CCACHE})
endif()

add_library(kvscope_compiler INTERFACE)
target_compile_options(kvscope_compiler INTERFACE
  "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wno-missing-field-initializers;-Wshadow;-Wnon-virtual-dtor;-Wcast-align;-Wunused;-Woverloaded-virtual>"
  # Fixed summation order and no contraction by the compiler's mood: results are a property of the source.
  "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>")
if(KVSCOPE_WERROR)
  target_compile_options(kvscope_compiler INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-Werror>")
endif()
if(KVSCOPE_FUZZERS)
  # Coverage for libFuzzer; only the fuzzers themselves link its main().
  target_compile_options(kvscope_compiler INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>")
endif()
if(KVSCOPE_SANITIZE)
  target_compile_options(kvscope_compiler INTERFACE
    "$<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${KVSCOPE_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=undefined>")
  target_link_options(kvscope_compiler INTERFACE "-fsanitize=${KVSCOPE_SANITIZE}")
endif()
