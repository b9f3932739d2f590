# fibers.py - what tendril-gdb.py has to tell about fibers.cpp at stop_here(), in a live
# process and in a core file. To be run by gdb; ends it if anything is wrong.
#
# SPDX-License-Identifier: BSL-1.0
import re

import gdb


def said(command):
    try:
        return gdb.execute(command, to_string=True)
    except gdb.error as error:
        return str(error)


def expect(command, *patterns):
    answer = said(command)
    for pattern in patterns:
        if not re.search(pattern, answer):
            print(f"'{command}' should have said: {pattern}\nbut was:\n{answer}")
            gdb.execute("quit 1")
    return answer


def expect_frame(command, *patterns):
    said(command)  # a change of frames is told to the terminal
    expect("frame", *patterns)


def ids():
    rows = re.findall(r"^\*? +(\d+) +\d+ +(?:fiber|main fiber|hub loop) +(\w+) ",
                      said("info fibers"), re.M)
    return {name: id for id, name in rows}


def check_fibers():
    expect("info fibers",
           r"\n\* +\d+ +1 +main fiber +running .*stop_here at fibers.cpp",
           r"\d +1 +hub loop +ready",
           r"\d +2 +main fiber +waits for hub::stop",
           r"\d +2 +fiber +elsewhere +waits for sleep +fibers.cpp:\d+ .*inner at",
           r"\d +1 +fiber +sleeper +waits for sleep +fibers.cpp:\d+ .*inner at",
           r"wanting +waits for mutex of fiber " + ids()["holder"],
           r"joining +waits for a fiber's end of fiber " + ids()["sleeper"],
           r"yielding +ready to go on .*yields_once at",
           r"unstarted +ready to start")

    nested = (r"tendril::sleep.*\n.*inner \(.*\n.*middle \(.*\n.*outer \("
              r"(.*\n)*.*first_frame [^\n]*\n$")
    own = said("bt")
    expect("fiber " + ids()["sleeper"], r"fiber \d+ 'sleeper': waits for sleep", "#1 ")
    if "stop_here" in expect("bt", nested):
        expect("bt", "only the frames of the fiber")
    expect("info fibers", r"\n\* +\d+ +1 +fiber +sleeper")
    level = re.search(r"#(\d+) .*inner \(", said("bt"))[1]
    expect_frame("frame " + level, r"inner \(")
    expect("info locals", "kept = 42")
    expect_frame("up", r"middle \(")
    expect_frame("down", r"inner \(")
    expect("print kept", "= 42")

    expect("fiber " + ids()["elsewhere"], "elsewhere")
    expect("bt", r"inner \(.*\n.*middle \(.*\n.*outer \(")
    expect("thread", "Current thread is 2")
    expect("fiber apply all bt", r"(?s)'sleeper'.*inner \(.*'holder'.*inner \(",
           r"(?s)'wanting'.*tendril::mutex::lock", r"(?s)'joining'.*join",
           r"(?s)main fiber \d+: running\n#0 +stop_here",
           r"'unstarted' has not started")
    expect("fiber apply {holder} 7 bt -3".format(**ids()), r"outer \(|first_frame",
           "There is no fiber 7")
    expect("fiber", "#0 ")
    expect_frame("thread 1", "stop_here")
    expect("fiber " + ids()["unstarted"], "has not started")
    expect("fiber 7", "There is no fiber 7")
    expect("fiber nonsense", "nonsense")
    expect("fiber 0", "#0 +stop_here")
    expect("show backtrace past-main", "off")
    if said("bt") != own:
        expect("bt", "what it did before")


check_fibers()
print("fibers.py: all is as expected")
