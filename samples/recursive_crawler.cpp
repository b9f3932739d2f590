// A crawler whose fetchers spawn more of themselves into the pool that they run in:
// eventlet's recursive web crawler, over a web of its own.
//
// usage: recursive_crawler [--once]     --once: the same, it always ends
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

// Pages that link to one another, in circles too. One never answers.
const std::map<std::string, links>& web() {
    static const std::map<std::string, links> pages = {
        {"/", {"/a", "/b", "/silent"}},
        {"/a", {"/", "/a/1", "/a/2"}},
        {"/b", {"/a", "/b/1"}},
        {"/a/1", {}},
        {"/a/2", {"/b"}},
        {"/b/1", {"/"}},
    };
    return pages;
}

links fetch(const std::string& url) {
    tendril::sleep(url == "/silent" ? 1h : 1ms);
    return web().at(url);
}

class crawler {
  public:
    void crawl(const std::string& url) {
        if (!seen_.insert(url).second) return;
        // A page that takes too long has no links.
        const links found = tendril::with_timeout(
            50ms, [&] { return fetch(url); }, links{});
        for (const std::string& next : found) {
            pool_.spawn_n([this, next] { crawl(next); });
        }
    }

    const std::set<std::string>& crawl_all(const std::string& start) {
        pool_.spawn_n([this, start] { crawl(start); });
        pool_.wait_all();
        return seen_;
    }

  private:
    tendril::pool pool_{3};
    std::set<std::string> seen_;
};

}  // namespace

int main() {
    tendril::run([] {
        crawler c;
        for (const std::string& url : c.crawl_all("/"))
            std::printf("%s\n", url.c_str());
    });
}
