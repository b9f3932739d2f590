// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/cancel.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/runtime/timeout.hpp>
#include <tendril/sync/pool.hpp>
#include <tendril/sync/resource_pool.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "../support/at_end.hpp"
#include "../support/counted.hpp"
#include "../support/errc_of.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::clean_items;
using test::counted;
using test::errc_of;
using test::virtual_time;

namespace {

// Makes 1, 2, 3...
struct numbers {
    int made = 0;

    std::function<int()> make() {
        return [this] { return ++made; };
    }
};

}  // namespace

TEST_SUITE_BEGIN("sync/resource_pool");

TEST_CASE_FIXTURE(clean_end, "what is put back is given out again and not made anew") {
    numbers n;
    resource_pool<int> p(n.make());
    CHECK(n.made == 0);
    { CHECK(*p.get() == 1); }
    { CHECK(*p.get() == 1); }
    CHECK(p.size() == 1);
    CHECK(p.free() == 4);
    const auto a = p.get(), b = p.get();
    CHECK(*a == 1);
    CHECK(*b == 2);
    CHECK(p.free() == 2);
}

TEST_CASE_FIXTURE(clean_end, "the minimum is made at the beginning") {
    numbers n;
    const resource_pool<int> p(n.make(), {.min = 2, .max = 3});
    CHECK(n.made == 2);
    CHECK(p.size() == 2);
    CHECK(p.free() == 3);
}

TEST_CASE_FIXTURE(clean_end, "who finds all in use gets the first that is put back") {
    numbers n;
    resource_pool<int> p(n.make(), {.max = 2});
    std::optional<resource_pool<int>::lease> a(p.get()), b(p.get());
    std::string order;
    std::vector<fiber<>> getters;
    for (char name = 'a'; name < 'd'; ++name) {
        getters.push_back(spawn([&p, &order, name] {
            const auto mine = p.get();
            order += name + std::to_string(*mine) + ' ';
            yield();
        }));
    }
    yield();
    CHECK(p.waiting() == 3);
    CHECK(p.free() == 0);
    b.reset();
    CHECK(p.waiting() == 2);
    a.reset();
    for (const auto& g : getters) g.wait();
    CHECK(order == "a2 b1 c2 ");
    CHECK(n.made == 2);
    CHECK(p.free() == 2);
}

TEST_CASE_FIXTURE(clean_end,
                  "the last put back is first unless the order is otherwise") {
    for (const reuse order : {reuse::last_in_first_out, reuse::first_in_first_out}) {
        numbers n;
        resource_pool<int> p(n.make(), {.order = order});
        std::optional<resource_pool<int>::lease> a(p.get()), b(p.get()), c(p.get());
        b.reset();
        c.reset();
        a.reset();
        const auto x = p.get(), y = p.get(), z = p.get();
        const std::vector<int> got{*x, *y, *z};
        if (order == reuse::last_in_first_out) {
            CHECK(got == std::vector<int>{1, 3, 2});
        } else {
            CHECK(got == std::vector<int>{2, 3, 1});
        }
    }
}

TEST_CASE_FIXTURE(clean_end, "a create that parks makes no more than the maximum") {
    int made = 0;
    resource_pool<int> slow([&] {
        ++made;
        yield();
        return made;
    });
    pool users;
    int used = 0;
    for (int i = 0; i < 100; ++i) {
        users.spawn_n([&] {
            const auto mine = slow.get();
            ++used;
            yield();
        });
    }
    users.wait_all();
    CHECK(made == 4);
    CHECK(used == 100);
    CHECK(slow.free() == 4);
}

TEST_CASE_FIXTURE(clean_end,
                  "a create that throws leaves its turn to the next in line") {
    int calls = 0;
    resource_pool<int> p(
        [&] {
            yield();
            if (++calls <= 2) throw std::runtime_error("refused");
            return calls;
        },
        {.max = 1});
    std::string outcomes;
    std::vector<fiber<>> getters;
    for (int i = 0; i < 4; ++i) {
        getters.push_back(spawn([&] {
            try {
                outcomes += std::to_string(*p.get());
            } catch (const std::runtime_error&) {
                outcomes += '-';
            }
        }));
    }
    for (const auto& g : getters) g.wait();
    CHECK(outcomes == "--33");
    CHECK(p.size() == 1);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end,
                  "put back to getters that are out of time it does not wait") {
    virtual_time time;
    numbers n;
    resource_pool<int> p(n.make(), {.max = 1});
    {
        const auto mine = p.get();
        const duration begin = time.passed();
        CHECK_FALSE(p.get_for(1s));
        CHECK_FALSE(timeout::silent(1s, [&] { p.get(); }));
        CHECK(time.passed() - begin == 2s);
        CHECK(p.waiting() == 0);
    }
    CHECK(p.free() == 1);
    CHECK(*p.get() == 1);
}

TEST_CASE_FIXTURE(clean_end, "try_get makes one but waits for nobody") {
    numbers n;
    resource_pool<int> p(n.make(), {.max = 1});
    auto mine = p.try_get();
    REQUIRE(mine);
    CHECK(**mine == 1);
    CHECK_FALSE(p.try_get());
    mine.reset();
    CHECK(p.try_get());
}

TEST_CASE_FIXTURE(clean_end, "killed with one on the way it puts it back") {
    numbers n;
    resource_pool<int> p(n.make(), {.max = 1});
    std::optional<resource_pool<int>::lease> mine(p.get());
    bool had = false;
    auto killed = spawn([&] {
        const auto his = p.get();
        had = true;
        yield();
        had = false;
    });
    yield();
    mine.reset();
    killed.kill();
    killed.join();
    CHECK(had);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "killed in line it takes nothing") {
    numbers n;
    resource_pool<int> p(n.make(), {.max = 1});
    std::optional<resource_pool<int>::lease> mine(p.get());
    auto killed = spawn([&] { p.get(); });
    auto next = spawn([&] { return *p.get(); });
    yield();
    killed.kill();
    mine.reset();
    CHECK(next.wait() == 1);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_items, "what is discarded is destroyed and may be made anew") {
    int made = 0;
    resource_pool<counted> p([&] { return counted(++made); }, {.max = 1});
    auto first = p.get();
    auto next = spawn([&] { return p.get()->value(); });
    yield();
    CHECK(p.waiting() == 1);
    first.discard();
    CHECK_FALSE(first);
    CHECK(counted::alive() == 0);
    first.discard();
    CHECK(next.wait() == 2);
    CHECK(p.size() == 1);
}

TEST_CASE_FIXTURE(clean_items,
                  "one that is destroyed is gone before the next is made") {
    int made = 0, most = 0;
    resource_pool<counted> p(
        [&] {
            most = std::max(most, counted::alive() + 1);
            return counted(++made);
        },
        {.max = 1});
    std::vector<fiber<>> users;
    for (int i = 0; i < 5; ++i) {
        users.push_back(spawn([&] {
            auto mine = p.get();
            yield();
            mine.discard();
        }));
    }
    for (const auto& u : users) u.wait();
    CHECK(made == 5);
    CHECK(most == 1);
    CHECK(p.size() == 0);
}

TEST_CASE_FIXTURE(clean_end, "one is kept that comes back while another is destroyed") {
    const virtual_time from_here;
    int made = 0;
    resource_pool<std::shared_ptr<int>> p(
        [&] {
            return std::shared_ptr<int>(new int(++made), [](const int* gone) {
                delete gone;
                tendril::sleep(1s);
            });
        },
        {.max = 2, .max_age = 10s});
    std::optional first = p.get();
    tendril::sleep(8s);
    std::optional second = p.get();
    first.reset();
    tendril::sleep(3s);
    // Destroys the first, which parks, and makes a third.
    auto third = spawn([&] { return *p.get().operator*(); });
    yield();
    second.reset();
    third.wait();
    CHECK(made == 3);
    CHECK(p.size() == 2);
    CHECK(p.free() == 2);
}

TEST_CASE_FIXTURE(clean_end, "a lease that is moved or assigned puts back once") {
    numbers n;
    resource_pool<int> p(n.make());
    auto a = p.get();
    auto b = std::move(a);
    CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move): what a moved one says
    CHECK(*b == 1);
    b = p.get();
    CHECK(*b == 2);
    CHECK(p.free() == 3);
    CHECK(*p.get() == 1);
}

TEST_CASE_FIXTURE(clean_end, "resized up those who wait may make more") {
    numbers n;
    resource_pool<int> p(n.make(), {.max = 1});
    const auto mine = p.get();
    auto other = spawn([&] { return *p.get(); });
    auto third = spawn([&] { return *p.get(); });
    yield();
    p.resize(2);
    CHECK(p.waiting() == 1);
    CHECK(other.wait() == 2);
    CHECK(third.wait() == 2);
    CHECK(p.max_size() == 2);
}

TEST_CASE_FIXTURE(clean_items,
                  "resized down idle ones go first and then those put back") {
    resource_pool<counted> p([] { return counted(1); }, {.max = 3});
    std::optional<resource_pool<counted>::lease> a(p.get()), b(p.get());
    p.get();
    CHECK(counted::alive() == 3);
    p.resize(1);
    CHECK(counted::alive() == 2);
    CHECK(p.free() == -1);
    CHECK_FALSE(p.try_get());
    a.reset();
    CHECK(counted::alive() == 1);
    CHECK(p.free() == 0);
    b.reset();
    CHECK(counted::alive() == 1);
    CHECK(p.free() == 1);
}

TEST_CASE_FIXTURE(clean_end, "idle for too long they go down to the minimum") {
    virtual_time time;
    numbers n;
    resource_pool<int> p(n.make(), {.min = 1, .max = 4, .max_idle = 10s});
    { const auto a = p.get(), b = p.get(), c = p.get(); }
    CHECK(p.size() == 3);
    sleep(10s);
    { CHECK(*p.get() == 1); }
    CHECK(p.size() == 3);
    sleep(1s);
    { CHECK(*p.get() == 1); }
    CHECK(p.size() == 1);
    sleep(1h);
    CHECK(*p.get() == 1);
    CHECK(n.made == 3);
}

TEST_CASE_FIXTURE(clean_end, "too old they are given out no more") {
    virtual_time time;
    numbers n;
    resource_pool<int> p(n.make(), {.min = 1, .max = 2, .max_age = 10s});
    sleep(10s);
    { CHECK(*p.get() == 1); }
    sleep(1s);
    {
        const auto mine = p.get();
        CHECK(*mine == 2);
        sleep(11s);
    }
    CHECK(p.size() == 0);
    CHECK(*p.get() == 3);
}

TEST_CASE_FIXTURE(clean_end, "a resource may be destroyed by what parks") {
    struct farewell {
        int* said;

        explicit farewell(int* s) : said(s) {}

        farewell(const farewell&) = delete;
        farewell& operator=(const farewell&) = delete;

        ~farewell() {
            const uninterrupted here;
            yield();
            ++*said;
        }
    };

    int said = 0;
    resource_pool<farewell> p([&] { return farewell(&said); }, {.max = 2});
    {
        const auto a = p.get();
        auto b = p.get();
        b.discard();
        CHECK(said == 1);
    }
    p.resize(0);
    CHECK(said == 2);
    CHECK(p.size() == 0);
}

TEST_CASE_FIXTURE(clean_end,
                  "those being destroyed are not among the `min` that stay") {
    const virtual_time from_here;
    int living = 0;
    const auto make = [&] {
        ++living;
        return std::shared_ptr<int>(new int(0), [&](const int* p) {
            delete p;
            const uninterrupted here;
            sleep(1s);
            --living;
        });
    };
    resource_pool<std::shared_ptr<int>> p(make, {.min = 3, .max = 4, .max_idle = 1min});
    std::optional a = p.get();
    std::optional b = p.get();
    {
        const auto c = p.get();
        const auto d = p.get();
    }
    sleep(2min);
    auto first = spawn([&] { a.reset(); });
    yield();
    CHECK(p.size() == 4);
    b.reset();
    first.wait();
    CHECK(p.size() == 3);
    CHECK(living == 3);
}

TEST_CASE_FIXTURE(clean_end, "options that make no sense are errors") {
    numbers n;
    CHECK(errc_of([] { resource_pool<int>(nullptr); }) == errc::bad_argument);
    CHECK(errc_of([&] { resource_pool<int>(n.make(), {.min = 2, .max = 1}); }) ==
          errc::bad_argument);
    CHECK(errc_of([&] { resource_pool<int>(n.make(), {.max_age = -1s}); }) ==
          errc::bad_argument);
    CHECK(n.made == 0);
}

TEST_CASE_FIXTURE(clean_end, "a hub callback may take one but not wait for it") {
    numbers n;
    resource_pool<int> p(n.make(), {.max = 1});
    std::optional<int> got;
    std::optional<errc> second;
    hub::current().call_soon([&] {
        const auto mine = p.get();
        got = *mine;
        second = errc_of([&] { p.get(); });
    });
    yield();
    CHECK(got == 1);
    CHECK(second == errc::in_hub);
    CHECK(p.free() == 1);
}

TEST_SUITE_END();
