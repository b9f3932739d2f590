// Pages that take one to four seconds: one after the other, and then all at once, in
// the stages that a note on asyncio goes through.
//
// usage: crawl_page [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

using pages = std::vector<std::string>;

tendril::duration second = std::chrono::seconds(1);

void crawl_page(const std::string& url) {
    std::printf("crawling %s\n", url.c_str());
    const int seconds = std::stoi(url.substr(url.rfind('_') + 1));
    tendril::sleep(seconds * second);
    std::printf("OK %s\n", url.c_str());
}

// What looks like blocking is: nobody else is there.
void one_after_the_other(const pages& urls) {
    for (const auto& url : urls) crawl_page(url);
}

// A fiber that is waited for at once is a call with another stack.
void fibers_one_by_one(const pages& urls) {
    for (const auto& url : urls) tendril::spawn(crawl_page, url).wait();
}

void tasks(const pages& urls) {
    std::vector<tendril::fiber<>> all;
    for (const auto& url : urls) all.push_back(tendril::spawn(crawl_page, url));
    for (const auto& task : all) task.wait();
}

void gathered(const pages& urls) {
    std::vector<tendril::fiber<>> all;
    for (const auto& url : urls) all.push_back(tendril::spawn(crawl_page, url));
    tendril::gather(all);
}

void timed(const char* title, void (*stage)(const pages&)) {
    std::printf("-- %s\n", title);
    const auto begin = tendril::hub::current().now();
    stage({"url_1", "url_2", "url_3", "url_4"});
    const auto took = (tendril::hub::current().now() - begin + second / 2) / second;
    std::printf("-- %d seconds\n", static_cast<int>(took));
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    timed("one after the other", one_after_the_other);
    timed("fibers, one by one", fibers_one_by_one);
    timed("tasks", tasks);
    timed("gathered", gathered);
}
