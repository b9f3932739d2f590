# consume.cmake - configures, builds and runs a consumer project in a folder of its own.
#
#     cmake -D way=find_package|add_subdirectory -D ... -P consume.cmake
#
# SPDX-License-Identifier: BSL-1.0
cmake_minimum_required(VERSION 3.24)

# What is left of an earlier run must not help this one.
file(REMOVE_RECURSE ${scratch})
file(COPY ${CMAKE_CURRENT_LIST_DIR}/${way}/ DESTINATION ${scratch}/source)
file(COPY ${CMAKE_CURRENT_LIST_DIR}/answer.cpp DESTINATION ${scratch}/source)

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

set(where_tendril_is -D TENDRIL_SOURCE=${tendril_source})
if(way STREQUAL "find_package")
  run(${CMAKE_COMMAND} --install ${tendril_build} --prefix ${scratch}/prefix)
  set(where_tendril_is -D CMAKE_PREFIX_PATH=${scratch}/prefix)
  # What is installed must not need the source tree.
  file(GLOB_RECURSE installed ${scratch}/prefix/*)
  foreach(file ${installed})
    if(IS_SYMLINK ${file})
      message(FATAL_ERROR "installed as a link: ${file}")
    endif()
  endforeach()
endif()
run(${CMAKE_COMMAND} -S ${scratch}/source -B ${scratch}/build -G ${generator}
    -D CMAKE_CXX_COMPILER=${compiler} -D CMAKE_CXX_COMPILER_LAUNCHER=${launcher}
    -D CMAKE_BUILD_TYPE=Debug -D CMAKE_EXPORT_COMPILE_COMMANDS=ON ${where_tendril_is})
run(${CMAKE_COMMAND} --build ${scratch}/build)

execute_process(COMMAND ${scratch}/build/answer OUTPUT_VARIABLE said
                COMMAND_ERROR_IS_FATAL ANY)
if(NOT "${said}" STREQUAL "42\n")
  message(FATAL_ERROR "the consumer's fiber should have said 42, and said: ${said}")
endif()

# Our warnings and our sanitizers are for our own build.
file(READ ${scratch}/build/compile_commands.json commands)
if(commands MATCHES " (-W[a-z][^ ]*|-pedantic[^ ]*|-fsanitize[^ ]*) ")
  message(FATAL_ERROR "${CMAKE_MATCH_1} has reached a consumer's build")
endif()

# A subproject installs nothing into its user's prefix.
if(way STREQUAL "add_subdirectory")
  run(${CMAKE_COMMAND} --install ${scratch}/build --prefix ${scratch}/prefix)
  file(GLOB_RECURSE installed RELATIVE ${scratch}/prefix ${scratch}/prefix/*)
  if(NOT "${installed}" STREQUAL "bin/answer")
    message(FATAL_ERROR "installed with the consumer: ${installed}")
  endif()
endif()
