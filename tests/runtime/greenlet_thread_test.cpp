// greenlet_thread_test.cpp - greenlets stay on their thread; handles go anywhere.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/test/virtual_time.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

void to_parent() {
    greenlet<>::current().parent().switch_to();
}

// A thread that has made a greenlet, holds no handle to it, and ends when told to.
class owner_thread {
  public:
    explicit owner_thread(std::function<greenlet<>()> make)
        : thread_([this, make = std::move(make)] {
              made_.set_value(make());
              leave_.get_future().wait();
          }) {}

    ~owner_thread() { end(); }

    greenlet<> take() { return made_.get_future().get(); }

    void end() {
        if (!thread_.joinable()) return;
        leave_.set_value();
        thread_.join();
    }

  private:
    std::promise<greenlet<>> made_;
    std::promise<void> leave_;
    std::thread thread_;
};

}  // namespace

TEST_SUITE_BEGIN("runtime/greenlet threads");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "ten threads play ping-pong, each with its own main") {
    std::array<std::string, 10> orders;
    std::vector<std::thread> threads;
    for (std::string& order : orders) {
        threads.emplace_back([&order] {
            greenlet<> child([&] {
                order += '1';
                to_parent();
                order += '3';
            });
            order += '0';
            child.switch_to();
            order += '2';
            child.switch_to();
            order += '4';
        });
    }
    for (auto& t : threads) t.join();
    for (const std::string& order : orders) CHECK(order == "01234");
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "another thread's greenlet cannot be switched to") {
    owner_thread other([] {
        greenlet<> g(to_parent);
        g.switch_to();
        return g;
    });
    greenlet<> g = other.take();
    try {
        g.switch_to();
        FAIL("switched to another thread");
    } catch (const fiber_error& e) {
        CHECK(e.code() == errc::wrong_thread);
        const std::string text = e.what();
        CHECK(text.find("cannot switch to greenlet " + std::to_string(g.id())) == 0);
        CHECK(text.find("belongs to another thread, from main fiber") !=
              std::string::npos);
    }
    CHECK(errc_of([&] { g.throw_in(std::runtime_error("no")); }) == errc::wrong_thread);
    CHECK(errc_of([&] { g.set_parent(greenlet<>::current()); }) == errc::wrong_thread);
    CHECK(!g.dead());
    other.end();
    CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "greenlets of an ended thread are dead, and say why") {
    std::string unwound;
    owner_thread other([&] {
        greenlet<> g([&] {
            try {
                to_parent();
            } catch (const greenlet_exit&) {
                unwound = "yes";
                throw;
            }
        });
        g.switch_to();
        return g;
    });
    greenlet<> g = other.take();
    CHECK(unwound.empty());
    other.end();
    CHECK(unwound == "yes");
    CHECK(g.dead());
    CHECK(!g);
    CHECK(g.repr().find("(thread exited) dead") != std::string::npos);
    CHECK(errc_of([&] { g.switch_to(); }) == errc::thread_exited);
    CHECK(errc_of([&] { g.throw_in(std::runtime_error("no")); }) ==
          errc::thread_exited);
    CHECK(errc_of([&] { g.throw_in(); }) == errc::thread_exited);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "the main greenlet of an ended thread is dead") {
    owner_thread other([] { return greenlet<>::current(); });
    greenlet<> main = other.take();
    CHECK(!main.dead());
    CHECK(main != greenlet<>::current());
    CHECK(errc_of([&] { main.switch_to(); }) == errc::wrong_thread);
    other.end();
    CHECK(main.dead());
    CHECK(!main);
    CHECK(main.repr().find("(thread exited) dead") != std::string::npos);
    CHECK(errc_of([&] { main.switch_to(); }) == errc::thread_exited);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "current() of an ended thread's main is a safe handle too") {
    any_fiber main;
    std::thread([&] { main = tendril::current(); }).join();
    CHECK(main.done());
    main.kill();
    main.join();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "the loop of an ended thread's hub is a safe handle too") {
    greenlet<> loop, child;
    std::thread([&] {
        hub::current().call_soon([&] {
            loop = greenlet<>::current();
            child = greenlet<>([] {});
        });
        tendril::yield();
    }).join();
    CHECK(child.parent() == loop);
    CHECK(loop.dead());
    CHECK(errc_of([&] { loop.switch_to(); }) == errc::thread_exited);
    child = {};
    CHECK(loop.repr().find("hub loop ") == 0);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an unstarted greenlet of an ended thread never runs") {
    bool ran = false;
    auto token = std::make_shared<int>(0);
    owner_thread other([&ran, token]() mutable {
        return greenlet<>([&ran, token = std::move(token)] { ran = true; });
    });
    greenlet<> g = other.take();
    other.end();
    CHECK(g.dead());
    CHECK(errc_of([&] { g.switch_to(); }) == errc::thread_exited);
    g = {};
    CHECK(!ran);
    CHECK(token.use_count() == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "dropped on another thread, it ends when its own gets to it") {
    virtual_time time;
    std::optional<std::thread::id> unwound_on;
    greenlet<> g([&] {
        try {
            to_parent();
        } catch (const greenlet_exit&) {
            unwound_on = std::this_thread::get_id();
            throw;
        }
    });
    g.switch_to();
    std::thread([last = std::move(g)]() mutable { last = {}; }).join();
    CHECK(!unwound_on);
    tendril::sleep(1s);
    CHECK(unwound_on == std::this_thread::get_id());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "handles dropped after their thread's end free what is left") {
    std::vector<greenlet_ref> handles;
    std::thread([&] {
        for (int i = 0; i < 10; ++i) {
            greenlet<> g(to_parent);
            if (i % 2 == 0) g.switch_to();
            handles.push_back(g);
            greenlet<> child([] {}, g);
            handles.push_back(child);
        }
        handles.push_back(greenlet<>::current());
    }).join();
    for (const greenlet_ref& h : handles) CHECK(h.dead());
    // Some here, some on a third thread: whoever is last frees the hub's memory.
    std::vector<greenlet_ref> half(handles.begin(), handles.begin() + 10);
    handles.erase(handles.begin(), handles.begin() + 10);
    std::thread third([half = std::move(half)]() mutable { half.clear(); });
    handles.clear();
    third.join();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a started child cannot have a parent on another thread") {
    owner_thread other([] { return greenlet<>([] {}); });
    const greenlet<> foreign = other.take();
    greenlet<> started(to_parent);
    started.switch_to();
    CHECK(errc_of([&] { started.set_parent(foreign); }) == errc::wrong_thread);
    CHECK(started.parent() == greenlet<>::current());
    // An unstarted one may; then it cannot start.
    bool ran = false;
    greenlet<> unstarted([&] { ran = true; });
    unstarted.set_parent(foreign);
    CHECK(unstarted.parent() == foreign);
    CHECK(errc_of([&] { unstarted.switch_to(); }) == errc::wrong_thread);
    CHECK(errc_of([&] { unstarted.throw_in(); }) == errc::wrong_thread);
    CHECK(!ran);
    greenlet<> made_so([&] { ran = true; }, foreign);
    CHECK(errc_of([&] { made_so.switch_to(); }) == errc::wrong_thread);
    other.end();
    CHECK(errc_of([&] { made_so.switch_to(); }) == errc::thread_exited);
    // Back on this thread it can.
    unstarted.set_parent(greenlet<>::current());
    unstarted.switch_to();
    CHECK(ran);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "an unstarted child of another thread's main outlives it") {
    owner_thread other([] { return greenlet<>::current(); });
    greenlet<> child([] {}, other.take());
    other.end();
    CHECK(child.parent().dead());
    CHECK(errc_of([&] { child.switch_to(); }) == errc::thread_exited);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "sixteen threads racing for each other's only get the error") {
    constexpr int count = 16;
    std::array<greenlet<>, count> shared;
    std::atomic<int> ready{0}, refused{0}, other{0}, finished{0};
    static fiber_local<int> local;
    auto wait_for_all = [](std::atomic<int>& counter) {
        ++counter;
        while (counter < count) std::this_thread::yield();
    };
    auto run = [&](int me) {
        shared[me] = greenlet<>([] {
            for (;;) {
                local.get() += 1;
                to_parent();
            }
        });
        wait_for_all(ready);
        for (int i = 0; i < count; ++i) {
            greenlet<> g = shared[(me + i) % count];
            const auto code = errc_of([&] { g.switch_to(); });
            if (i == 0 && !code) continue;
            ++(i != 0 && code == errc::wrong_thread ? refused : other);
        }
        wait_for_all(finished);
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(run, i);
    for (auto& t : threads) t.join();
    CHECK(refused == count * (count - 1));
    CHECK(other == 0);
    for (const auto& g : shared) CHECK(g.dead());
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a thread ends with greenlets that park while they unwind") {
    int unwound = 0;
    std::thread([&] {
        std::vector<greenlet<>> many;
        for (int i = 0; i < 50; ++i) {
            many.emplace_back([&] {
                try {
                    to_parent();
                } catch (const greenlet_exit&) {
                    tendril::yield();
                    ++unwound;
                    throw;
                }
            });
            many.back().switch_to();
        }
        many.resize(25);
        CHECK(unwound == 25);
        static thread_local std::vector<greenlet<>> kept;
        kept = std::move(many);
    }).join();
    CHECK(unwound == 50);
}

TEST_SUITE_END();
