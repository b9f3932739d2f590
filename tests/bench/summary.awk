# Medians of `workload system value unit` lines, and what they say about the targets. With
# `strict` set the exit code is 3 if one is missed.
# SPDX-License-Identifier: BSL-1.0

BEGIN { FS = OFS = "\t" }

{
    key = $1 OFS $2
    if (!(key in runs)) order[++keys] = key
    values[key, ++runs[key]] = $3 + 0
    unit[key] = $4
}

function median(list, count,    i, k, v) {
    for (i = 2; i <= count; ++i) {
        v = list[i]
        for (k = i; k > 1 && list[k - 1] > v; --k) list[k] = list[k - 1]
        list[k] = v
    }
    # Of an even number, the mean of the middle two.
    return (list[int((count + 1) / 2)] + list[int(count / 2) + 1]) / 2
}

# The value of that round; of several systems, separated by blanks, the least. Empty if
# one of them did not run then.
function value_of(workload, systems, round,    names, many, i, key, least) {
    many = split(systems, names, " ")
    for (i = 1; i <= many; ++i) {
        key = workload OFS names[i]
        if (!((key, round) in values)) return ""
        if (least == "" || values[key, round] < least) least = values[key, round]
    }
    return least
}

# Those of the systems that have run this.
function present(workload, systems,    names, many, i, found) {
    many = split(systems, names, " ")
    for (i = 1; i <= many; ++i) {
        if ((workload OFS names[i]) in runs) found = found (found ? " " : "") names[i]
    }
    return found
}

# Of the ratios of each round: its runs were neighbours in time, and whatever else the
# machine was doing it was doing to both. Of several systems above, the best counts.
function judge(workload, above, below, limit, bound,    a, b, i, count, ratio, good) {
    above = present(workload, above)
    if (above == "" || !((workload OFS below) in runs)) return
    count = runs[workload OFS below]
    for (i = 1; i <= count; ++i) {
        a = value_of(workload, above, i)
        b = value_of(workload, below, i)
        if (a == "" || b == "") return
        list[i] = a / b
    }
    ratio = median(list, count)
    good = limit == "at most" ? ratio <= bound : ratio >= bound
    if (above ~ / /) above = "best of " above
    if (!titled++) print "# median of the ratios", "measured", "target"
    print "# " workload ", " above " / " below, sprintf("%.3f", ratio), limit " " bound,
        good ? "ok" : "missed"
    if (!good) ++missed
}

# On one hub twice as fast as the best of the others; between two as fast as Go.
function judge_sync(    works, many, k, v, variants) {
    many = split("mutex_free mutex_2 mutex_8 queue_0 queue_64 queue_0_limit select_4 " \
                 "event_1000 gather_1000 imap_100", works, " ")
    for (k = 1; k <= many; ++k) {
        judge(works[k], "boost_fiber go", "tendril", "at least", 2)
        judge(works[k], "boost_fiber go", "tendril:channel", "at least", 2)
    }
    many = split("queue_0_apart queue_64_apart", works, " ")
    split("tendril tendril:channel", variants, " ")
    for (k = 1; k <= many; ++k) {
        for (v = 1; v <= 2; ++v) {
            judge(works[k], "go", variants[v], "at least", 1)
            judge(works[k], "go:locked", variants[v], "at least", 1)
        }
    }
}

END {
    for (k = 1; k <= keys; ++k) {
        key = order[k]
        for (i = 1; i <= runs[key]; ++i) list[i] = values[key, i]
        middle = median(list, runs[key])
        least[key] = list[1]
        most[key] = list[runs[key]]
        print key, sprintf(middle >= 1000 ? "%.0f" : "%.2f", middle), unit[key]
    }
    if (quick) {
        print "# a quick run: these numbers mean nothing"
        exit
    }
    print "# the range of the runs", "", "least", "most"
    for (k = 1; k <= keys; ++k) {
        key = order[k]
        print "# " key, least[key], most[key], unit[key]
    }
    judge("yield_2", "tendril", "jump_fcontext", "at most", 2)
    judge("yield_1000", "tendril", "jump_fcontext", "at most", 2)
    judge("yield_2", "boost_fiber", "tendril", "at least", 4)
    judge("yield_1000", "boost_fiber", "tendril", "at least", 4)
    judge("spawn_wait", "boost_fiber", "tendril", "at least", 4)
    judge("spawn_wait", "boost_fiber:dispatch", "tendril", "at least", 4)
    judge("yield_2", "tendril:watchdog", "tendril", "at most", 1.01)
    judge("queue_0", "boost_fiber", "tendril", "at least", 4)
    judge_sync()
    judge("echo_1", "tendril", "epoll", "at least", 0.9)
    judge("echo_100", "tendril", "epoll", "at least", 0.9)
    judge("echo_1000", "tendril", "epoll", "at least", 0.9)
    if (strict && missed) exit 3
}
