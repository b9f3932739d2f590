// interleavings.cpp - every order in which the steps of senders and of a hub can come:
// each letter is opened once or refused once, and no hub sleeps on one.
//
// The mailbox and the bell's flag are the library's own, over atomics each of whose
// operations is a step: a greenlet plays each thread, and between two steps another may
// go on. One run takes one way through the tree of choices; the next run takes the next
// one, until there are no more. Where those would be too many, as many as have a number
// of preemptions: switches away from a thread that could go on. Orders that only a
// weaker memory than that has are not among them; those are ThreadSanitizer's to find,
// see handoffs.cpp.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/runtime/detail/doorbell.hpp>
#include <tendril/runtime/detail/mailbox.hpp>
#include <tendril/runtime/greenlet.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdio>
#include <utility>
#include <vector>

using namespace tendril;
using detail::letter;

namespace {

// Here another thread may go on.
void step() {
    greenlet<>::current().parent().switch_to();
}

template <class T>
class stepping {
  public:
    explicit stepping(T value) : value_(value) {}

    T load(std::memory_order /*order*/ = {}) const {
        step();
        return value_;
    }

    void store(T value, std::memory_order /*order*/ = {}) {
        step();
        value_ = value;
    }

    T exchange(T value, std::memory_order /*order*/ = {}) {
        step();
        return std::exchange(value_, value);
    }

    bool compare_exchange_weak(T& expected,
                               T value,
                               std::memory_order /*success*/,
                               std::memory_order /*failure*/) {
        step();
        if (value_ == expected) {
            value_ = value;
            return true;
        }
        expected = value_;
        return false;
    }

  private:
    T value_;
};

// A way through a tree, and the way after it.
class way {
  public:
    std::size_t choose(std::size_t many) {
        if (at_ == taken_.size()) taken_.push_back({0, many});
        return taken_[at_++].which;
    }

    // False: that was the last one.
    bool next() {
        at_ = 0;
        while (!taken_.empty() && taken_.back().which + 1 == taken_.back().of) {
            taken_.pop_back();
        }
        if (taken_.empty()) return false;
        ++taken_.back().which;
        return true;
    }

  private:
    struct fork {
        std::size_t which, of;
    };

    std::vector<fork> taken_;
    std::size_t at_ = 0;
};

struct counted : letter {
    int opened = 0, refused = 0;
};

enum class hub_kind { sound, looks_too_early };

// One run: some senders with letters of their own, and a hub that sleeps when there are
// none.
class run {
  public:
    run(std::size_t senders, std::size_t each, bool closes, hub_kind kind)
        : letters_(senders * each), closes_(closes), kind_(kind) {
        for (std::size_t s = 0; s < senders; ++s) {
            threads_.emplace_back([this, s, each] { send(s * each, each); });
        }
        threads_.emplace_back([this] { turn(); });
    }

    run(const run&) = delete;
    run& operator=(const run&) = delete;

    // False if somebody can never go on, or a letter came to nothing or twice.
    bool take(way& w, int preemptions) {
        std::vector<greenlet<>*> able;
        greenlet<>* last = nullptr;
        for (;;) {
            able.clear();
            for (greenlet<>& t : threads_) {
                if (is_able(t)) able.push_back(&t);
            }
            if (able.empty()) break;
            const bool goes_on = last != nullptr && is_able(*last);
            greenlet<>* next = last;
            if (!goes_on || preemptions > 0) next = able[w.choose(able.size())];
            if (goes_on && next != last) --preemptions;
            last = next;
            next->switch_to();
        }
        return std::all_of(letters_.begin(), letters_.end(),
                           [](const counted& l) { return l.opened + l.refused == 1; });
    }

  private:
    using box = detail::basic_mailbox<stepping>;

    bool is_able(const greenlet<>& t) const {
        const bool waits = &t == &threads_.back() && asleep_ && !rung_;
        return !t.dead() && !waits;
    }

    void send(std::size_t first, std::size_t many) {
        for (counted* l = &letters_[first]; many > 0; --many, ++l) {
            const auto how = box_.push(*l);
            if (how == box::pushed::refused) ++l->refused;
            if (how == box::pushed::first && flag_.take_down()) {
                step();
                rung_ = true;
            }
        }
    }

    void turn() {
        while (opened_ < letters_.size()) {
            open(box_.take());
            if (closes_) return open(box_.close());
            if (opened_ < letters_.size()) sleep();
        }
    }

    void sleep() {
        const bool too_early = kind_ == hub_kind::looks_too_early && box_.empty();
        flag_.raise();
        if (too_early || box_.empty()) {
            asleep_ = true;
            step();
            asleep_ = rung_ = false;
        }
        flag_.lower();
    }

    void open(letter* l) {
        for (; l != nullptr; l = l->next_letter, ++opened_) {
            ++static_cast<counted*>(l)->opened;
        }
    }

    std::vector<counted> letters_;
    bool closes_;
    hub_kind kind_;
    box box_;
    detail::basic_sleep_flag<stepping> flag_;
    bool asleep_ = false, rung_ = false;
    std::size_t opened_ = 0;
    std::vector<greenlet<>> threads_;
};

constexpr int any_number = 1 << 20;

struct scenario {
    std::size_t senders, each;
    bool closes;
    int preemptions;
    hub_kind kind = hub_kind::sound;
};

// How many orders go wrong.
long wrong(const scenario& s) {
    long orders = 0, wrong = 0;
    way w;
    do {
        run r(s.senders, s.each, s.closes, s.kind);
        ++orders;
        if (!r.take(w, s.preemptions)) ++wrong;
    } while (w.next());
    std::printf("%zu x %zu letters, a hub that %s%s: ", s.senders, s.each,
                s.closes ? "closes" : "sleeps",
                s.kind == hub_kind::sound ? "" : " without a second look");
    if (s.preemptions != any_number) {
        std::printf("up to %d preemptions, ", s.preemptions);
    }
    std::printf("%ld orders, %ld wrong\n", orders, wrong);
    std::fflush(stdout);
    return wrong;
}

}  // namespace

int main() {
    long bad = 0;
    for (const scenario& s : {scenario{1, 1, false, any_number},
                              {1, 2, false, any_number},
                              {1, 2, true, any_number},
                              {2, 1, true, any_number},
                              {2, 1, false, 5},
                              {2, 2, false, 4},
                              {3, 1, false, 4},
                              {3, 2, true, 4}}) {
        bad += wrong(s);
    }
    // That it would be found.
    const long found = wrong({1, 1, false, any_number, hub_kind::looks_too_early});
    return bad == 0 && found > 0 ? 0 : 1;
}
