// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber_local.hpp>
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include "../support/errc_of.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::clean_end_of_threads;

TEST_SUITE_BEGIN("runtime/fiber_local");

namespace {

std::string destroyed;

template <char Name>
struct noted {
    noted() = default;
    noted(const noted&) = delete;
    noted& operator=(const noted&) = delete;

    ~noted() { destroyed += Name; }

    int value = 0;
};

fiber_local<int> number;
fiber_local<noted<'a'>> first;
fiber_local<noted<'b'>> second;
fiber_local<noted<'c'>> third;
fiber_local<std::string> greeting([] { return std::string("hello"); });

}  // namespace

TEST_CASE_FIXTURE(clean_end, "every fiber has its own value, over all its switches") {
    number.get() = 1;
    std::string seen;
    auto count = [&](int mine) {
        CHECK(number.get() == 0);
        number.get() = mine;
        yield();
        yield();
        seen += std::to_string(*number);
    };
    auto a = spawn(count, 2), b = spawn(count, 3);
    a.wait();
    b.wait();
    CHECK(seen == "23");
    CHECK(*number == 1);
    number.get() = 0;
}

TEST_CASE_FIXTURE(clean_end, "a greenlet has its own value, too") {
    number.get() = 5;
    greenlet<int> g([](int) { return ++number.get(); });
    CHECK(g.switch_to(0) == 1);
    CHECK(*number == 5);
    number.get() = 0;
}

TEST_CASE_FIXTURE(clean_end, "the first value is what the function given returns") {
    auto f = spawn([] {
        const std::string before = *greeting;
        greeting->append("!");
        return before + *greeting;
    });
    CHECK(f.wait() == "hellohello!");
}

TEST_CASE_FIXTURE(clean_end,
                  "values are destroyed when their fiber ends, last variable first") {
    destroyed.clear();
    auto f = spawn([] {
        third->value = 3;
        first->value = 1;
        second->value = 2;
        yield();
        CHECK(destroyed.empty());
    });
    f.wait();
    yield();
    CHECK(destroyed == "cba");
}

TEST_CASE_FIXTURE(
    clean_end, "values of a killed fiber are destroyed, and a link still sees them") {
    destroyed.clear();
    int seen = 0;
    auto f = spawn([] {
        first->value = 9;
        tendril::sleep(forever);
    });
    f.link([&] { seen = first->value; });
    yield();
    f.kill();
    CHECK(seen == 9);
    CHECK(destroyed == "a");
}

TEST_CASE_FIXTURE(clean_end, "a destructor may use other fiber_locals") {
    static fiber_local<int> used;

    struct uses_another {
        ~uses_another() { destroyed += std::to_string(used.get() += 7); }
    };

    static fiber_local<uses_another> user;
    destroyed.clear();
    spawn([] { user.get(); }).wait();
    yield();
    CHECK(destroyed == "7");
}

TEST_CASE_FIXTURE(clean_end, "a first value that cannot be made is asked for again") {
    static bool fails;
    fails = true;
    static fiber_local<int> fragile([] {
        if (fails) throw std::runtime_error("not yet");
        return 4;
    });
    auto f = spawn([] {
        CHECK_THROWS_WITH_AS(fragile.get(), "not yet", std::runtime_error);
        fails = false;
        return fragile.get();
    });
    CHECK(f.wait() == 4);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a plain thread's value is its own, destroyed at its end") {
    destroyed.clear();
    first->value = 1;
    test::on_other_thread([] {
        CHECK(first->value == 0);
        first->value = 2;
        second->value = 2;
        CHECK(destroyed.empty());
    });
    CHECK(destroyed == "ba");
    CHECK(first->value == 1);
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a hub's callbacks share one, destroyed with the thread") {
    destroyed.clear();
    test::on_other_thread([] {
        first->value = 1;
        int in_callback = -1;
        hub::current().call_soon([] { first->value = 5; });
        hub::current().call_soon([&] { in_callback = first->value; });
        yield();
        CHECK(in_callback == 5);
        CHECK(first->value == 1);
    });
    CHECK(destroyed == "aa");
}

TEST_CASE_FIXTURE(clean_end, "nothing to make values with is a bad argument") {
    CHECK(test::errc_of([] { fiber_local<int>(std::function<int()>()); }) ==
          errc::bad_argument);
}

TEST_SUITE_END();
