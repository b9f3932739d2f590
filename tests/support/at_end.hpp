// at_end.hpp - clean-up, as a destructor does it.
//
//     const at_end note{[&] { order += 'x'; }};
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace tendril::test {

// Calls f() when it is destroyed.
template <class F>
struct at_end {
    F f;

    ~at_end() { f(); }
};

template <class F>
at_end(F) -> at_end<F>;

}  // namespace tendril::test
