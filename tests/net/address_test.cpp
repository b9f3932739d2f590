// SPDX-License-Identifier: BSL-1.0
#include <tendril/net/address.hpp>
#include <tendril/net/listener.hpp>
#include <tendril/net/socket.hpp>

#include <climits>
#include <cstring>
#include <string>
#include <string_view>
#include <system_error>

#include "../support/clean_end.hpp"
#include <doctest/doctest.h>
#include <net/if.h>

using namespace std::string_literals;
using namespace std::string_view_literals;
namespace net = tendril::net;
using tendril::net::address;
using tendril::test::clean_end;

TEST_SUITE_BEGIN("net/address");

namespace {

// What the error says; empty if there is none, or its code is not invalid_argument.
template <class F>
std::string complaint(F make) {
    try {
        make();
    } catch (const std::system_error& e) {
        if (e.code() == std::errc::invalid_argument) return e.what();
    }
    return {};
}

bool mentions(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE_FIXTURE(clean_end,
                  "what is well written is read, and written the same way again") {
    struct row {
        const char* text;
        int family;
        const char* host;
        unsigned port;
    };

    const row rows[] = {
        {"127.0.0.1:80", AF_INET, "127.0.0.1", 80},
        {"0.0.0.0:0", AF_INET, "0.0.0.0", 0},
        {"255.255.255.255:65535", AF_INET, "255.255.255.255", 65535},
        {"[::1]:8080", AF_INET6, "::1", 8080},
        {"[::]:0", AF_INET6, "::", 0},
        {"[2001:db8::ff]:443", AF_INET6, "2001:db8::ff", 443},
        {"[::ffff:127.0.0.1]:1", AF_INET6, "::ffff:127.0.0.1", 1},
    };
    for (const row& r : rows) {
        CAPTURE(r.text);
        const address a = address::parse(r.text);
        CHECK(a.family() == r.family);
        CHECK(a.host() == r.host);
        CHECK(a.port() == r.port);
        CHECK(a.to_string() == r.text);
        CHECK(a == address(r.host, static_cast<std::uint16_t>(r.port)));
    }
}

TEST_CASE_FIXTURE(clean_end, "one address written in two ways is one address") {
    CHECK(address::parse("[0:0:0:0:0:0:0:1]:80") == address::parse("[::1]:80"));
    CHECK(address::parse("[2001:DB8::1]:80") == address::parse("[2001:db8::1]:80"));
    CHECK(address::parse("127.0.0.1:080") == address::parse("127.0.0.1:80"));
}

TEST_CASE_FIXTURE(clean_end,
                  "addresses that differ in host, port or family are not equal") {
    const address a("127.0.0.1", 80);
    CHECK_FALSE(a == address("127.0.0.2", 80));
    CHECK_FALSE(a == address("127.0.0.1", 81));
    CHECK_FALSE(a == address("::ffff:127.0.0.1", 80));
    CHECK_FALSE(address("::1", 80) == address("::2", 80));
}

TEST_CASE_FIXTURE(clean_end, "what is badly written is refused, quoted and explained") {
    struct row {
        std::string_view text;
        std::string_view why;
    };

    const row rows[] = {
        {"", "has no port"},
        {"127.0.0.1", "has no port"},
        {"localhost", "has no port"},
        {"127.0.0.1:", "port that is not a number from 0 to 65535"},
        {"127.0.0.1:65536", "port that is not a number from 0 to 65535"},
        {"127.0.0.1:99999999999999999999", "port that is not a number"},
        {"127.0.0.1:-1", "port that is not a number"},
        {"127.0.0.1:+1", "port that is not a number"},
        {"127.0.0.1: 80", "port that is not a number"},
        {"127.0.0.1:80 ", "port that is not a number"},
        {"127.0.0.1:http", "port that is not a number"},

        {"::1:80", "needs brackets"},
        {"2001:db8::1", "needs brackets"},
        {"[::1", "needs brackets"},
        {"[::1]", "has no port"},
        {"[::1]80", "needs brackets"},
        {"[::1]:", "port that is not a number"},
    };
    for (const row& r : rows) {
        const std::string text = complaint([&] { address::parse(r.text); });
        CAPTURE(text);
        CHECK(mentions(text, "'" + std::string(r.text) + "'"));
        CHECK(mentions(text, r.why));
    }
}

TEST_CASE_FIXTURE(clean_end, "so is a port that there is not, wherever it is given") {
    for (const int port : {-1, 65536, INT_MIN, INT_MAX}) {
        const std::string quoted = std::to_string(port);
        const std::string text = complaint([&] { address("127.0.0.1", port); });
        CHECK(mentions(text, quoted));
        CHECK(mentions(complaint([&] { net::listen("::1", port); }), quoted));
        CHECK(mentions(complaint([&] { net::connect("::1", port); }), quoted));
    }
}

TEST_CASE_FIXTURE(clean_end, "a host that is not a number is refused and quoted") {
    const std::string_view hosts[] = {
        "localhost",  "example.org", "",    " 127.0.0.1", "127.0.0.1 ",
        "127.0.0",    "127.0.0.256", "1",   "0x7f.0.0.1", "127.0.0.1%lo",
        "[::1]",      ":",           ":::", "1::2::3",    "::g",
        "127.0.0.1.",
    };
    for (const std::string_view host : hosts) {
        const std::string text = complaint([&] { address(host, 80); });
        CAPTURE(text);
        CHECK(mentions(text, "'" + std::string(host) + "'"));
        CHECK(mentions(text, "is neither an IPv4 nor an IPv6 address"));
    }
}

TEST_CASE_FIXTURE(clean_end, "a NUL ends nothing early") {
    for (const std::string_view host :
         {"127.0.0.1\0"sv, "::1\0"sv, "::1%lo\0x"sv, "\0"sv}) {
        CHECK_FALSE(complaint([&] { address(host, 80); }).empty());
    }
    for (const std::string_view text : {"127.0.0.1:80\0"sv, "127.0.0.1\0:80"sv}) {
        CHECK_FALSE(complaint([&] { address::parse(text); }).empty());
    }
}

TEST_CASE_FIXTURE(clean_end,
                  "an interface is known by its name and its number, or refused") {
    const std::string index = std::to_string(if_nametoindex("lo"));
    CHECK(address("fe80::1%lo", 80).host() == "fe80::1%" + index);
    CHECK(address("fe80::1%lo", 80) == address("fe80::1%" + index, 80));
    CHECK_FALSE(address("fe80::1%lo", 80) == address("fe80::1", 80));
    CHECK(address::parse("[fe80::1%lo]:80") == address("fe80::1%lo", 80));
    for (const std::string host :
         {"fe80::1%", "fe80::1%no-such-one", "fe80::1%4294967296"}) {
        const std::string text = complaint([&] { address(host, 80); });
        CHECK(mentions(text, "'" + host + "' has an unknown interface"));
    }
}

TEST_CASE_FIXTURE(clean_end, "by default it is 0.0.0.0:0") {
    CHECK(address().to_string() == "0.0.0.0:0");
    CHECK(address() == address("0.0.0.0", 0));
}

TEST_CASE_FIXTURE(clean_end, "the system takes it and gives it back") {
    for (const char* host : {"127.0.0.1", "::1"}) {
        const address a(host, 4711);
        sockaddr_storage copy{};
        std::memcpy(&copy, a.data(), a.size());
        CHECK(address::from(copy) == a);
        CHECK(address::from(copy).to_string() == a.to_string());
    }
}

TEST_SUITE_END();
