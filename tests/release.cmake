# Configures a build of a type, and looks at what it would be made with:
# cmake -D source=... -D type=Release -D scratch=... -P release.cmake
# SPDX-License-Identifier: BSL-1.0

execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${source} -B ${scratch} -D CMAKE_BUILD_TYPE=${type}
          -D TENDRIL_TESTS=OFF -D TENDRIL_SAMPLES=OFF
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
file(STRINGS ${scratch}/CMakeCache.txt fault_points REGEX "^TENDRIL_FAULT_POINTS:")
if(NOT fault_points STREQUAL "TENDRIL_FAULT_POINTS:BOOL=OFF")
  message(FATAL_ERROR "a ${type} build has '${fault_points}'")
endif()
