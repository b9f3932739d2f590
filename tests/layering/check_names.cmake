# Each test case that a README names, in quotation marks in a row of a table, is there:
# cmake -DROOT=<project> -P check_names.cmake
# SPDX-License-Identifier: BSL-1.0

file(GLOB_RECURSE tests ${ROOT}/tests/*.cpp)
set(cases "")
foreach(test IN LISTS tests)
  file(READ ${test} text)
  # A name that is written on several lines.
  string(REGEX REPLACE "\"[ \n]+\"" "" text "${text}")
  string(APPEND cases "${text}")
endforeach()

set(named 0)
set(missing "")
foreach(readme IN ITEMS tests/README.md tests/faults/README.md)
  file(STRINGS ${ROOT}/${readme} rows REGEX "^\\|")
  foreach(row IN LISTS rows)
    string(REGEX MATCHALL "\"[^\"]+\"" names "${row}")
    foreach(name IN LISTS names)
      math(EXPR named "${named} + 1")
      string(FIND "${cases}" "${name}" at)
      if(at EQUAL -1)
        string(APPEND missing "\n  ${readme}: ${name}")
      endif()
    endforeach()
  endforeach()
endforeach()

if(missing)
  message(FATAL_ERROR "No such test case:${missing}")
endif()
if(named LESS 100)
  message(FATAL_ERROR "Only ${named} names found: the READMEs are not read rightly")
endif()
message(STATUS "${named} names")
