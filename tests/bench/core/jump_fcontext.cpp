// The floor of a yield: Boost.Context's jump_fcontext from stack to stack round a ring,
// and nothing else: no queue, no state, no exception globals, no errno.
// SPDX-License-Identifier: BSL-1.0
#include <boost/context/detail/fcontext.hpp>

#include <cstddef>
#include <vector>

#include "measure.hpp"
#include <sys/mman.h>

namespace {

namespace context = boost::context::detail;

struct node {
    context::fcontext_t at = nullptr;  // where it goes on
    node* next = nullptr;
    bench::stopwatch* watch = nullptr;  // of the node that times the ring
    std::uint64_t turns = 0;
    node* caller = nullptr;  // where the ring was entered
};

void hop(node& self, node& to) {
    const context::transfer_t t = context::jump_fcontext(to.at, &self);
    static_cast<node*>(t.data)->at = t.fctx;
}

void body(context::transfer_t t) {
    node& from = *static_cast<node*>(t.data);
    from.at = t.fctx;
    node& self = *from.next;
    if (self.watch == nullptr) {
        for (;;) hop(self, *self.next);
    }
    hop(self, *self.next);  // after this one, all have begun
    self.watch->start();
    for (std::uint64_t i = 0; i < self.turns; ++i) hop(self, *self.next);
    self.watch->stop();
    hop(self, *self.caller);
}

template <std::size_t size>
void yield_ring(std::uint64_t n, bench::stopwatch& watch) {
    // An odd number of pages each, and staggered starts, or the hot lines of all the
    // stacks would meet in the same few sets of the cache.
    constexpr std::size_t stack = 5 * 4096;
    void* const memory = mmap(nullptr, size * stack, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bench::require(memory != MAP_FAILED, "no memory for stacks");
    std::vector<node> ring(size);
    node outside;
    outside.next = ring.data();
    for (std::size_t i = 0; i < size; ++i) {
        std::byte* const end = static_cast<std::byte*>(memory) + (i + 1) * stack;
        ring[i].at = context::make_fcontext(end - i % 32 * 64, stack / 2, body);
        ring[i].next = &ring[(i + 1) % size];
    }
    ring[0].watch = &watch;
    ring[0].turns = n / size;
    ring[0].caller = &outside;
    hop(outside, ring[0]);
    munmap(memory, size * stack);
}

constexpr bench::work all[] = {
    {"yield_2", yield_ring<2>},
    {"yield_1000", yield_ring<1000>},
};

}  // namespace

int main(int argc, char** argv) {
    return bench::run_main(argc, argv, all);
}
