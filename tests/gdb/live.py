# live.py - the checks of fibers.py in a live process, which then goes on as if nothing
# had been. `core`: the name of a core file to leave, or None.
#
# SPDX-License-Identifier: BSL-1.0
import os.path

import gdb

gdb.execute("break stop_here")
gdb.execute("run")
gdb.execute("source " + os.path.join(os.path.dirname(__file__), "fibers.py"))
if core:
    gdb.execute("generate-core-file " + core)

gdb.execute("break stop_in_main")
gdb.execute("continue")
expect("bt", r"^#0 .*stop_in_main.*\n#1 .*main \([^\n]*\n$")
call = "print (int)getpid()"
answer = "= {}$".format(gdb.selected_inferior().pid)
# gdb 13 cannot write the registers of a processor with AMX, so it cannot call anything.
calls = "Couldn't write extended state" not in said(call)
if calls:
    expect(call, answer)
else:
    print("live.py: this gdb cannot call functions on this processor: that is left out")
expect("fiber " + ids()["sleeper"], "sleeper")
expect("bt", r"inner \(")
if calls:
    expect(call, answer)
expect("bt", r"inner \(")

# The selection ends when the program goes on; so do most fibers.
gdb.execute("continue")
expect("bt", r"^#0 +stop_here \(\).*\n#1 .*main \([^\n]*\n$")
if "sleeper" in ids():
    expect("info fibers", "nothing of the sleeper")
expect("show backtrace past-main", "off")
expect("fiber " + ids()["elsewhere"], "elsewhere")
gdb.execute("delete")
gdb.execute("continue")
if gdb.parse_and_eval("$_exitcode") != 0:
    gdb.execute("quit 1")
expect("info fibers", "The program is not being run")
print("live.py: all is as expected")
