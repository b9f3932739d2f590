// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/dag_pool.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;
using test::errc_of;
using test::virtual_time;

namespace {

using dag = dag_pool<std::string, int>;
using keys = std::vector<std::string>;

int sum(const std::string& /*key*/, const dag::results& needed) {
    int total = 1;
    for (const auto& [key, value] : needed) total += value;
    return total;
}

int hang(const std::string& /*key*/, const dag::results& /*needed*/) {
    sleep(forever);
    return 0;
}

int fail(const std::string& key, const dag::results& /*needed*/) {
    throw std::runtime_error("no " + key);
}

// "key value, key value, "
std::string each(dag& d) {
    std::string seen;
    for (const auto& [key, value] : d.wait_each()) {
        seen += key + ' ' + std::to_string(value) + ", ";
    }
    return seen;
}

}  // namespace

TEST_SUITE_BEGIN("sync/dag_pool");

TEST_CASE_FIXTURE(clean_end, "a function runs when all that it needs has values") {
    dag d({{"a", 1}});
    std::string ran;
    d.spawn("c", {"a", "b"}, [&](const std::string& key, const dag::results& needed) {
        ran = key;
        return needed.at("a") + needed.at("b");
    });
    yield();
    CHECK(ran == "");
    CHECK(d.poll("c") == nullptr);
    d.post("b", 2);
    CHECK(d.wait("c") == 3);
    CHECK(ran == "c");
    CHECK(*d.poll("c") == 3);
}

TEST_CASE_FIXTURE(clean_end, "the order of the spawns does not matter") {
    dag d;
    d.spawn_many({{"d", {"b", "c"}}, {"b", {"a"}}, {"c", {"a"}}, {"a", {}}}, sum);
    CHECK(d.wait("d") == 5);
    const auto all = d.wait_all();
    CHECK(all.size() == 4);
    CHECK(all.at("a") == 1);
    CHECK(all.at("c") == 2);
}

TEST_CASE_FIXTURE(clean_end, "what has its value does not make anybody wait") {
    dag d({{"a", 1}});
    d.post("b", 2);
    bool other_ran = false;
    const auto other = spawn([&] { other_ran = true; });
    CHECK(d.wait("a") == 1);
    CHECK(d.wait("b") == 2);
    CHECK(d.wait_all().size() == 2);
    CHECK(each(d) == "a 1, b 2, ");
    CHECK_FALSE(other_ran);
    other.wait();
}

TEST_CASE_FIXTURE(clean_end, "values come in the order in which they are had") {
    virtual_time time;
    dag d({{"z", 0}});
    const auto slow = [](int seconds) {
        return [seconds](const std::string&, const dag::results&) {
            sleep(std::chrono::seconds(seconds));
            return seconds;
        };
    };
    d.spawn("a", {}, slow(3));
    d.spawn("b", {}, slow(1));
    d.spawn("c", {"b"}, slow(1));
    CHECK(each(d) == "z 0, b 1, c 1, a 3, ");
    CHECK(d.keys() == keys{"a", "b", "c", "z"});
}

TEST_CASE_FIXTURE(clean_end, "a key is given a value once") {
    dag d({{"a", 1}});
    CHECK(errc_of([&] { d.post("a", 2); }) == errc::already_set);
    CHECK(errc_of([&] { d.spawn("a", {}, sum); }) == errc::already_set);
    CHECK(d.wait("a") == 1);
    d.post("a", 2, true);
    CHECK(d.wait("a") == 2);
    d.spawn("b", {}, sum);
    CHECK(errc_of([&] { d.spawn("b", {}, sum); }) == errc::already_set);
    CHECK(errc_of([&] { d.post("b", 5); }) == errc::already_set);
    CHECK(errc_of([&] { d.post("b", 5, true); }) == errc::already_set);
    CHECK(d.wait("b") == 1);
}

TEST_CASE_FIXTURE(clean_end, "its own post beats what a function returns or throws") {
    dag d;
    std::optional<errc> again;
    d.spawn("a", {}, [&](const std::string& key, const dag::results&) {
        d.post(key, 5);
        yield();
        again = errc_of([&] { d.post(key, 6); });
        return 7;
    });
    d.spawn("b", {}, [&](const std::string& key, const dag::results&) -> int {
        d.post(key, 8);
        throw std::runtime_error("after that");
    });
    CHECK(d.wait("a") == 5);
    CHECK(d.running_keys() == keys{"a"});
    d.wait_all();
    CHECK(again == errc::already_set);
    CHECK(d.wait("a") == 5);
    CHECK(d.wait("b") == 8);
}

TEST_CASE_FIXTURE(clean_end,
                  "an error names the keys from the one asked for to its own") {
    dag d({{"x", 1}});
    d.spawn("c", {"x", "b"}, sum);
    d.spawn("b", {"a"}, sum);
    d.spawn("a", {"x"}, fail);
    keys chain;
    std::string what, cause;
    try {
        d.wait("c");
    } catch (const propagated_error<std::string>& e) {
        chain = e.keys();
        what = e.what();
        cause = detail::describe(e.cause());
    }
    CHECK(chain == keys{"c", "b", "a"});
    CHECK(what == "the value of c: that of b: that of a: std::runtime_error: no a");
    CHECK(cause == "std::runtime_error: no a");
    CHECK_THROWS_AS(d.wait("a"), propagated_error<std::string>);
    CHECK_THROWS_AS(d.poll("b"), propagated_error<std::string>);
    CHECK_THROWS_AS(d.wait_all(), propagated_error<std::string>);
    CHECK(d.keys() == keys{"a", "b", "c", "x"});
}

TEST_CASE_FIXTURE(clean_end, "an error is not held up by what has no value yet") {
    const virtual_time from_here;
    const time_point begin = hub::current().now();
    dag d;
    d.spawn("bad", {}, fail);
    yield();
    d.spawn("at once", {"never", "bad"}, sum);
    d.spawn("on", {"at once", "never", "value"}, sum);
    d.spawn("late", {}, [](const auto& key, const auto& needed) {
        sleep(1s);
        return fail(key, needed);
    });
    d.spawn("then", {"value", "never", "late", "never"}, sum);
    d.post("value", 1);
    CHECK_THROWS_WITH_AS(
        d.wait("on"),
        "the value of on: that of at once: that of bad: std::runtime_error: no bad",
        propagated_error<std::string>);
    CHECK(hub::current().now() == begin);
    CHECK_THROWS_WITH_AS(d.wait("then"),
                         "the value of then: that of late: std::runtime_error: no late",
                         propagated_error<std::string>);
    CHECK(hub::current().now() - begin == 1s);
    CHECK(d.running() == 0);
    // Who was killed while it waited is looked for no more.
    d.spawn("killed", {"never", "other"}, sum);
    yield();
    d.kill("killed");
    d.post("other", 1);
    d.post("never", 2);
    d.spawn("killed", {"never", "other"}, sum);
    CHECK(d.wait("killed") == 4);
}

TEST_CASE_FIXTURE(clean_end, "in wait_each an error comes in its own place") {
    dag d({{"a", 1}});
    d.spawn("b", {}, fail);
    d.spawn("c", {"a"}, sum);
    std::string seen;
    auto all = d.wait_each();
    for (auto i = all.begin(); i != all.end(); ++i) {
        try {
            seen += (*i).first + ' ';
        } catch (const propagated_error<std::string>& e) {
            seen += "no " + e.keys().front() + ' ';
        }
    }
    CHECK(seen == "a no b c ");
}

TEST_CASE_FIXTURE(clean_end, "what hangs can be asked for") {
    dag d({{"a", 1}});
    d.spawn("c", {"a", "b"}, sum);
    d.spawn("d", {"c", "e"}, sum);
    d.spawn("f", {"a"}, hang);
    yield();
    CHECK(d.running() == 3);
    CHECK(d.running_keys() == keys{"c", "d", "f"});
    CHECK(d.waiting() == 2);
    CHECK(d.waiting_for("d") == keys{"c", "e"});
    CHECK(d.waiting_for("f").empty());
    CHECK(d.waiting_for("a").empty());
    CHECK(d.waiting_for("unknown").empty());
    CHECK(d.waiting_for() ==
          std::map<std::string, keys>{{"c", {"b"}}, {"d", {"c", "e"}}});
    d.post("b", 1);
    yield();
    yield();
    CHECK(d.waiting_for() == std::map<std::string, keys>{{"d", {"e"}}});
    CHECK(d.running_keys() == keys{"d", "f"});
}

TEST_CASE_FIXTURE(clean_end, "a key whose fiber is killed is as never spawned") {
    dag d;
    d.spawn("a", {}, hang);
    d.spawn("b", {"a"}, sum);
    yield();
    d.kill("a");
    CHECK(d.running_keys() == keys{"b"});
    CHECK(d.waiting_for("b") == keys{"a"});
    d.spawn("a", {}, hang);
    d.kill("a");
    CHECK(d.running_keys() == keys{"b"});
    d.post("a", 4);
    CHECK(d.wait("b") == 5);
    CHECK(errc_of([&] { d.kill("a"); }) == errc::bad_argument);
    CHECK(errc_of([&] { d.kill("unknown"); }) == errc::bad_argument);
}

TEST_CASE_FIXTURE(clean_end, "wait_all ends when those that are left are killed") {
    dag d;
    d.spawn("a", {"never"}, sum);
    const auto killer = spawn([&] { d.kill("a"); });
    CHECK(d.wait_all().empty());
    killer.wait();
}

TEST_CASE_FIXTURE(clean_end, "a pool that goes ends its fibers") {
    int ended = 0;
    {
        dag d;
        d.spawn("a", {}, [&](const std::string&, const dag::results&) {
            const test::at_end note{[&] { ++ended; }};
            try {
                sleep(forever);
            } catch (const greenlet_exit&) {
                yield();
                throw;
            }
            return 1;
        });
        d.spawn("b", {"a", "c"}, sum);
        yield();
        d.spawn("unstarted", {}, sum);
    }
    CHECK(ended == 1);
}

TEST_CASE_FIXTURE(clean_end, "keys that need themselves are refused") {
    dag d;
    CHECK(errc_of([&] { d.spawn("a", {"a"}, sum); }) == errc::deadlock);
    d.spawn("a", {"b"}, sum);
    d.spawn("b", {"c"}, sum);
    CHECK(errc_of([&] { d.spawn("c", {"x", "a"}, sum); }) == errc::deadlock);
    CHECK(d.running_keys() == keys{"a", "b"});
    d.spawn("c", {}, sum);
    CHECK(d.wait("a") == 3);
}

TEST_CASE_FIXTURE(clean_end, "a function cannot wait for all or for its own value") {
    dag d;
    std::optional<errc> all, each_one, own;
    d.spawn("a", {}, [&](const std::string& key, const dag::results&) {
        all = errc_of([&] { d.wait_all(); });
        each_one = errc_of([&] { each(d); });
        own = errc_of([&] { d.wait(key); });
        return 1;
    });
    CHECK(d.wait("a") == 1);
    CHECK(all == errc::deadlock);
    CHECK(each_one == errc::deadlock);
    CHECK(own == errc::deadlock);
}

TEST_CASE_FIXTURE(clean_end, "a function may spawn what it finds out to need") {
    dag d;
    d.spawn("a", {}, [&](const std::string&, const dag::results&) {
        d.spawn("b", {}, sum);
        return d.wait("b") + 1;
    });
    CHECK(d.wait("a") == 2);
    CHECK(each(d) == "b 1, a 2, ");
}

TEST_CASE_FIXTURE(clean_end, "who waits may run out of time and wait again") {
    virtual_time time;
    dag d;
    d.spawn("a", {}, [](const std::string&, const dag::results&) {
        sleep(5s);
        return 1;
    });
    CHECK_FALSE(timeout::silent(1s, [&] { d.wait("a"); }));
    CHECK_FALSE(timeout::silent(1s, [&] { d.wait_all(); }));
    CHECK(d.wait("a") == 1);
    CHECK(time.passed() == 5s);
}

TEST_CASE_FIXTURE(clean_end, "values that cannot be copied and keys without a text") {
    struct name {
        int n;

        bool operator<(const name& other) const { return n < other.n; }
    };

    using boxes = dag_pool<name, std::unique_ptr<int>>;
    boxes d;
    d.post(name{1}, std::make_unique<int>(4));
    d.spawn(name{2}, {name{1}}, [](const name&, const boxes::results& needed) {
        return std::make_unique<int>(*needed.at(name{1}) + 1);
    });
    CHECK(*d.wait(name{2}) == 5);
    CHECK(errc_of([&] { d.post(name{2}, nullptr); }) == errc::already_set);
}

TEST_CASE_FIXTURE(clean_end_of_threads, "on another thread it is refused") {
    dag d({{"a", 1}});
    std::optional<errc> waited, posted;
    test::on_other_thread([&] {
        waited = errc_of([&] { d.wait("a"); });
        posted = errc_of([&] { d.post("b", 1); });
    });
    CHECK(waited == errc::wrong_thread);
    CHECK(posted == errc::wrong_thread);
}

TEST_SUITE_END();
