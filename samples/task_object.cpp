// What a task can be asked, and what is called when it is done.
//
// usage: task_object [--once]     --once: a second is over in ten milliseconds
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

namespace {

tendril::duration second = std::chrono::seconds(1);

std::string work(int seconds) {
    std::printf("start %d\n", seconds);
    tendril::sleep(seconds * second);
    std::printf("end %d\n", seconds);
    return "ok";
}

const char* yes_or_no(bool b) {
    return b ? "yes" : "no";
}

void main_1() {
    std::puts("main 1");
    const auto t = tendril::spawn(work, 1);
    tendril::spawn(work, 2);  // run() ends it with everything else that is left
    std::puts("main 2");
    t.wait();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc > 1 && std::string_view(argv[1]) == "--once") second /= 100;
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);
    tendril::run([] {
        const auto task = tendril::spawn(work, 1);
        task.link([] { std::puts("done callback"); });
        const auto removed = task.link([] { std::puts("never called"); });
        std::printf("callback removed: %s\n", yes_or_no(task.unlink(removed)));
        std::printf("done: %s\n", yes_or_no(task.done()));
        task.join();
        std::printf("done: %s\n", yes_or_no(task.done()));
        std::printf("result: %s\n", task.wait().c_str());

        const auto other = tendril::spawn(work, 2);
        std::printf("cancelled: %s\n", yes_or_no(other.cancel()));
        std::printf("ended by an exception: %s\n",
                    yes_or_no(other.exception() != nullptr));
    });
    tendril::run(main_1);
    std::puts("end");
}
