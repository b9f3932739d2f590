// A page fetched over HTTP and a file written, at once, by two workers that look as if
// they blocked.
//
// usage: http_and_file_workers [--once]     --once: the same, it always ends
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include <unistd.h>

namespace net = tendril::net;

namespace {

void serve_page(net::socket client) {
    for (std::string request; request.find("\r\n\r\n") == std::string::npos;) {
        const std::string part = client.recv(1024);
        if (part.empty()) return;
        request += part;
    }
    client.send_all(
        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
        "Content-Length: 5\r\n\r\nhello");
}

std::string http_worker(const net::address& from) {
    net::socket client = net::connect(from);
    client.send_all("GET / HTTP/1.0\r\n\r\n");
    std::string answer;
    for (std::string part; !(part = client.recv(1024)).empty();) answer += part;
    std::printf("%s\n", answer.substr(0, answer.find("\r\n")).c_str());
    return "http";
}

std::string file_worker(const std::filesystem::path& path) {
    // A file system may take its time, so a thread does that.
    tendril::blocking([path] { std::ofstream(path) << "test"; });
    return "file";
}

}  // namespace

int main() {
    const auto path = std::filesystem::temp_directory_path() /
                      ("http_and_file_workers." + std::to_string(getpid()));
    tendril::run([&] {
        net::listener at = net::listen("127.0.0.1", 0);
        const net::address where = at.local_address();
        const auto server = tendril::spawn(net::serve, std::move(at), serve_page, 10);
        const auto [http, file] = tendril::gather([&] { return http_worker(where); },
                                                  [&] { return file_worker(path); });
        std::printf("['%s', '%s']\n", http.c_str(), file.c_str());
        server.kill();
    });
    std::printf("%ju bytes in the file\n",
                static_cast<std::uintmax_t>(std::filesystem::file_size(path)));
    std::filesystem::remove(path);
}
