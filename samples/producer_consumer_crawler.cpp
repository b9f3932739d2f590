// A crawler whose fetchers put what they find into a queue, from which one dispatcher
// spawns more of them: eventlet's producer-consumer web crawler.
//
// usage: producer_consumer_crawler [--once]     --once: the same, it always ends
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

using links = std::vector<std::string>;

const std::map<std::string, links>& web() {
    static const std::map<std::string, links> pages = {
        {"/", {"/a", "/b"}}, {"/a", {"/", "/a/1"}}, {"/b", {"/a", "/b/1"}},
        {"/a/1", {}},        {"/b/1", {"/"}},
    };
    return pages;
}

void fetch(const std::string& url, tendril::queue<std::string>& found) {
    std::printf("fetching %s\n", url.c_str());
    tendril::sleep(1ms);
    for (const std::string& next : web().at(url)) found.put(next);
}

// Ends when nobody is fetching and there is nothing to fetch.
std::size_t crawl(const std::string& start) {
    tendril::pool fetchers(10);
    tendril::queue<std::string> found;
    std::set<std::string> seen;
    found.put(start);
    while (!found.empty() || fetchers.running() > 0) {
        const auto url = found.get_for(100ms);
        if (!url) continue;
        if (seen.insert(*url).second) {
            fetchers.spawn_n([&found, next = *url] { fetch(next, found); });
        }
    }
    return seen.size();
}

}  // namespace

int main() {
    tendril::run([] { std::printf("%zu pages\n", crawl("/")); });
}
