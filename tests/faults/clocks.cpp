// clocks.cpp - sleeps and limits while the clocks show what nobody expects.
//
//     clocks wall           the wall clock, as this process reads it, is set ten years
//                           forwards and then back twenty while all wait
//     clocks uptime S       the machine has been up for S seconds: in a time namespace
//                           of its own; 77 (skipped) if that is not permitted
//
// Fails if a wait ends early, or a second late.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/runtime/watchdog.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <sched.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

using namespace std::chrono_literals;
using namespace tendril;
namespace net = tendril::net;

namespace {

constexpr auto year = 365 * 24h;

std::atomic<std::int64_t> wall_offset{0};  // seconds

void set_wall_clock(std::chrono::seconds from_truth) {
    wall_offset = from_truth.count();
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
    const long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
        now->tv_sec += wall_offset;
    }
    return static_cast<int>(result);
}

int gettimeofday(timeval* now, void* zone) noexcept {
    const long result = syscall(SYS_gettimeofday, now, zone);
    now->tv_sec += wall_offset;
    return static_cast<int>(result);
}

time_t time(time_t* now) noexcept {
    timespec t{};
    clock_gettime(CLOCK_REALTIME, &t);
    if (now != nullptr) *now = t.tv_sec;
    return t.tv_sec;
}

}  // extern "C"

namespace {

// How much later than asked for each wait ended, in milliseconds; less than 0: earlier.
class errors {
  public:
    template <class F>
    void of(duration asked, F wait) {
        const time_point begin = clock::now();
        wait();
        const std::chrono::duration<double, std::milli> late =
            clock::now() - begin - asked;
        least_ = std::min(least_, late.count());
        most_ = std::max(most_, late.count());
        ++count_;
    }

    bool tell(const char* of_what) const {
        std::printf("%s: %d waits, ended %.3f to %.3f ms late\n", of_what, count_,
                    least_, most_);
        return count_ > 0 && least_ >= 0 && most_ < 1'000;
    }

  private:
    double least_ = 1e300, most_ = -1e300;
    int count_ = 0;
};

// Sleeps and limits of 20 to 69 ms, and `disturb` 10 ms after they have begun.
bool sleep_well(const char* what, const std::function<void()>& disturb) {
    errors e;
    std::vector<fiber<>> all;
    for (auto d = 20ms; d < 70ms; ++d) {
        all.push_back(spawn([&e, d] { e.of(d, [&] { tendril::sleep(d); }); }));
        all.push_back(spawn([&e, d] {
            e.of(d, [&] { timeout::silent(d, [] { tendril::sleep(200 * year); }); });
        }));
    }
    hub::current().call_later(10ms, disturb);
    for (auto& f : all) f.wait();
    return e.tell(what);
}

// The same of waits for I/O.
bool wait_well(const char* what, const std::function<void()>& disturb) {
    errors e;
    net::listener port = net::listen("127.0.0.1", 0);
    net::socket client = net::connect(port.local_address());
    net::socket server = port.accept();
    port.set_accept_timeout(40ms);
    server.set_read_timeout(30ms);
    auto accepts = spawn([&] {
        std::error_code ec;
        e.of(40ms, [&] { port.accept(ec); });
    });
    auto reads = spawn([&] {
        std::error_code ec;
        std::array<char, 1> c{};
        e.of(30ms, [&] { server.recv(c, ec); });
    });
    hub::current().call_later(10ms, disturb);
    accepts.wait();
    reads.wait();
    return sleep_well(what, disturb) && e.tell(what);
}

// A fiber that blocks its hub until it has been told of, or for five seconds.
bool is_named_by_watchdog() {
    std::atomic<bool> told{false}, named{false};
    const watchdog dog({.limit = 20ms, .report = [&](const blockage& b) {
                            named = b.fiber != 0;
                            told = true;
                        }});
    spawn([&] {
        for (const time_point begin = clock::now(); !told;) {
            if (clock::now() - begin > 5s) return;
        }
    }).wait();
    return named;
}

bool move_wall_clock() {
    bool ok = true;
    for (const auto offset : {10 * year, -10 * year}) {
        set_wall_clock(offset);
        int named = 0;
        for (int i = 0; i < 10; ++i) named += is_named_by_watchdog() ? 1 : 0;
        std::printf("watchdog: named %d of 10\n", named);
        ok = ok && named == 10;
    }
    set_wall_clock(0s);
    for (const auto offset : {10 * year, -10 * year}) {
        const auto set = [&] { set_wall_clock(offset); };
        const auto before = std::chrono::system_clock::now();
        ok = sleep_well("sleeps", set) && ok;
        const auto moved = std::chrono::system_clock::now() - before;
        // It is what the C++ library reads, too.
        ok = ok && (offset > 0h ? moved > 9 * year : moved < -19 * year);
    }
    for (const auto offset : {10 * year, -10 * year}) {
        ok = wait_well("beside I/O", [&] { set_wall_clock(offset); }) && ok;
    }
    return ok;
}

bool in_old_machine(long seconds) {
    const auto up = clock::now().time_since_epoch();
    std::printf("up for %.0f s\n", std::chrono::duration<double>(up).count());
    bool ok = up >= std::chrono::seconds(seconds);
    std::vector<int> order;
    for (const int i : {3, 1, 2}) {
        hub::current().call_later(i * 1ms, [&order, i] { order.push_back(i); });
    }
    // Some of these would be past the end of what a clock can show.
    std::vector<fiber<>> longest;
    for (const auto d : {1 * year, 100 * year, 200 * year, 290 * year}) {
        longest.push_back(spawn([d] { tendril::sleep(d); }));
    }
    ok = sleep_well("sleeps", [] {}) && ok;
    ok = wait_well("beside I/O", [] {}) && ok;
    for (auto& f : longest) {
        ok = ok && !f.done();
        f.kill();
    }
    return ok && order == std::vector{1, 2, 3};
}

int uptime(long seconds) {
    constexpr int skipped = 77;
    if (unshare(CLONE_NEWTIME) != 0) return skipped;
    {
        std::ofstream offsets("/proc/self/timens_offsets");
        offsets << "monotonic " << seconds << " 0\nboottime " << seconds << " 0\n";
        offsets.flush();
        if (!offsets) return skipped;
    }
    std::fflush(stdout);
    // The children are in it.
    const pid_t child = fork();
    if (child == 0) std::exit(in_old_machine(seconds) ? 0 : 1);
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view what = argc > 1 ? argv[1] : "";
    if (what == "wall") return move_wall_clock() ? 0 : 1;
    if (what == "uptime" && argc > 2) return uptime(std::atol(argv[2]));
    return 2;
}
