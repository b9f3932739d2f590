// gdb_section.hpp - names the object file that has gdb's commands, so that programs
// which link the library statically get it.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace tendril::detail {

extern const char gdb_commands;

}  // namespace tendril::detail
