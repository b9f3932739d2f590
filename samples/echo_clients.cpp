// A thousand echo clients in one thread, with a live progress line and a verdict.
//
// usage: echo_clients HOST PORT [--connections N] [--messages N] [--size BYTES]
//                     [--server-pid PID]
//        echo_clients --once          (ten clients, against a server of its own)
//
// Exits with 0 only if every byte came back right. With the server's process id it also
// says what a connection costs the server.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
namespace net = tendril::net;

namespace {

struct plan {
    std::string host = "127.0.0.1";
    int port = 0;
    int connections = 1000;
    int messages = 100;
    int size = 64;       // bytes in a message
    int server_pid = 0;  // 0: this process
};

struct tally {
    std::vector<float> latencies;  // microseconds, one for each message
    std::size_t echoed = 0;
    int open = 0;
    int failed = 0;
    tendril::event<> all_done;  // connections stay open until then
};

// Sends its messages one after the other, and compares what comes back: each message is
// different, and so are its bytes, so that none is taken for another.
void converse(net::socket& s, const plan& p, int number, tally& t) {
    std::string sent(p.size, '\0'), got(p.size, '\0');
    for (int m = 0; m < p.messages; ++m) {
        std::iota(sent.begin(), sent.end(), static_cast<char>(number + 31 * m));
        const auto begin = tendril::clock::now();
        s.send_all(sent);
        for (std::size_t have = 0; have < got.size();) {
            const std::size_t n = s.recv(std::span(got).subspan(have));
            if (n == 0) throw std::runtime_error("the server hung up");
            have += n;
        }
        if (got != sent) throw std::runtime_error("the echo was not what was sent");
        const std::chrono::duration<float, std::micro> took =
            tendril::clock::now() - begin;
        t.latencies[t.echoed++] = took.count();
    }
}

void client(const plan& p, int number, tally& t, tendril::semaphore& finished) {
    net::socket s;
    try {
        s = net::connect(p.host, p.port, 30s);
        ++t.open;
        converse(s, p, number, t);
    } catch (const std::exception& e) {
        if (t.failed++ == 0) std::fprintf(stderr, "\n%s\n", e.what());
    }
    finished.release();
    t.all_done.wait();
}

// One line, rewritten ten times a second until somebody kills it.
void show_progress(const plan& p, const tally& t) {
    const double all = static_cast<double>(p.connections) * p.messages;
    for (;;) {
        std::printf("\r%d connections, %3.0f %% of %.0f messages echoed", t.open,
                    100 * static_cast<double>(t.echoed) / all, all);
        std::fflush(stdout);
        tendril::sleep(100ms);
    }
}

// KiB resident in a process, 0 if it cannot be known.
long resident(int pid) {
    const std::string who = pid == 0 ? "self" : std::to_string(pid);
    long pages = 0;
    if (std::FILE* const f = std::fopen(("/proc/" + who + "/statm").c_str(), "r")) {
        if (std::fscanf(f, "%*d %ld", &pages) != 1) pages = 0;
        std::fclose(f);
    }
    return pages * 4;
}

float percentile(std::vector<float>& sorted, double share) {
    if (sorted.empty()) return 0;
    return sorted[static_cast<std::size_t>(share * (double(sorted.size()) - 1))];
}

int drive(const plan& p) {
    tally t;
    t.latencies.resize(static_cast<std::size_t>(p.connections) * p.messages);
    const long before = resident(p.server_pid);
    const auto begin = tendril::clock::now();
    const auto progress = tendril::spawn([&] { show_progress(p, t); });
    tendril::semaphore finished(0);
    std::vector<tendril::fiber<>> clients;
    clients.reserve(static_cast<std::size_t>(p.connections));
    for (int i = 0; i < p.connections; ++i) {
        clients.push_back(tendril::spawn([&, i] { client(p, i, t, finished); }));
    }
    for (int i = 0; i < p.connections; ++i) finished.acquire();
    const std::chrono::duration<double> took = tendril::clock::now() - begin;
    const double memory = static_cast<double>(resident(p.server_pid) - before);
    t.all_done.send();
    for (const auto& c : clients) c.wait();
    progress.kill();

    t.latencies.resize(t.echoed);
    std::sort(t.latencies.begin(), t.latencies.end());
    std::printf("\r%-60s\n", "done");
    std::printf("connections            %d, %d failed\n", p.connections, t.failed);
    std::printf("messages per second    %.0f\n", double(t.echoed) / took.count());
    std::printf("latency, p50           %.0f us\n", percentile(t.latencies, 0.50));
    std::printf("latency, p99           %.0f us\n", percentile(t.latencies, 0.99));
    std::printf("memory per connection  %.1f KiB in the %s\n", memory / p.connections,
                p.server_pid == 0 ? "clients" : "server");
    std::printf("every byte came back   %s\n", t.failed == 0 ? "yes" : "NO");
    return t.failed == 0 ? 0 : 1;
}

// Ten clients against a server in this very process: they share the thread.
int drive_own_server(plan p) {
    net::listener server = net::listen("127.0.0.1", 0);
    p.port = server.local_address().port();
    p.connections = 10;
    return tendril::run([&] {
        tendril::spawn([&] {
            net::serve(std::move(server), [](net::socket s) {
                char buffer[4096];
                while (const std::size_t n = s.recv(buffer)) s.send_all({buffer, n});
            });
        });
        return drive(p);
    });
}

int usage(const char* name) {
    std::fprintf(stderr,
                 "usage: %s HOST PORT [--connections N] [--messages N] [--size BYTES]\n"
                 "          [--server-pid PID]\n"
                 "       %s --once\n",
                 name, name);
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    plan p;
    const std::vector<std::string_view> args(argv + 1, argv + argc);
    if (args.size() == 1 && args[0] == "--once") return drive_own_server(p);
    if (args.size() < 2 || args.size() % 2 != 0) return usage(argv[0]);
    p.host = args[0];
    try {
        p.port = net::address::parse("127.0.0.1:" + std::string(args[1])).port();
    } catch (const std::system_error& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return usage(argv[0]);
    }
    for (std::size_t i = 2; i < args.size(); i += 2) {
        const int value = std::atoi(argv[i + 2]);
        if (value <= 0) return usage(argv[0]);
        if (args[i] == "--connections") {
            p.connections = value;
        } else if (args[i] == "--messages") {
            p.messages = value;
        } else if (args[i] == "--size") {
            p.size = value;
        } else if (args[i] == "--server-pid") {
            p.server_pid = value;
        } else {
            return usage(argv[0]);
        }
    }
    try {
        return drive(p);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 1;
    }
}
