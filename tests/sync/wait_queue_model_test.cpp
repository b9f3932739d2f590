// wait_queue_model_test.cpp - a line under random comings and goings, beside a list.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/fiber.hpp>
#include <tendril/runtime/hub.hpp>
#include <tendril/runtime/sleep.hpp>
#include <tendril/runtime/spawn.hpp>
#include <tendril/sync/wait_queue.hpp>
#include <tendril/test/virtual_time.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <mutex>
#include <random>
#include <vector>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace tendril;
using test::clean_end;
using test::virtual_time;

namespace {

struct member {
    int id;
    time_point deadline;
    fiber<> waits;
};

class line_beside_list {
  public:
    void join(int id, time_point deadline) {
        model_.push_back({id, deadline, spawn([this, id, deadline] {
                              std::unique_lock held(lock_);
                              wait_queue::place here("a test");
                              if (line_.wait(held, here, deadline)) {
                                  through_.push_back(id);
                              }
                          })});
        yield();
    }

    void kill(std::size_t which) {
        const auto doomed = model_.begin() + static_cast<std::ptrdiff_t>(which);
        doomed->waits.kill();
        model_.erase(doomed);
    }

    void wake(std::size_t count) {
        {
            wait_queue::taken woken;
            const std::lock_guard held(lock_);
            for (; count > 0 && !line_.empty(); --count) {
                woken.add(line_.take_first());
                expected_.push_back(model_.front().id);
                model_.pop_front();
            }
        }
        yield();
    }

    void pass_time(duration d) {
        tendril::sleep(d);
        // Whose time came at this very moment have gone too.
        yield();
        std::erase_if(model_, [now = hub::current().now()](const member& m) {
            return m.deadline <= now;
        });
    }

    std::size_t size() const { return model_.size(); }

    bool same() {
        const std::lock_guard held(lock_);
        return line_.size() == model_.size() && line_.empty() == model_.empty() &&
               through_ == expected_;
    }

  private:
    wait_queue::lock lock_;
    wait_queue line_;
    std::deque<member> model_;
    std::vector<int> through_, expected_;
};

}  // namespace

TEST_SUITE_BEGIN("sync/wait_queue");

TEST_CASE_FIXTURE(clean_end, "random comings and goings do what a list does") {
    virtual_time time;
    std::mt19937 random(20240502);
    line_beside_list line;
    bool same = true;
    std::size_t longest = 0;
    for (int step = 0; step < 20'000; ++step) {
        const bool crowded = (step / 500) % 2 == 1;
        switch (random() % (crowded ? 6 : 4)) {
            case 0:
            case 1:
                line.join(step, never);
                break;
            case 2:
                line.join(step, hub::current().now() + (1 + random() % 50) * 1ms);
                break;
            case 3:
                if (line.size() > 0) line.kill(random() % line.size());
                break;
            case 4:
                line.wake(random() % 4);
                break;
            default:
                line.pass_time(random() % 5 * 1ms);
        }
        same = same && line.same();
        longest = std::max(longest, line.size());
    }
    line.wake(line.size());
    CHECK(same);
    CHECK(line.same());
    CHECK(line.size() == 0);
    CHECK(longest > 100);
}
