// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/backtrace.hpp>
#include <tendril/runtime/detail/extras.hpp>
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/dump.hpp>
#include <tendril/runtime/park.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <ostream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace tendril {
namespace {

using detail::fiber_core;
using detail::fiber_state;

std::string made_at(const fiber_core& core) {
    if (core.site.line == 0) return "";
    return std::string(" (made at ") + core.site.file + ":" +
           std::to_string(core.site.line) + ")";
}

// What it does, the same text for all that do the same.
std::string activity(const fiber_core& core) {
    switch (core.state) {
        case fiber_state::unstarted:
            return "has not started";
        case fiber_state::ready:
            return core.started ? "ready to go on" : "ready to start";
        case fiber_state::running:
            return "running";
        case fiber_state::parked:
            return std::string("waits for ") + core.waiting->what + whom(*core.waiting);
        case fiber_state::suspended:
            return "suspended by a switch";
        case fiber_state::done:
            break;
    }
    return "has ended";
}

// Those that are alike.
struct group {
    std::vector<const fiber_core*> members;
    std::size_t most_stack = 0;  // bytes
    time_point since = never;    // the longest wait
    std::vector<void*> frames;
};

using likeness = std::tuple<std::string,          // its name
                            std::string,          // where it was made
                            std::string,          // what it does
                            std::size_t,          // stack size
                            std::vector<void*>>;  // where

std::string waited_for(const group& g, time_point now) {
    if (g.since == never) return "";
    const std::chrono::duration<double> waited = now - g.since;
    char seconds[32];
    std::snprintf(seconds, sizeof seconds, "%.3f", std::max(waited.count(), 0.0));
    return std::string(", for ") + seconds + " s" +
           (g.members.size() > 1 ? " at most" : "");
}

std::string first_ids(const group& g) {
    constexpr std::size_t enough = 8;
    std::string ids;
    for (std::size_t i = 0; i < std::min(g.members.size(), enough); ++i) {
        ids += (i == 0 ? "" : ", ") + std::to_string(g.members[i]->id);
    }
    return ids + (g.members.size() > enough ? ", ..." : "");
}

void tell(std::ostream& out, const likeness& like, const group& g, time_point now) {
    const auto& [name, place, does, size, frames] = like;
    const bool alone = g.members.size() == 1;
    if (alone) {
        out << describe(*g.members.front());
    } else {
        out << g.members.size() << " fibers" << (name.empty() ? "" : " '" + name + "'")
            << place;
    }
    out << ": " << does << waited_for(g, now) << "\n";
    if (!alone) out << "    fibers " << first_ids(g) << "\n";
    if (size > 0) {
        out << "    stack: at most " << g.most_stack / 1024 << " KiB of " << size / 1024
            << " KiB used\n";
    }
    int number = 0;
    for (void* const frame : frames) {
        out << "    #" << number++ << " " << detail::describe_frame(frame) << "\n";
    }
}

}  // namespace

void dump_fibers(std::ostream& out) {
    detail::scheduler& s = detail::current_scheduler();
    std::vector<fiber_core*> all{&s.main};
    s.living.for_each([&](detail::fiber_core& core) { all.push_back(&core); });
    s.departing.for_each([&](detail::fiber_core& core) { all.push_back(&core); });

    std::map<likeness, group> groups;
    std::vector<std::map<likeness, group>::iterator> in_order;
    for (fiber_core* const core : all) {
        likeness like{core->extras ? core->extras->name : std::string(), made_at(*core),
                      activity(*core), core->memory.size, detail::backtrace_of(*core)};
        const auto [at, is_new] = groups.try_emplace(std::move(like));
        if (is_new) in_order.push_back(at);
        group& g = at->second;
        g.members.push_back(core);
        if (core->memory.size > 0) {
            g.most_stack = std::max(g.most_stack, resident_part(core->memory));
        }
        if (core->state == fiber_state::parked)
            g.since = std::min(g.since, core->since);
    }

    out << "hub " << (s.main.id >> detail::hub_shift) << ": " << all.size()
        << " fibers\n";
    for (const auto& at : in_order) tell(out, at->first, at->second, clock::now());
    out.flush();
}

}  // namespace tendril
