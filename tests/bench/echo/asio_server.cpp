// An echo server of Boost.Asio callbacks.
// SPDX-License-Identifier: BSL-1.0
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <memory>

#include "announce.h"

namespace {

using boost::asio::io_context;
using boost::asio::ip::tcp;
using boost::system::error_code;

// Says that no other thread is there, as a knowing user of Asio would; and names the
// context's type where Asio's default would erase it.
using socket_type = boost::asio::basic_stream_socket<tcp, io_context::executor_type>;
using acceptor_type =
    boost::asio::basic_socket_acceptor<tcp, io_context::executor_type>;

class session : public std::enable_shared_from_this<session> {
  public:
    explicit session(socket_type s) : socket_(std::move(s)) {}

    void read() {
        socket_.async_read_some(
            boost::asio::buffer(buffer_),
            [this, self = shared_from_this()](const error_code& e, std::size_t n) {
                if (!e) write(n);
            });
    }

  private:
    void write(std::size_t n) {
        boost::asio::async_write(
            socket_, boost::asio::buffer(buffer_, n),
            [this, self = shared_from_this()](const error_code& e, std::size_t) {
                if (!e) read();
            });
    }

    socket_type socket_;
    std::array<char, 4096> buffer_;
};

void accept(acceptor_type& acceptor) {
    acceptor.async_accept([&acceptor](const error_code& e, socket_type s) {
        if (!e) {
            s.set_option(tcp::no_delay(true));
            std::make_shared<session>(std::move(s))->read();
        }
        accept(acceptor);
    });
}

}  // namespace

int main() {
    io_context context(BOOST_ASIO_CONCURRENCY_HINT_UNSAFE_IO);
    acceptor_type acceptor(context, {boost::asio::ip::address_v4::loopback(), 0});
    announce(acceptor.local_endpoint().port());
    accept(acceptor);
    context.run();
}
