// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/scheduler.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/park.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/test/bounded_wait.hpp>
#include <tendril/test/leak_check.hpp>
#include <tendril/test/seeded.hpp>
#include <tendril/test/virtual_time.hpp>

#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace tendril::test {

seeded::seeded(std::uint64_t seed, unsigned faults_per_thousand)
    : seed_(seed),
      faults_per_thousand_(faults_per_thousand),
      before_(detail::current_scheduler().chance),
      state_(seed),
      hash_(no_events),
      first_id_(detail::this_scheduler->next_id) {
    detail::this_scheduler->chance = this;
    // A turn of the hub that begins here, so that where the last one was has no say.
    detail::this_scheduler->budget = 0;
    detail::this_scheduler->chances = 0;
    detail::let_others_run();
    state_ = seed;
    hash_ = no_events;
}

seeded::~seeded() {
    detail::this_scheduler->chance = before_;
    detail::this_scheduler->chances = 0;
}

bool seeded::has_faults() noexcept {
    return detail::fault_points;
}

// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
// 2014).
std::uint64_t seeded::random() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
}

// FNV-1a, by words.
void seeded::note(std::uint64_t event) noexcept {
    hash_ = (hash_ ^ event) * 1099511628211U;
}

detail::runnable& seeded::next(detail::ready_queue& ready) {
    candidates_.clear();
    bool callbacks = false;
    ready.for_each([&](detail::runnable& r) {
        const bool is_callback = r.call != nullptr;
        if (!is_callback || !std::exchange(callbacks, true)) candidates_.push_back(&r);
    });
    detail::runnable& chosen = *candidates_[random() % candidates_.size()];
    ready.take(chosen);
    const std::uint64_t id =
        chosen.call == nullptr ? static_cast<detail::fiber_core&>(chosen).id : 0;
    // By their order of birth, which is the same in each run; fibers that were there
    // before are all one.
    note(id > first_id_ ? id - first_id_ + 1 : id != 0 ? 1 : 0);
    return chosen;
}

bool seeded::happens(detail::fault what) {
    const bool does = random() % 1000 < faults_per_thousand_;
    if (!does) return false;
    note(~static_cast<std::uint64_t>(what));
    faults_.count(what);
    return true;
}

std::size_t seeded::pick(std::size_t many) {
    const auto picked = static_cast<std::size_t>(random() % many);
    note(picked);
    return picked;
}

namespace {

// What is wrong with one run; empty if nothing.
std::string run_once(std::uint64_t seed,
                     const std::function<void()>& scenario,
                     fault_counts& faults) {
    const leak_check begin;
    try {
        virtual_time time;
        const seeded order(seed);

        struct add_up {
            const seeded& order;
            fault_counts& faults;

            ~add_up() { faults += order.faults(); }
        } const at_end{order, faults};

        auto f = spawn(scenario);
        if (std::string late = bounded_wait(f); !late.empty()) return "it was " + late;
        f.wait();
        f = {};
        // Fibers that were cancelled go when it is their turn.
        for (int turn = 0; turn < 2 && !begin.leaks().empty(); ++turn) {
            detail::let_others_run();
        }
    } catch (const std::exception& e) {
        return e.what();
    } catch (...) {
        return detail::describe(std::current_exception());
    }
    const std::string left = begin.leaks();
    return left.empty() ? left : "left behind: " + left;
}

}  // namespace

exploration explore(std::uint64_t first,
                    std::uint64_t count,
                    const std::function<void()>& scenario) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes it
    if (const char* const only = std::getenv("TENDRIL_SEED")) {
        first = std::stoull(only);
        count = 1;
    }
    exploration done;
    for (std::uint64_t seed = first; done.seeds < count; ++seed) {
        ++done.seeds;
        const std::string wrong = run_once(seed, scenario, done.faults);
        if (wrong.empty()) continue;
        done.failed = seed;
        done.what = "seed " + std::to_string(seed) + ": " + wrong;
        break;
    }
    return done;
}

}  // namespace tendril::test
