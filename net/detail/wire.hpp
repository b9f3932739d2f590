// wire.hpp - values as bytes, between processes that are forks of one another.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <ranges>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

namespace tendril::detail {

using byte_view = std::span<const std::byte>;
using byte_string = std::vector<std::byte>;

template <class T>
concept byte_sequence = std::same_as<T, std::string> || std::same_as<T, byte_string>;

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

// A pointer would point into another process, and so would a view.
template <class T>
concept crosses_processes = byte_sequence<T> ||
    (std::is_trivially_copyable_v<T> && !std::is_pointer_v<T> &&
     !std::is_member_pointer_v<T> && !std::ranges::view<T> && !is_reference_wrapper<T>);

// As the parameter of a call: its changes would be lost.
template <class P>
concept writes_to_caller =
    std::is_lvalue_reference_v<P> && !std::is_const_v<std::remove_reference_t<P>>;

// What is in both processes at the same place, such as a function, may be a pointer.
template <class T>
concept plain = std::is_trivially_copyable_v<T>;

template <plain T>
void write_plain(byte_string& to, const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    to.insert(to.end(), bytes.begin(), bytes.end());
}

inline byte_view take_bytes(byte_view& from, std::size_t count) {
    if (count > from.size()) throw std::length_error("a message is too short");
    const byte_view taken = from.first(count);
    from = from.subspan(count);
    return taken;
}

template <plain T>
T take_plain(byte_view& from) {
    std::array<std::byte, sizeof(T)> raw;
    std::memcpy(raw.data(), take_bytes(from, sizeof(T)).data(), sizeof(T));
    return std::bit_cast<T>(raw);
}

template <crosses_processes T>
void write_value(byte_string& to, const T& value) {
    if constexpr (byte_sequence<T>) {
        write_plain(to, std::uint64_t{value.size()});
        const auto bytes = std::as_bytes(std::span(value));
        to.insert(to.end(), bytes.begin(), bytes.end());
    } else {
        write_plain(to, value);
    }
}

template <crosses_processes T>
T take_value(byte_view& from) {
    if constexpr (byte_sequence<T>) {
        const auto count = take_plain<std::uint64_t>(from);
        const byte_view bytes = take_bytes(from, count);
        T value(bytes.size(), {});
        if (!bytes.empty()) std::memcpy(value.data(), bytes.data(), bytes.size());
        return value;
    } else {
        return take_plain<T>(from);
    }
}

}  // namespace tendril::detail
