# plant_breaches.cmake - proves that check_layers.cmake finds what it is there to find, on
# trees of a few lines.
#
#     cmake -D check=check_layers.cmake -D scratch=FOLDER -P plant_breaches.cmake
#
# SPDX-License-Identifier: BSL-1.0
cmake_minimum_required(VERSION 3.24)

# A sound tree, with `content` added in `file`, is checked; into `result` and `said`.
function(check_with file content)
  file(REMOVE_RECURSE ${scratch})
  file(WRITE ${scratch}/runtime/clock.hpp "#include <chrono>\n")
  file(WRITE ${scratch}/runtime/hub.hpp "#include <tendril/runtime/clock.hpp>\n")
  file(WRITE ${scratch}/runtime/detail/context.hpp "#include <boost/context/fiber.hpp>\n")
  file(WRITE ${scratch}/runtime/detail/context.cpp
       "#include <tendril/runtime/detail/context.hpp>\n")
  file(WRITE ${scratch}/sync/mutex.hpp "#include <tendril/runtime/hub.hpp>\n")
  file(WRITE ${scratch}/net/socket.hpp "#include <tendril/sync/mutex.hpp>\n")
  file(WRITE ${scratch}/net/socket.cpp "#include <boost/asio.hpp>\n")
  file(WRITE ${scratch}/net/detail/asio_driver.hpp "#include <boost/asio.hpp>\n")
  file(WRITE ${scratch}/net/asio.hpp "#include <boost/asio.hpp>\n")
  file(WRITE ${scratch}/samples/echo.cpp "#include <tendril/net/socket.hpp>\n")
  file(APPEND ${scratch}/${file} "${content}\n")
  set(installed runtime/clock.hpp runtime/hub.hpp sync/mutex.hpp net/socket.hpp
                net/asio.hpp)
  execute_process(
    COMMAND ${CMAKE_COMMAND} -D root=${scratch} -D "installed=${installed}" -P ${check}
    RESULT_VARIABLE result ERROR_VARIABLE said)
  set(result ${result} PARENT_SCOPE)
  set(said "${said}" PARENT_SCOPE)
endfunction()

function(expect_breach sentence file content)
  check_with("${file}" "${content}")
  string(FIND "${said}" "${sentence}" at)
  if(result EQUAL 0 OR at LESS 0)
    message(SEND_ERROR "not found: ${sentence}\nWhat was said instead: ${said}")
  endif()
endfunction()

check_with(net/socket.cpp "// nothing that offends")
if(NOT result EQUAL 0)
  message(SEND_ERROR "a sound tree was refused: ${said}")
endif()

expect_breach(
  "runtime/hub.hpp includes sync/mutex.hpp: runtime may include only runtime"
  runtime/hub.hpp "#include <tendril/sync/mutex.hpp>")
expect_breach(
  "sync/mutex.cpp includes net/tendril.hpp: sync may include only runtime, sync"
  sync/mutex.cpp "  #  include <tendril/tendril.hpp>  // all of it")
expect_breach(
  "a cycle: runtime/clock.hpp -> runtime/hub.hpp -> runtime/clock.hpp"
  runtime/clock.hpp "#include <tendril/runtime/hub.hpp>")
expect_breach(
  "runtime/hub.cpp includes <boost/context/fiber.hpp>: only runtime/detail/context.hpp"
  runtime/hub.cpp "#include <boost/context/fiber.hpp>")
expect_breach(
  "net/socket.hpp includes <boost/asio/ip/tcp.hpp>: Boost belongs into .cpp files"
  net/socket.hpp "#include <boost/asio/ip/tcp.hpp>")
expect_breach(
  "runtime/hub.cpp includes \"clock.hpp\": it is spelled <tendril/...>"
  runtime/hub.cpp "#include \"clock.hpp\"")
expect_breach(
  "samples/echo.cpp includes <tendril/net/detail/asio_driver.hpp>: detail is not for"
  samples/echo.cpp "#include <tendril/net/detail/asio_driver.hpp>")
expect_breach(
  "sync/event.hpp is not in detail/ and not installed"
  sync/event.hpp "#include <vector>")
expect_breach(
  "net/socket.hpp is installed and includes net/detail/asio_driver.hpp, which is not"
  net/socket.hpp "#include <tendril/net/detail/asio_driver.hpp>")
