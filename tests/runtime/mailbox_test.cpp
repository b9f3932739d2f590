// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/detail/mailbox.hpp>

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "../support/clean_end.hpp"
#include "../support/other_thread.hpp"
#include <doctest/doctest.h>
#include <poll.h>

using namespace tendril;
using detail::doorbell;
using detail::letter;
using detail::mailbox;
using test::clean_end;
using test::clean_end_of_threads;

TEST_SUITE_BEGIN("runtime/detail/mailbox");

namespace {

struct numbered : letter {
    int sender = 0;
    int number = 0;
};

std::vector<int> numbers_of(letter* l) {
    std::vector<int> found;
    for (; l != nullptr; l = l->next_letter) {
        found.push_back(static_cast<numbered*>(l)->number);
    }
    return found;
}

std::vector<numbered> letters(int count, int sender = 0) {
    std::vector<numbered> made(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        made[static_cast<std::size_t>(i)].sender = sender;
        made[static_cast<std::size_t>(i)].number = i;
    }
    return made;
}

bool readable(int fd) {
    pollfd p{.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&p, 1, 0) == 1;
}

}  // namespace

TEST_CASE_FIXTURE(clean_end, "letters are taken all at once, oldest first") {
    mailbox box;
    auto sent = letters(5);
    CHECK(box.empty());
    CHECK(box.take() == nullptr);
    for (numbered& l : sent) box.push(l);
    CHECK_FALSE(box.empty());
    CHECK(numbers_of(box.take()) == std::vector<int>{0, 1, 2, 3, 4});
    CHECK(box.empty());
}

TEST_CASE_FIXTURE(clean_end, "only the first letter after a take says so") {
    mailbox box;
    auto sent = letters(3);
    CHECK(box.push(sent[0]) == mailbox::pushed::first);
    CHECK(box.push(sent[1]) == mailbox::pushed::more);
    box.take();
    CHECK(box.push(sent[2]) == mailbox::pushed::first);
}

TEST_CASE_FIXTURE(clean_end,
                  "a closed mailbox gives out the last letters and no more") {
    mailbox box;
    auto sent = letters(3);
    box.push(sent[0]);
    box.push(sent[1]);
    CHECK(numbers_of(box.close()) == std::vector<int>{0, 1});
    CHECK(box.push(sent[2]) == mailbox::pushed::refused);
}

TEST_CASE_FIXTURE(clean_end,
                  "4 threads x 10,000 letters: none lost, each thread's in order, and "
                  "one that finds the box closed is told") {
    constexpr int threads = 4;
    constexpr int each = 10'000;
    mailbox box;
    std::vector<std::vector<numbered>> sent;
    for (int t = 0; t < threads; ++t) sent.push_back(letters(each, t));
    std::vector<int> accepted(threads, 0);
    std::atomic<int> running{threads};
    std::vector<std::jthread> senders;
    for (std::size_t t = 0; t < threads; ++t) {
        senders.emplace_back([&, t] {
            for (numbered& l : sent[t]) {
                if (box.push(l) == mailbox::pushed::refused) break;
                ++accepted[t];
            }
            --running;
        });
    }
    std::vector<int> next(threads, 0);
    int out_of_order = 0;
    auto read = [&](letter* l) {
        for (; l != nullptr; l = l->next_letter) {
            const auto& n = static_cast<numbered&>(*l);
            out_of_order += n.number != next[static_cast<std::size_t>(n.sender)]++;
        }
    };
    // Closed half-way, while they still send.
    while (next[0] < each / 2 && running > 0) read(box.take());
    read(box.close());
    senders.clear();
    CHECK(out_of_order == 0);
    CHECK(next == accepted);
}

TEST_SUITE_END();

TEST_SUITE_BEGIN("runtime/detail/doorbell");

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a ring is one write for each sleep, and none while awake") {
    doorbell& bell = doorbell::acquire();
    bell.ring();
    CHECK_FALSE(readable(bell.fd()));
    bell.going_to_sleep();
    bell.ring();
    CHECK(readable(bell.fd()));
    bell.drain();
    bell.ring();
    CHECK_FALSE(readable(bell.fd()));
    bell.awake();
    bell.give_back();
}

TEST_CASE_FIXTURE(clean_end_of_threads,
                  "a doorbell is handed on, with nothing left of its past") {
    doorbell& first = doorbell::acquire();
    first.going_to_sleep();
    first.ring();
    first.give_back();
    doorbell& second = doorbell::acquire();
    CHECK(&second == &first);
    CHECK_FALSE(readable(second.fd()));
    second.give_back();
}

TEST_SUITE_END();
