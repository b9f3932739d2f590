// An echo server of Boost.Asio's own stackful coroutines, boost::asio::spawn.
// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>

#include "announce.h"

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using executor = asio::io_context::executor_type;
using yield_context = asio::basic_yield_context<executor>;
using socket_type = asio::basic_stream_socket<tcp, executor>;
using acceptor_type = asio::basic_socket_acceptor<tcp, executor>;

void echo(socket_type s, yield_context yield) {
    std::array<char, 4096> buffer;
    boost::system::error_code error;
    for (;;) {
        const std::size_t n = s.async_read_some(asio::buffer(buffer), yield[error]);
        if (error) return;
        asio::async_write(s, asio::buffer(buffer, n), yield[error]);
        if (error) return;
    }
}

}  // namespace

int main() {
    asio::io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO);
    asio::spawn(
        context.get_executor(),
        [&](yield_context yield) {
            acceptor_type acceptor(context, {asio::ip::address_v4::loopback(), 0});
            announce(acceptor.local_endpoint().port());
            for (;;) {
                socket_type s(context);
                acceptor.async_accept(s, yield);
                s.set_option(tcp::no_delay(true));
                asio::spawn(
                    context.get_executor(),
                    [s = std::move(s)](yield_context inner) mutable {
                        echo(std::move(s), inner);
                    },
                    asio::detached);
            }
        },
        asio::detached);
    context.run();
}
