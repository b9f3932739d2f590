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

# Of the ratios of each round: its runs were neighbours in time, and whatever else the
# machine was doing it was doing to both.
function judge(workload, above, below, limit, bound,    a, b, i, count, ratio, good) {
    a = workload OFS above
    b = workload OFS below
    if (!(a in runs) || runs[a] != runs[b]) return
    count = runs[a]
    for (i = 1; i <= count; ++i) list[i] = values[a, i] / values[b, i]
    ratio = median(list, count)
    good = limit == "at most" ? ratio <= bound : ratio >= bound
    if (!titled++) print "# median of the ratios", "measured", "target"
    print "# " workload ", " above " / " below, sprintf("%.3f", ratio), limit " " bound,
        good ? "ok" : "missed"
    if (!good) ++missed
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
    judge("queue_0", "boost_fiber", "tendril", "at least", 4)
    judge("queue_64", "boost_fiber", "tendril", "at least", 1)
    judge("yield_2", "tendril:watchdog", "tendril", "at most", 1.01)
    judge("echo_1", "tendril", "epoll", "at least", 0.9)
    judge("echo_100", "tendril", "epoll", "at least", 0.9)
    judge("echo_1000", "tendril", "epoll", "at least", 0.9)
    if (strict && missed) exit 3
}
