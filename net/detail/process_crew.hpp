// process_crew.hpp - the fibers of a process pool: one for each worker, which brings it
// the calls and brings back what came of them.
//
// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <tendril/net/detail/process_call.hpp>
#include <tendril/net/detail/process_handle.hpp>
#include <tendril/net/detail/zygote.hpp>
#include <tendril/net/socket.hpp>
#include <tendril/runtime/clock.hpp>
#include <tendril/runtime/fiber.hpp>
#include <tendril/sync/queue.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace tendril::detail {

class process_crew {
  public:
    // Kept by its fibers, too, until they are over.
    static std::shared_ptr<process_crew> make(std::size_t workers);

    process_crew(const process_crew&) = delete;
    process_crew& operator=(const process_crew&) = delete;
    ~process_crew() = default;

    // False if it is closed.
    bool put(std::shared_ptr<process_call> call);

    // No more calls: the fibers end by themselves when they have done what there is.
    void refuse_more() noexcept { calls_.close(); }

    // See process_pool::close().
    bool close(time_point deadline);

    // This is the process that made it.
    bool is_ours() const noexcept;

  private:
    struct worker {
        pid_t process;
        net::socket socket;
        process_handle handle;

        // REQUIRES  nothing has been asked of it.
        bool has_gone() const noexcept;
    };

    class member;

    process_crew();
    void start(const std::shared_ptr<process_crew>& self, std::size_t workers);
    void serve_calls(std::optional<worker>& own);
    void count_out() noexcept;
    void do_call(std::optional<worker>& own, process_call& call);
    int lose(std::optional<worker>& own, bool now) noexcept;
    void drop_calls() noexcept;
    std::optional<byte_string> exchange(worker& with, const process_call& call);
    worker make_worker();

    const pid_t owner_;
    zygote zygote_;
    queue<std::shared_ptr<process_call>> calls_;
    std::size_t serving_ = 0;
    std::vector<fiber<>> fibers_;
};

}  // namespace tendril::detail
