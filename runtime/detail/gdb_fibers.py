# gdb_fibers.py - fibers as gdb finds them in memory, and the selected one's frames.
#
# Nothing is written into the process, neither registers nor memory, so core files are
# as good. The frames of the selected fiber are shown as if they had called the
# innermost one of its thread, which backtraces leave out.
#
# gdb runs this in the same namespace as every other script, hence the long names.
#
# SPDX-License-Identifier: BSL-1.0
import contextlib
import os.path
import re

import gdb
import gdb.unwinder
from gdb.FrameDecorator import FrameDecorator

# -- what tendril keeps in memory

def tendril_type(name):
    try:
        return gdb.lookup_type("tendril::" + name)
    except gdb.error:
        raise gdb.GdbError(f"There is no debug information about tendril::{name}: "
                           "compile the program, or tendril, with -g.") from None

def tendril_word(enumerator):
    return str(enumerator).rpartition("::")[2]

def tendril_hooks(head):
    """Pointers to the hooks of an intrusive_list, which may be damaged."""
    seen = {int(head.address)}
    at = head["next"]
    while int(at) not in seen:
        seen.add(int(at))
        yield at
        at = at["next"]

class TendrilHub:
    def __init__(self, hub):
        self.scheduler = hub["scheduler_"]
        self.errno = int(self.scheduler["error_number"])
        self.thread = None

    def closed(self):
        byte = gdb.lookup_type("unsigned char").pointer()
        return self.scheduler["closing"].address.cast(byte).dereference() != 0

    def fibers(self):
        core = tendril_type("detail::fiber_core").pointer()
        for own in "main", "loop":
            yield TendrilFiber(self.scheduler[own], self)
        for line in "living", "departing":
            try:
                for hook in tendril_hooks(self.scheduler[line]["head_"]):
                    fiber = TendrilFiber(hook.cast(core).dereference(), self)
                    if fiber.id == 0:
                        raise gdb.MemoryError("Stacks are missing in the core file.")
                    yield fiber
            except gdb.MemoryError as error:
                print(f"There may be more fibers, which cannot be read: {error}")

def tendril_hubs():
    if not gdb.selected_thread():
        raise gdb.GdbError("The program is not being run.")
    try:
        hubs = gdb.parse_and_eval("&'tendril::(anonymous namespace)::all_hubs()::hubs'")
    except gdb.error:
        raise gdb.GdbError("There is no tendril in this program, or its symbols have "
                           "been stripped.") from None
    if gdb.selected_frame().architecture().name() != "i386:x86-64":
        raise gdb.GdbError("Only the stacks of x86-64 are known.")
    hub = tendril_type("hub")
    hook = tendril_type("detail::list_hook").pointer()
    offset = next(f.bitpos // 8 for f in hub.fields() if f.name == "in_process_")
    head = hubs.cast(hook.pointer()).dereference()  # the list begins what it points to
    found = [TendrilHub(gdb.Value(int(at) - offset).cast(hub.pointer()).dereference())
             for at in (tendril_hooks(head.dereference()) if head else ())]
    found = [hub for hub in found if not hub.closed()]
    tendril_find_threads(found)
    return found

def tendril_find_threads(hubs):
    # A hub knows where its thread's errno is: below the thread pointer, by as much in
    # all threads. gdb finds thread-local variables only with a library's help, which
    # core files of other machines do not have.
    pointers = {}
    with tendril_selection_kept():
        for thread in gdb.selected_inferior().threads():
            if not thread.is_running():
                thread.switch()
                pointers[int(gdb.newest_frame().read_register("fs_base"))] = thread
    distances = (p - hub.errno for p in pointers for hub in hubs if p > hub.errno)
    distance = min(distances, default=0)
    for hub in hubs:
        hub.thread = pointers.get(hub.errno + distance)

class TendrilFiber:
    KINDS = {"loop": "hub loop", "main": "main fiber", "spawned": "fiber",
             "greenlet": "greenlet"}

    # What jump_fcontext of Boost.Context saves, and where from the saved stack pointer.
    SAVED = {"r12": 0x10, "r13": 0x18, "r14": 0x20, "r15": 0x28, "rbx": 0x30,
             "rbp": 0x38, "rip": 0x40}
    SAVED_SIZE = 0x48

    def __init__(self, core, hub):
        self.core = core
        self.hub = hub
        self.id = int(core["id"])
        self.kind = self.KINDS.get(tendril_word(core["kind"]), "?")
        self.running = hub.scheduler["current"] == core.address
        self.state = tendril_word(core["state"])
        if self.state == "running" and not self.running:
            self.state = "ready"  # a hub's loop always is
        self.started = bool(core["started"])

    def name(self):
        if not self.core["extras"]:
            return ""
        try:
            name = self.core["extras"]["name"]
            return name["_M_dataplus"]["_M_p"].string(
                errors="replace", length=int(name["_M_string_length"]))
        except gdb.error:
            return "?"

    def title(self):
        name = self.name()
        return f"{self.kind} {self.id}" + (f" '{name}'" if name else "")

    def site(self):
        site = self.core["site"]
        line = int(site["line"])
        return f"{os.path.basename(site['file'].string())}:{line}" if line else ""

    def activity(self):
        """In the words of dump_fibers()."""
        if self.running:
            return "running"
        if self.state == "parked":
            waiter = self.core["waiting"].dereference()
            return f"waits for {waiter['what'].string()}{self.whom(waiter)}"
        return {"unstarted": "has not started", "suspended": "suspended by a switch",
                "ready": "ready to go on" if self.started else "ready to start",
                }.get(self.state, "has ended")

    def whom(self, waiter):
        # To call waiter.whom would run the program; its name tells the waiter's class.
        symbol = gdb.execute(f"info symbol {int(waiter['whom'])}", to_string=True)
        constructor = re.match(r"(.+::(\w+))::\2\(", symbol)
        if not constructor:
            return ""
        try:
            derived = gdb.lookup_type(constructor[1]).pointer()
            waiter = waiter.address.cast(derived).dereference()
            joins = any(field.name == "target" for field in waiter.type.fields())
            id = waiter["target"]["id"] if joins else waiter["m"]["owner_"]
            return f" of fiber {int(id)}" if id != 0 else ""
        except gdb.error:
            return ""

    def registers(self):
        sp = int(self.core["sp"])
        saved = gdb.selected_inferior().read_memory(sp, self.SAVED_SIZE).tobytes()
        registers = {register: int.from_bytes(saved[at:at + 8], "little")
                     for register, at in self.SAVED.items()}
        return {**registers, "rsp": sp + self.SAVED_SIZE}

# -- whose frames gdb shows

class TendrilNames(FrameDecorator):
    """Functions without the types of their parameters, as elsewhere in gdb."""

    def function(self):
        frame = self.inferior_frame()
        return frame.name() if frame.function() else super().function()

class TendrilSelection(gdb.unwinder.Unwinder):
    """The selected fiber: an unwinder that puts its frames behind the innermost one of
    its thread, and a frame filter that leaves out the latter."""

    class FrameId:
        def __init__(self, sp, pc):
            self.sp = sp
            self.pc = pc

    def __init__(self):
        super().__init__("tendril")
        self.priority = 100
        self.calling = False
        self.past_main = False
        self.clear()

    def clear(self):
        self.fiber = None
        self.enabled = False
        if self.past_main:
            self.past_main = False
            gdb.execute("set backtrace past-main off")
        gdb.invalidate_cached_frames()

    def set(self, fiber):
        """And selects its innermost frame, which is returned."""
        if not fiber.started:
            raise gdb.GdbError(f"No frames: {fiber.title()} has not started.")
        if fiber.running and not fiber.hub.thread:
            raise gdb.GdbError(f"The thread of {fiber.title()} is not known.")
        self.clear()
        if fiber.hub.thread:
            fiber.hub.thread.switch()
        if not fiber.running:
            self.inferior = gdb.selected_inferior().num
            self.place = self.place_of(gdb.newest_frame())
            self.registers = fiber.registers()
            self.fiber = fiber
            self.enabled = True
            gdb.invalidate_cached_frames()
        frame = self.innermost()
        if not frame and not gdb.parameter("backtrace past-main"):
            # The thread is in main(), where gdb ends.
            self.past_main = True
            gdb.execute("set backtrace past-main on")
            frame = self.innermost()
        if not frame:
            self.clear()
            raise gdb.GdbError(f"The stack of {fiber.title()} cannot be read.")
        frame.select()
        return frame

    def innermost(self):
        frame = gdb.newest_frame()
        while frame and self.hides(frame):
            frame = frame.older()
        return frame

    def place_of(self, frame):
        return int(frame.read_register("rsp")), int(frame.read_register("rip"))

    def hides(self, frame):
        """The innermost frame of the thread, or one inlined there."""
        return (self.enabled and gdb.selected_inferior().num == self.inferior and
                self.place_of(frame) == self.place)

    def __call__(self, pending):
        if not self.hides(pending):
            return None
        # Callers have to be higher in the stack, or gdb takes it for damaged.
        own = pending.read_register("rsp")
        below = gdb.Value(self.registers["rsp"] - 8).cast(own.type)
        unwound = pending.create_unwind_info(
            self.FrameId(below, pending.read_register("rip")))
        for register, value in self.registers.items():
            unwound.add_saved_register(
                register, gdb.Value(value).cast(pending.read_register(register).type))
        return unwound

    def filter(self, frames):
        return (TendrilNames(f) for f in frames if not self.hides(f.inferior_frame()))

@contextlib.contextmanager
def tendril_selection_kept():
    fiber, thread = tendril_selection.fiber, gdb.selected_thread()
    level = gdb.selected_frame().level()
    try:
        yield
    finally:
        tendril_selection.clear()
        if fiber:
            tendril_selection.set(fiber)
        thread.switch()
        frame = gdb.newest_frame()
        while frame.level() < level and frame.older():
            frame = frame.older()
        frame.select()
