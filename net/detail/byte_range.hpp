// byte_range.hpp - what counts as bytes to send and as room to receive them.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <concepts>
#include <cstddef>
#include <ranges>
#include <string_view>
#include <type_traits>

namespace tendril::detail {

template <class T>
concept byte_like =
    std::same_as<T, char> || std::same_as<T, unsigned char> || std::same_as<T, char8_t>;

// std::byte has functions of its own, which these are made of.
template <class R>
concept byte_range = std::ranges::contiguous_range<R> && std::ranges::sized_range<R> &&
    byte_like<std::ranges::range_value_t<R>>;

template <class R>
concept byte_room = byte_range<R> &&
    !std::is_const_v<std::remove_reference_t<std::ranges::range_reference_t<R>>>;

// Not what is a text, which knows better where it ends.
template <class R>
concept byte_data =
    byte_range<const R> && !std::convertible_to<const R&, std::string_view> &&
    !std::convertible_to<const R&, std::u8string_view>;

}  // namespace tendril::detail
