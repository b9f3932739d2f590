# tendril-gdb.py - fibers in gdb: who they are, where they stand, and their stacks.
#
#     info fibers                 all fibers of all threads; * marks the selected one
#     fiber ID                    selects a fiber: bt, up, info locals are about it
#     fiber                       back to the thread's own frames; so is fiber 0
#     fiber apply all COMMAND     what `thread apply` is to threads
#     fiber apply ID... COMMAND
#
# For x86-64 and gdb 12 or later, on live processes and core files. Programs carry this
# text with them. gdb loads it from those that it trusts; for that, in its gdbinit:
#
#     add-auto-load-safe-path /folder/of/the/program
#
# `source tendril-gdb.py` works always; detail/gdb_fibers.py has to be beside it.
#
# The frames of a fiber are counted from 1, or more: those below are the thread's. The
# selection ends when the program goes on. `step`, `next` and `finish` move the thread
# that was interrupted, not the fiber; `return` is not for fibers.
#
# gdb's own generate-core-file cannot read beyond a guard of the newer kind: start the
# program with TENDRIL_STACK_GUARDS=mprotect. The system's core files have all stacks.
#
# SPDX-License-Identifier: BSL-1.0
import os.path
import re

import gdb

# In a program that stands before this; as a file, beside it. Not by __file__, which is
# another's if that one runs this.
tendril_script = (lambda: None).__code__.co_filename
if not tendril_script.startswith("<"):
    tendril_folder = os.path.dirname(os.path.abspath(tendril_script))
    gdb.execute("source " + os.path.join(tendril_folder, "detail/gdb_fibers.py"))

class TendrilCommand(gdb.Command):
    def invoke(self, argument, from_tty):
        try:
            self.run(argument.strip())
        except (gdb.MemoryError, UnicodeDecodeError) as error:
            raise gdb.GdbError(f"Tendril's data cannot be read: {error}") from None
        except gdb.error as error:
            raise gdb.GdbError(str(error)) from None

class TendrilInfoFibers(TendrilCommand):
    """All fibers of all threads: what they do, where they were made, where they are.
The latter is the innermost function that is neither tendril's nor of a library."""

    def run(self, _):
        rows = [("", "Id", "Thread", "Kind", "Name", "State", "Made at", "Frame")]
        rows += [self.row(fiber) for hub in tendril_hubs() for fiber in hub.fibers()]
        if len(rows) == 1:
            raise gdb.GdbError("No fibers: no thread has used tendril yet, or all that "
                               "did have ended.")
        widths = [max(map(len, column)) for column in zip(*rows)]
        for row in rows:
            print(" ".join(map(str.ljust, row, widths)).rstrip())

    def row(self, fiber):
        thread = fiber.hub.thread
        selected = tendril_selection.fiber
        marked = (fiber.id == selected.id if selected else
                  fiber.running and thread and thread.num == gdb.selected_thread().num)
        with tendril_selection_kept():
            try:
                where = self.where(tendril_selection.set(fiber), fiber.running)
            except gdb.GdbError:
                where = ""
            except gdb.error as error:
                where = f"<{error}>"
        return ("*" if marked else "", str(fiber.id),
                str(thread.num) if thread else "?", fiber.kind, fiber.name(),
                fiber.activity(), fiber.site(), where)

    def where(self, innermost, running):
        frame = innermost
        libraries = (r"(tendril|std|boost)::|_Z|$", "tendril::detail")
        for passed in () if running else libraries:
            frame = innermost
            while frame and re.match(passed, frame.name() or ""):
                frame = frame.older()
            if frame:
                break
        frame = frame or innermost
        symtab, line = frame.find_sal().symtab, frame.find_sal().line
        return (frame.name() or "??") + (
            f" at {os.path.basename(symtab.filename)}:{line}" if symtab else "")

class TendrilSelectFiber(TendrilCommand):
    """Select a fiber by its number, for bt, up, down, info locals.
Without a number, or with 0, select the thread's own frames again."""

    def run(self, argument):
        wanted = int(gdb.parse_and_eval(argument)) if argument else 0
        if wanted == 0:
            tendril_selection.clear()
            gdb.newest_frame().select()
        else:
            fibers = (f for hub in tendril_hubs() for f in hub.fibers())
            fiber = next((f for f in fibers if f.id == wanted), None)
            if not fiber:
                raise gdb.GdbError(f"There is no fiber {wanted}; see `info fibers`.")
            tendril_selection.set(fiber)
            print(f"[{fiber.title()}: {fiber.activity()}]")
        gdb.execute("frame")

class TendrilApply(TendrilCommand):
    """Run a command on some fibers, or on all.
Usage: fiber apply all COMMAND
       fiber apply ID... COMMAND"""

    def run(self, argument):
        usage = re.fullmatch(r"(all|\d+(?:\s+\d+)*)\s+(\D.*)", argument)
        if not usage:
            raise gdb.GdbError("Usage: fiber apply all COMMAND, or "
                               "fiber apply ID... COMMAND")
        fibers = {f.id: f for hub in tendril_hubs() for f in hub.fibers()}
        wanted = fibers if usage[1] == "all" else map(int, usage[1].split())
        with tendril_selection_kept():
            for id in wanted:
                self.apply(fibers.get(id), id, usage[2])

    def apply(self, fiber, id, command):
        print(f"\n{fiber.title()}: {fiber.activity()}" if fiber else
              f"\nThere is no fiber {id}.")
        try:
            if fiber:
                tendril_selection.set(fiber)
                gdb.execute(command)
        except (gdb.error, gdb.GdbError) as error:
            print(error)

def tendril_goes_on(_):
    # A function that gdb calls runs on the thread's own stack, and the fiber stays.
    if not tendril_selection.calling:
        tendril_selection.clear()

def tendril_calls(event):
    tendril_selection.calling = isinstance(event, gdb.InferiorCallPreEvent)

tendril_selection = TendrilSelection()
gdb.unwinder.register_unwinder(None, tendril_selection, replace=True)
gdb.frame_filters["tendril"] = tendril_selection
gdb.events.cont.connect(tendril_goes_on)
gdb.events.exited.connect(tendril_goes_on)
gdb.events.inferior_call.connect(tendril_calls)
TendrilInfoFibers("info fibers", gdb.COMMAND_STATUS)
TendrilSelectFiber("fiber", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)
TendrilApply("fiber apply", gdb.COMMAND_STACK)
