cmake_minimum_required(VERSION 3.25)

# Data flows collectors -> analysis -> classifiers -> kernels -> reports; a file may include its own room
# and those to its left. LibTorch appears in collectors/ and kernels/ alone, HDF5's C API and CUPTI in
# collectors/ alone.
set(rooms collectors analysis classifiers kernels reports)
set(vendors
  "(torch|ATen|c10)/=collectors|kernels"
  "hdf5\\.h=collectors"
  "cupti=collectors"
  "cuda_runtime=collectors|kernels")

set(violations "")
set(position 0)
foreach(room IN LISTS rooms)
  file(GLOB_RECURSE files ${SOURCE_DIR}/${room}/*.h ${SOURCE_DIR}/${room}/*.cpp ${SOURCE_DIR}/${room}/*.cu
       ${SOURCE_DIR}/${room}/*.cuh)
  list(LENGTH files count)
  if(count EQUAL 0)
    message(FATAL_ERROR "no sources in ${room}: the test looks in the wrong place")
  endif()
  list(SUBLIST rooms 0 ${position} allowed)
  list(APPEND allowed ${room})
  foreach(file IN LISTS files)
    file(STRINGS ${file} includes REGEX "^[ \t]*#[ \t]*include")
    foreach(include IN LISTS includes)
      foreach(other IN LISTS rooms)
        if(include MATCHES "\"${other}/" AND NOT other IN_LIST allowed)
          list(APPEND violations "${file}: ${include} points to the right of ${room}")
        endif()
      endforeach()
      foreach(vendor IN LISTS vendors)
        string(REGEX MATCH "^(.*)=(.*)$" unused "${vendor}")
        if(include MATCHES "[<\"]${CMAKE_MATCH_1}" AND NOT room MATCHES "^(${CMAKE_MATCH_2})$")
          list(APPEND violations "${file}: ${include} is not for ${room}")
        endif()
      endforeach()
    endforeach()
  endforeach()
  math(EXPR position "${position} + 1")
endforeach()

if(violations)
  list(JOIN violations "\n  " text)
  message(FATAL_ERROR "include order:\n  ${text}")
endif()
