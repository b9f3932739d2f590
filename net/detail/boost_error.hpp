// boost_error.hpp - Boost's exceptions as those of std, which is what users are told to
// catch.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <boost/system/system_error.hpp>

#include <system_error>

namespace tendril::detail {

// Returns what f() returns; a boost::system::system_error becomes a std::system_error.
template <class F>
decltype(auto) with_std_errors(F f) {
    try {
        return f();
    } catch (const boost::system::system_error& e) {
        throw std::system_error(e.code().value(), std::system_category(), e.what());
    }
}

}  // namespace tendril::detail
