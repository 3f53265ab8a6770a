# kvscope_module(NAME [LINKS module...])
#   Makes the library kvscope::NAME of the folder NAME. LINKS names the rooms it may use. The sources
#   are listed by the folder's own CMakeLists.txt with kvscope_sources().
function(kvscope_module name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "LINKS")
  add_library(kvscope_${name} STATIC)
  add_library(kvscope::${name} ALIAS kvscope_${name})
  target_include_directories(kvscope_${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(kvscope_${name} PRIVATE kvscope_compiler)
  set_target_properties(kvscope_${name} PROPERTIES
    LINKER_LANGUAGE CXX
    VERIFY_INTERFACE_HEADER_SETS ON)
  foreach(link IN LISTS arg_LINKS)
    target_link_libraries(kvscope_${name} PUBLIC kvscope::${link})
  endforeach()
  add_subdirectory(${PROJECT_SOURCE_DIR}/${name})
endfunction()

# kvscope_sources(MODULE [TORCH|CUDA] [SOURCES file...] [HEADERS file...])
#   Adds files of the calling folder to a module. HEADERS are public: each is also compiled alone
#   (target all_verify_interface_header_sets). TORCH: only in builds with LibTorch; CUDA: only where
#   nvcc is.
function(kvscope_sources module)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH;CUDA" "" "SOURCES;HEADERS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "kvscope_sources: unknown words ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if((arg_TORCH AND NOT KVSCOPE_TORCH) OR (arg_CUDA AND NOT KVSCOPE_HAS_CUDA))
    return()
  endif()
  list(TRANSFORM arg_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  list(TRANSFORM arg_HEADERS PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  target_sources(kvscope_${module} PRIVATE ${arg_SOURCES})
  target_sources(kvscope_${module} PUBLIC
    FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR} FILES ${arg_HEADERS})
endfunction()

# kvscope_tests(NAME SOURCES file_test.cpp... LINKS module... [LABELS label...] [TORCH])
#   One doctest program kvscope_NAME_tests, and one CTest entry NAME.FILE for each source. doctest
#   exits with 0 when a filter matches nothing, so that is made a failure here.
function(kvscope_tests name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "TORCH" "" "SOURCES;LINKS;LABELS")
  if((arg_TORCH AND NOT KVSCOPE_TORCH) OR NOT KVSCOPE_TESTS)
    return()
  endif()
  set(target kvscope_${name}_tests)
  add_executable(${target} ${arg_SOURCES})
  list(TRANSFORM arg_LINKS PREPEND kvscope::)
  target_link_libraries(${target} PRIVATE kvscope_compiler kvscope_test_support ${arg_LINKS})
  foreach(source IN LISTS arg_SOURCES)
    cmake_path(GET source STEM stem)
    string(REGEX REPLACE "_test$" "" entry ${stem})
    add_test(NAME ${name}.${entry} COMMAND ${target} --source-file=*${stem}.cpp --no-version)
    set_tests_properties(${name}.${entry} PROPERTIES
      FAIL_REGULAR_EXPRESSION "test cases: +0 "
      LABELS "unit;${arg_LABELS}"
      TIMEOUT 600)
  endforeach()
endfunction()
