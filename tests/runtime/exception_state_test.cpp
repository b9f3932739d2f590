// exception_state_test.cpp - each fiber has its own exceptions being handled, errno and
// floating-point control words; what else is a thread's, its fibers share.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/greenlet.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <cerrno>
#include <cfenv>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>
#include <locale.h>

using namespace tendril;
using test::clean_end;

namespace {

// How a fiber lets others run: by a raw switch to its parent, or through the hub.
void by_switch() {
    greenlet<>::current().parent().switch_to();
}

void by_hub() {
    tendril::yield();
}

std::string current_message() {
    if (!std::current_exception()) return "none";
    try {
        throw;
    } catch (const std::exception& e) {
        return e.what();
    }
}

// Throws, and stays in nested catch blocks `depth` deep, giving way at each level on
// the way in and on the way out. Adds what it finds there to `seen`.
void nest(const std::string& name, int depth, void (*give_way)(), std::string& seen) {
    if (depth == 0) return;
    const std::string text = name + std::to_string(depth);
    try {
        throw std::runtime_error(text);
    } catch (const std::runtime_error&) {
        give_way();
        seen += current_message() == text ? '.' : '!';
        nest(name, depth - 1, give_way, seen);
        give_way();
        seen += current_message() == text ? '.' : '!';
    }
}

// Gives way while it is being destroyed, and records the exceptions in flight.
struct gives_way_when_destroyed {
    void (*give_way)();
    std::vector<int>& in_flight;

    ~gives_way_when_destroyed() {
        in_flight.push_back(std::uncaught_exceptions());
        give_way();
        in_flight.push_back(std::uncaught_exceptions());
    }
};

}  // namespace

TEST_SUITE_BEGIN("runtime/exception state");

TEST_CASE_FIXTURE(clean_end, "a greenlet born in a catch block sees no exception") {
    std::string inside = "not run";
    int uncaught = -1;
    greenlet<> g;
    try {
        throw std::runtime_error("the maker's");
    } catch (const std::runtime_error&) {
        g = greenlet<>([&] {
            inside = current_message();
            uncaught = std::uncaught_exceptions();
            by_switch();
            inside += " " + current_message();
        });
        g.switch_to();
        CHECK(current_message() == "the maker's");
        g.switch_to();
        CHECK(current_message() == "the maker's");
    }
    CHECK(current_message() == "none");
    CHECK(inside == "none none");
    CHECK(uncaught == 0);
}

TEST_CASE_FIXTURE(clean_end, "a fiber spawned in a catch block sees no exception") {
    try {
        throw std::runtime_error("the spawner's");
    } catch (const std::runtime_error&) {
        CHECK(spawn([] { return current_message(); }).wait() == "none");
        CHECK(current_message() == "the spawner's");
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "siblings suspended in catch blocks keep their exceptions") {
    auto body = [](const char* text, std::string& seen) {
        return [text, &seen] {
            try {
                throw std::runtime_error(text);
            } catch (const std::runtime_error&) {
                by_switch();
                seen += current_message() + " ";
                by_switch();
                seen += current_message() + " ";
            }
            seen += current_message();
        };
    };
    std::string seen_a, seen_b;
    greenlet<> a(body("a's", seen_a)), b(body("b's", seen_b));
    a.switch_to();
    b.switch_to();
    CHECK(current_message() == "none");
    a.switch_to();
    b.switch_to();
    b.switch_to();
    a.switch_to();
    CHECK(seen_a == "a's a's none");
    CHECK(seen_b == "b's b's none");
}

TEST_CASE_FIXTURE(clean_end, "a bare rethrow after a switch rethrows one's own") {
    auto rethrower = [](const char* text) {
        return greenlet<>([text] {
            try {
                try {
                    throw std::runtime_error(text);
                } catch (const std::runtime_error&) {
                    by_switch();
                    throw;
                }
            } catch (const std::runtime_error& e) {
                if (std::string(e.what()) != text) throw std::logic_error("mixed up");
                by_switch();
                throw;
            }
        });
    };
    greenlet<> a = rethrower("a"), b = rethrower("b");
    for (int i = 0; i < 2; ++i) {
        a.switch_to();
        b.switch_to();
    }
    CHECK_THROWS_WITH_AS(a.switch_to(), "a", std::runtime_error);
    CHECK_THROWS_WITH_AS(b.switch_to(), "b", std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "three greenlets nest catch blocks of different depths") {
    std::string seen[3];
    std::vector<greenlet<>> all;
    for (int i = 0; i < 3; ++i) {
        all.emplace_back([&seen, i] {
            nest(std::string(1, static_cast<char>('a' + i)), 2 + 2 * i, by_switch,
                 seen[i]);
        });
    }
    // Different strides, so that they meet in every combination of depths.
    for (int round = 0; round < 40; ++round) {
        for (int i = 0; i < 3; ++i) {
            if (round % (i + 1) == 0 && !all[i].dead()) all[i].switch_to();
        }
        CHECK(current_message() == "none");
    }
    for (int i = 0; i < 3; ++i) {
        CHECK(all[i].dead());
        CHECK(seen[i] == std::string(2 * (2 + 2 * i), '.'));
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "three spawned fibers nest catch blocks of different depths") {
    std::string seen[3];
    std::vector<fiber<>> all;
    for (int i = 0; i < 3; ++i) {
        all.push_back(spawn([&seen, i] {
            nest(std::string(1, static_cast<char>('a' + i)), 2 + 2 * i, by_hub,
                 seen[i]);
        }));
    }
    for (const auto& f : all) f.wait();
    for (int i = 0; i < 3; ++i) CHECK(seen[i] == std::string(2 * (2 + 2 * i), '.'));
}

TEST_CASE_FIXTURE(clean_end, "uncaught_exceptions() counts one's own in a destructor") {
    for (auto* give_way : {by_switch, by_hub}) {
        std::vector<int> unwinding, ordinary;
        greenlet<> g([&] {
            try {
                const gives_way_when_destroyed outer{give_way, unwinding};
                throw std::runtime_error("unwinding");
            } catch (const std::runtime_error&) {
                CHECK(std::uncaught_exceptions() == 0);
            }
        });
        greenlet<> other([&] {
            { const gives_way_when_destroyed quiet{give_way, ordinary}; }
            CHECK(std::uncaught_exceptions() == 0);
        });
        g.switch_to();
        CHECK(std::uncaught_exceptions() == 0);
        other.switch_to();
        while (!g.dead()) g.switch_to();
        while (!other.dead()) other.switch_to();
        CHECK(unwinding == std::vector<int>{1, 1});
        CHECK(ordinary == std::vector<int>{0, 0});
    }
}

TEST_CASE_FIXTURE(clean_end, "an exception thrown and caught while another unwinds") {
    std::vector<int> in_flight;
    std::string caught;
    greenlet<> other([&] {
        // The one that switched here is unwinding; this greenlet is not.
        in_flight.push_back(std::uncaught_exceptions());
        try {
            throw std::runtime_error("other's");
        } catch (const std::runtime_error& e) {
            caught = e.what();
        }
    });

    struct switches_when_destroyed {
        greenlet<>& to;

        ~switches_when_destroyed() { to.switch_to(); }
    };

    try {
        const switches_when_destroyed s{other};
        throw std::runtime_error("main's");
    } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()) == "main's");
    }
    CHECK(in_flight == std::vector<int>{0});
    CHECK(caught == "other's");
    CHECK(other.dead());
}

TEST_CASE_FIXTURE(clean_end, "errno is each one's own") {
    greenlet<> g([] {
        CHECK(errno == 0);
        errno = EINTR;
        by_switch();
        CHECK(errno == EINTR);
    });
    errno = EDOM;
    g.switch_to();
    CHECK(errno == EDOM);
    g.switch_to();
    CHECK(errno == EDOM);
    auto f = spawn([] {
        errno = EBADF;
        tendril::yield();
        return errno;
    });
    tendril::yield();
    CHECK(errno == EDOM);
    CHECK(f.wait() == EBADF);
    CHECK(errno == EDOM);
    errno = 0;
}

TEST_CASE_FIXTURE(clean_end, "the rounding mode is each one's own") {
    volatile double one = 1, three = 3;
    REQUIRE(std::fegetround() == FE_TONEAREST);
    double up = 0, again = 0;
    greenlet<> g([&] {
        std::fesetround(FE_UPWARD);
        up = one / three;
        by_switch();
        again = one / three;
        CHECK(std::fegetround() == FE_UPWARD);
    });
    g.switch_to();
    CHECK(std::fegetround() == FE_TONEAREST);
    const double nearest = one / three;
    g.switch_to();
    CHECK(std::fegetround() == FE_TONEAREST);
    CHECK(up > nearest);
    CHECK(again == up);
    // A stack that has been used in another mode does not pass it on.
    spawn([] { CHECK(std::fegetround() == FE_TONEAREST); }).wait();
}

TEST_CASE_FIXTURE(clean_end, "thread_local variables and the locale are the thread's") {
    static thread_local int shared = 0;
    const auto before = uselocale(nullptr);
    const auto other = newlocale(LC_ALL_MASK, "C.UTF-8", nullptr);
    REQUIRE(other != nullptr);
    auto f = spawn([&] {
        shared = 1;
        uselocale(other);
        tendril::yield();
        CHECK(shared == 2);
        CHECK(uselocale(nullptr) == before);
    });
    tendril::yield();
    CHECK(shared == 1);
    CHECK(uselocale(nullptr) == other);
    shared = 2;
    uselocale(before);
    f.wait();
    freelocale(other);
}

TEST_SUITE_END();
