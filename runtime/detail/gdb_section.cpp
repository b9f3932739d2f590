// gdb_section.cpp - the commands for gdb, in every program.
//
// Not for link-time optimization, which would have the assembler look for the scripts
// when the program is linked, where there may be none.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/gdb_section.hpp>

// gdb looks here for scripts: 4 for Python, a line with
// the name, and the text. Not in memory when the program runs.
#if defined(TENDRIL_GDB_SCRIPTS)
asm(".pushsection .debug_gdb_scripts, \"MS\", @progbits, 1\n\t"
    ".byte 4\n\t"
    ".ascii \"tendril-gdb.py\\n\"\n\t"
    ".incbin \"" TENDRIL_GDB_SCRIPTS
    "/detail/gdb_fibers.py\"\n\t"
    ".incbin \"" TENDRIL_GDB_SCRIPTS
    "/tendril-gdb.py\"\n\t"
    ".byte 0\n\t"
    ".popsection");
#endif

namespace tendril::detail {

const char gdb_commands = 0;

}  // namespace tendril::detail
