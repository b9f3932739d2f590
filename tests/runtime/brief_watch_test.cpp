// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/detail/brief_watch.hpp>
#include <tendril/runtime/detail/mailbox.hpp>

#include <doctest/doctest.h>

using namespace tendril;
using detail::brief_watch;
using detail::letter;
using detail::mailbox;

TEST_SUITE_BEGIN("runtime/detail/brief_watch");

namespace {

// A watch that is over as soon as it has begun.
constexpr time_point at_once{};

// How many chances pass before a letter that lies there is seen.
int chances_until_seen(brief_watch& watch, const mailbox& mail) {
    for (int passed = 0; passed < 5000; ++passed) {
        watch.letter_came();
        if (watch.sees_letter(mail, never)) return passed;
    }
    return -1;
}

}  // namespace

TEST_CASE("a letter that has come is seen") {
    mailbox mail;
    letter l;
    mail.push(l);
    brief_watch watch;
    watch.letter_came();
    CHECK(watch.sees_letter(mail, never));
    mail.take();
}

TEST_CASE("a hub that has had no letter since it slept does not watch") {
    mailbox mail;
    letter l;
    mail.push(l);
    brief_watch watch;
    CHECK_FALSE(watch.sees_letter(mail, never));
    watch.letter_came();
    CHECK(watch.sees_letter(mail, never));
    CHECK_FALSE(watch.sees_letter(mail, never));
    mail.take();
}

TEST_CASE(
    "each watch in vain lets twice as many chances pass until one sees a letter") {
    const mailbox empty;
    mailbox mail;
    letter l;
    mail.push(l);
    brief_watch watch;
    int passed_before = 0;
    for (int in_vain = 1; in_vain <= 12; ++in_vain) {
        // What is passed over now would have been in vain, too.
        for (int i = 0; i <= passed_before; ++i) {
            watch.letter_came();
            CHECK_FALSE(watch.sees_letter(empty, at_once));
        }
        brief_watch then = watch;
        const int passed = chances_until_seen(then, mail);
        CHECK(passed == (in_vain <= 10 ? (1 << in_vain) - 1 : 1023));
        CHECK(chances_until_seen(then, mail) == 0);
        passed_before = passed;
    }
    mail.take();
}

TEST_SUITE_END();
