# The front page's server, as it stands there, is a program: it compiles. What is run has
# a port of the system's choice instead of 6000, which somebody else may have.

set(page ${PROJECT_SOURCE_DIR}/README.md)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${page})
file(READ ${page} text)
if(NOT text MATCHES "\n```cpp\n([^`]+)```\n```\n([^`\n]+)\n```\n")
  message(FATAL_ERROR "README.md begins no more with a server and with what it prints")
endif()
set(server "${CMAKE_MATCH_1}")
set(prints "${CMAKE_MATCH_2}")

# Each complete program of the page is to be compiled; there is just this one.
string(FIND "${text}" "int main(" first)
string(FIND "${text}" "int main(" last REVERSE)
if(NOT first EQUAL last)
  message(FATAL_ERROR "README.md has another program, which nothing compiles")
endif()

string(REPLACE "\"127.0.0.1\", 6000)" "\"127.0.0.1\", 0)" any_port "${server}")
if(any_port STREQUAL server)
  message(FATAL_ERROR "the server of README.md does not listen on port 6000 any more")
endif()

# front_page_server(NAME SOURCE)
function(front_page_server name source)
  file(CONFIGURE OUTPUT ${name}.cpp CONTENT "@source@" @ONLY)
  add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}.cpp)
  target_link_libraries(${name} PRIVATE tendril::net tendril_build)
endfunction()
front_page_server(front_page_as_it_stands "${server}")
front_page_server(front_page_any_port "${any_port}")

add_test(NAME sample.front_page
         COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/front_page
                 $<TARGET_FILE:front_page_any_port> ${prints})
set_tests_properties(sample.front_page PROPERTIES LABELS sample TIMEOUT 60)
