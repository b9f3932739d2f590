// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/generator.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace tendril;
using test::clean_end;
using test::errc_of;

namespace {

generator<int> count_to(int n) {
    return generator<int>([n](auto& yield) {
        for (int i = 0; i < n; ++i) yield(i);
    });
}

template <class Out>
std::vector<Out> all_of(generator<Out>& g) {
    std::vector<Out> values;
    for (const Out& v : g) values.push_back(v);
    return values;
}

template <class Out>
std::vector<Out> all_of(generator<Out>&& g) {
    return all_of(g);
}

// A body that takes down how it was left.
auto guarded(std::string& log) {
    return [&log](auto& yield) {
        try {
            for (int i = 1;; ++i) yield(i);
        } catch (const greenlet_exit&) {
            log += "exit";
            throw;
        } catch (const std::runtime_error& e) {
            log += e.what();
            yield(-1);
        }
    };
}

}  // namespace

TEST_SUITE_BEGIN("runtime/generator");

TEST_CASE_FIXTURE(clean_end, "range-for sees the values in order, and then the end") {
    CHECK(all_of(count_to(3)) == std::vector<int>{0, 1, 2});
    CHECK(all_of(count_to(0)).empty());
    auto g = count_to(2);
    CHECK(g.next() == 0);
    CHECK(all_of(g) == std::vector<int>{1});
    CHECK(g.next() == std::nullopt);
    CHECK(g.next() == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "nothing of the body runs before the first next") {
    int runs = 0;
    generator<int> g([&](auto& yield) {
        ++runs;
        yield(1);
    });
    CHECK(runs == 0);
    g.next();
    CHECK(runs == 1);
    {
        generator<int> never([&](auto&) { ++runs; });
    }
    CHECK(runs == 1);
}

TEST_CASE_FIXTURE(clean_end, "a value sent in is what yield returns") {
    generator<int, int> jumping_range([](auto& yield) {
        int index = 0;
        while (index < 5) index += yield(index).value_or(1);
    });
    CHECK(jumping_range.next() == 0);
    CHECK(jumping_range.send(2) == 2);
    CHECK(jumping_range.next() == 3);
    CHECK(jumping_range.send(-1) == 2);
    std::vector<int> rest;
    for (int i : jumping_range) rest.push_back(i);
    CHECK(rest == std::vector<int>{3, 4});
    CHECK(jumping_range.send(7) == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "a value sent before the first yield is refused") {
    generator<int, int> g([](auto& yield) { yield(1); });
    CHECK(errc_of([&] { g.send(5); }) == errc::not_startable);
    CHECK(g.next() == 1);
}

TEST_CASE_FIXTURE(clean_end, "move-only values go out and come in") {
    using box = std::unique_ptr<int>;
    generator<box, box> g([](auto& yield) {
        auto in = yield(std::make_unique<int>(1));
        **in += 1;
        yield(std::move(*in));
    });
    CHECK(**g.next() == 1);
    CHECK(**g.send(std::make_unique<int>(41)) == 42);
    CHECK(!g.next());
}

TEST_CASE_FIXTURE(clean_end, "yield may be handed down to any depth of calls") {
    using yielder = generator<int>::yielder;
    const std::function<void(yielder&, int)> down = [&](yielder& yield, int depth) {
        if (depth > 0) down(yield, depth - 1);
        yield(depth);
        if (depth > 0) down(yield, depth - 1);
    };
    generator<int> g([&](yielder& yield) { down(yield, 2); });
    CHECK(all_of(g) == std::vector<int>{0, 1, 0, 2, 0, 1, 0});
}

TEST_CASE_FIXTURE(clean_end, "generators run generators: permutations by recursion") {
    const std::function<generator<std::string>(std::string)> permutations =
        [&](std::string letters) {
            return generator<std::string>([&permutations, letters](auto& yield) {
                if (letters.size() <= 1) {
                    yield(letters);
                    return;
                }
                for (const std::string& rest : permutations(letters.substr(1))) {
                    for (std::size_t i = 0; i <= rest.size(); ++i) {
                        yield(rest.substr(0, i) + letters[0] + rest.substr(i));
                    }
                }
            });
        };
    CHECK(all_of(permutations("abc")) ==
          std::vector<std::string>{"abc", "bac", "bca", "acb", "cab", "cba"});
    std::vector<std::string> five = all_of(permutations("abcde"));
    CHECK(five.size() == 120);
    std::sort(five.begin(), five.end());
    CHECK(std::unique(five.begin(), five.end()) == five.end());
}

TEST_CASE_FIXTURE(clean_end, "two levels of generators yield to whoever asked them") {
    generator<std::string> outer([](auto& yield) {
        for (char c : {'a', 'b'}) {
            generator<int> inner([&](auto& yield_inner) {
                // The outer yield, from inside the inner body.
                yield(std::string("from inner ") + c);
                yield_inner(1);
                yield_inner(2);
            });
            for (int i : inner) yield(c + std::to_string(i));
        }
    });
    CHECK(all_of(outer) == std::vector<std::string>{"from inner a", "a1", "a2",
                                                    "from inner b", "b1", "b2"});
}

TEST_CASE_FIXTURE(clean_end,
                  "closed while an inner body is at its yield, both unwind") {
    struct noted {
        std::string& log;
        const char* text;

        ~noted() { log += text; }
    };

    std::string log;
    generator<int> outer([&](auto& yield) {
        const noted n{log, "outer "};
        generator<int> inner([&](auto&) {
            const noted m{log, "inner "};
            yield(1);
        });
        inner.next();
    });
    CHECK(outer.next() == 1);
    SUBCASE("by close") {
        outer.close();
    }
    SUBCASE("by its end") {
        const generator<int> gone(std::move(outer));
    }
    CHECK(log == "inner outer ");
}

TEST_CASE_FIXTURE(clean_end,
                  "a yield from outside while the body is at its own is refused") {
    generator<int>::yielder* stolen = nullptr;
    generator<int> g([&](auto& yield) {
        stolen = &yield;
        for (int i = 0; i < 3; ++i) yield(i);
    });
    CHECK(g.next() == 0);
    CHECK(errc_of([&] { (*stolen)(7); }) == errc::not_parked);
    CHECK(g.next() == 1);
}

TEST_CASE_FIXTURE(clean_end,
                  "two generators advance side by side, to the shorter's end") {
    auto zip = [](generator<int> a, generator<std::string> b) {
        return generator<std::pair<int, std::string>>(
            [a = std::move(a), b = std::move(b)](auto& yield) mutable {
                for (;;) {
                    auto left = a.next();
                    auto right = b.next();
                    if (!left || !right) return;
                    yield({*left, *right});
                }
            });
    };
    generator<std::string> names([](auto& yield) {
        for (const char* n : {"zero", "one", "two"}) yield(n);
    });
    using row = std::pair<int, std::string>;
    CHECK(all_of(zip(count_to(5), std::move(names))) ==
          std::vector<row>{{0, "zero"}, {1, "one"}, {2, "two"}});
}

TEST_CASE_FIXTURE(clean_end, "the body's exception is thrown once, out of next") {
    generator<int> g([](auto& yield) {
        yield(1);
        throw std::runtime_error("the body's");
    });
    CHECK(g.next() == 1);
    CHECK_THROWS_WITH_AS(g.next(), "the body's", std::runtime_error);
    CHECK(g.next() == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "throw_in goes to the yield, which may catch it") {
    std::string log;
    generator<int> g(guarded(log));
    CHECK(g.next() == 1);
    CHECK(g.throw_in(std::runtime_error("in")) == -1);
    CHECK(log == "in");
    CHECK(g.next() == std::nullopt);
    CHECK_THROWS_WITH_AS(g.throw_in(std::runtime_error("late")), "late",
                         std::runtime_error);
}

TEST_CASE_FIXTURE(clean_end, "throw_in before the start ends it without running") {
    bool ran = false;
    generator<int> g([&](auto&) { ran = true; });
    CHECK_THROWS_WITH_AS(g.throw_in(std::runtime_error("early")), "early",
                         std::runtime_error);
    CHECK(g.next() == std::nullopt);
    CHECK(!ran);
    generator<int> h([&](auto&) { ran = true; });
    CHECK(errc_of([&] { h.throw_in(std::exception_ptr()); }) == errc::bad_argument);
    CHECK(h.next() == std::nullopt);
    CHECK(ran);
}

TEST_CASE_FIXTURE(clean_end, "close unwinds the body once, from wherever it is") {
    std::string log;
    generator<int> g(guarded(log));
    g.next();
    g.close();
    CHECK(log == "exit");
    CHECK(g.next() == std::nullopt);
    g.close();
    CHECK(log == "exit");
    generator<int> unstarted(guarded(log));
    unstarted.close();
    CHECK(log == "exit");
    CHECK(unstarted.next() == std::nullopt);
    generator<int> throws([](auto& yield) {
        try {
            yield(1);
        } catch (const greenlet_exit&) {
            throw std::logic_error("in the clean-up");
        }
    });
    throws.next();
    CHECK_THROWS_WITH_AS(throws.close(), "in the clean-up", std::logic_error);
    throws.close();
}

TEST_CASE_FIXTURE(clean_end, "a body that yields on when closed is an error") {
    generator<int> g([](auto& yield) {
        try {
            yield(1);
        } catch (const greenlet_exit&) {
            yield(2);
        }
        yield(3);
    });
    g.next();
    CHECK(errc_of([&] { g.close(); }) == errc::not_parked);
    CHECK(g.next() == 3);
    CHECK(g.next() == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "a generator destroyed half way is unwound") {
    std::string log;
    {
        generator<int> g(guarded(log));
        g.next();
    }
    CHECK(log == "exit");
    for (int i : generator<int>(guarded(log))) {
        if (i == 3) break;
    }
    CHECK(log == "exitexit");
    {
        generator<int> g([](auto& yield) {
            try {
                yield(1);
            } catch (const greenlet_exit&) {
                throw std::runtime_error("in the clean-up");
            }
        });
        g.next();
    }
    REQUIRE(reported.size() == 1);
    CHECK(reported[0] ==
          "a generator that was dropped: std::runtime_error: in the clean-up");
    reported.clear();
}

TEST_CASE_FIXTURE(clean_end, "destroyed while an exception unwinds, it unwinds too") {
    std::string log;
    try {
        generator<int> g(guarded(log));
        g.next();
        throw std::runtime_error("the user's");
    } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()) == "the user's");
    }
    CHECK(log == "exit");
}

TEST_CASE_FIXTURE(clean_end,
                  "a generator that resumes itself is refused, and goes on") {
    std::optional<errc> code;
    generator<int>* self = nullptr;
    generator<int> g([&](auto& yield) {
        code = errc_of([&] { self->next(); });
        yield(1);
        CHECK(errc_of([&] { self->close(); }) == errc::parked);
        yield(2);
    });
    self = &g;
    CHECK(g.next() == 1);
    CHECK(code == errc::parked);
    CHECK(g.next() == 2);
    CHECK(g.next() == std::nullopt);
}

TEST_CASE_FIXTURE(clean_end, "a body that destroys its generator ends at its yield") {
    std::string log;
    std::unique_ptr<generator<int>> g;
    g = std::make_unique<generator<int>>([&](auto& yield) {
        g.reset();
        log += "reset ";
        try {
            yield(1);
        } catch (const greenlet_exit&) {
            log += "exit";
            throw;
        }
        log += "never";
    });
    CHECK(g->next() == 1);
    CHECK(log == "reset exit");
}

TEST_CASE_FIXTURE(clean_end,
                  "a null body is refused, and a moved-from generator is empty") {
    using body = std::function<void(generator<int>::yielder&)>;
    CHECK(errc_of([] { generator<int> g(body{}); }) == errc::bad_argument);
    auto g = count_to(3);
    CHECK(g.next() == 0);
    auto moved = std::move(g);
    CHECK(moved.next() == 1);
    // NOLINTNEXTLINE(bugprone-use-after-move): that it is an error is the point
    CHECK(errc_of([&] { g.next(); }) == errc::not_startable);
    std::string log;
    generator<int> half(guarded(log));
    half.next();
    half = std::move(moved);
    CHECK(log == "exit");
    CHECK(half.next() == 2);
}

TEST_CASE_FIXTURE(clean_end, "born in a catch block, the body sees no exception") {
    try {
        throw std::runtime_error("the maker's");
    } catch (const std::runtime_error&) {
        generator<bool> g(
            [](auto& yield) { yield(std::current_exception() == nullptr); });
        CHECK(g.next() == true);
        g.close();
        CHECK_THROWS_WITH_AS(throw, "the maker's", std::runtime_error);
    }
}

TEST_CASE_FIXTURE(clean_end, "a thousand half-used generators leave no stack behind") {
    auto& h = hub::current();
    const std::size_t before = h.stacks_in_use();
    for (int i = 0; i < 1000; ++i) {
        auto g = count_to(3);
        for (int n = 0; n < i % 5; ++n) g.next();
    }
    CHECK(h.stacks_in_use() == before);
}

TEST_SUITE_END();
