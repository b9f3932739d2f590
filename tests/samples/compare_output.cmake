# compare_output.cmake - runs a program that has to succeed, and compares all it prints
# with a text. What is known to vary stands there as '#'.
#
#     cmake -D program=... [-D argument=...] -D expected=FILE [-D varies=REGEX]
#           -D scratch=FOLDER -P compare_output.cmake
#
# SPDX-License-Identifier: BSL-1.0
cmake_minimum_required(VERSION 3.24)

# Errors too: a sample that is all right has none to tell of.
execute_process(COMMAND ${program} ${argument} OUTPUT_VARIABLE said ERROR_VARIABLE said
                RESULT_VARIABLE code)
if(NOT code STREQUAL "0")
  message(FATAL_ERROR "${program} ended with ${code}, after it had said:\n${said}")
endif()

# As a terminal shows it: a carriage return is there to write over the line.
string(REGEX REPLACE "[^\n]*\r" "" said "${said}")
if(NOT varies STREQUAL "")
  string(REGEX REPLACE "${varies}" "#" said "${said}")
endif()

get_filename_component(name ${expected} NAME)
file(WRITE ${scratch}/${name} "${said}")
execute_process(COMMAND diff -u ${expected} ${scratch}/${name} RESULT_VARIABLE differs)
if(NOT differs STREQUAL "0")
  message(FATAL_ERROR "${program} did not print what ${name} says")
endif()
