// Two producers and two consumers around a queue; the consumers never end by
// themselves, and are cancelled.
//
// usage: producer_consumer [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <random>
#include <string_view>

namespace {

tendril::duration second = std::chrono::seconds(1);

int random_number() {
    static std::minstd_rand source(std::random_device{}());
    return std::uniform_int_distribution<int>(1, 10)(source);
}

void consumer(tendril::queue<int>& values, const char* identity) {
    for (;;) {
        const int value = values.get();
        std::printf("%s get a val: %d\n", identity, value);
        tendril::sleep(second);
    }
}

void producer(tendril::queue<int>& values, const char* identity) {
    for (int i = 0; i < 5; ++i) {
        const int value = random_number();
        values.put(value);
        std::printf("%s put a val: %d\n", identity, value);
        tendril::sleep(second);
    }
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    tendril::run([] {
        tendril::queue<int> values;
        const auto consumer_1 =
            tendril::spawn(consumer, std::ref(values), "consumer_1");
        const auto consumer_2 =
            tendril::spawn(consumer, std::ref(values), "consumer_2");
        const auto producer_1 =
            tendril::spawn(producer, std::ref(values), "producer_1");
        const auto producer_2 =
            tendril::spawn(producer, std::ref(values), "producer_2");
        tendril::sleep(10 * second);
        consumer_1.kill();
        consumer_2.kill();
        const auto ended = tendril::gather(tendril::return_exceptions, consumer_1,
                                           consumer_2, producer_1, producer_2);
        std::printf(
            "consumer_1 cancelled: %s\n",
            std::get<0>(ended).failed_with<tendril::greenlet_exit>() ? "yes" : "no");
    });
}
