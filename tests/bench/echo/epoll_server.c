/* The floor of an echo server: one thread, a level-triggered epoll loop, one read and
 * one write for each time that a connection is readable, and no allocation on the way.
 * SPDX-License-Identifier: BSL-1.0 */
#define _GNU_SOURCE
#include "announce.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { buffer_size = 4096, events_at_once = 1024 };

/* What a connection is owed when it would take no more; `left` is 0 nearly always. */
struct connection {
    char* owed;
    size_t at;
    size_t left;
};

static int epoll_fd;
static struct connection* connections; /* by descriptor */
static char buffer[buffer_size];

static void die(const char* what) {
    perror(what);
    exit(1);
}

static void watch(int op, int fd, unsigned events) {
    struct epoll_event e = {.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll_fd, op, fd, &e) != 0) die("epoll_ctl");
}

static void hang_up(int fd) {
    free(connections[fd].owed);
    connections[fd] = (struct connection){0};
    close(fd);
}

static void accept_all(int listener) {
    for (;;) {
        const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN) return;
            if (errno == EINTR || errno == ECONNABORTED) continue;
            die("accept4");
        }
        const int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

/* The rest waits until the peer reads on, and so does the peer's next message. */
static void keep_for_later(int fd, const char* rest, size_t size) {
    struct connection* c = &connections[fd];
    if (c->owed == NULL && (c->owed = malloc(buffer_size)) == NULL) die("malloc");
    memcpy(c->owed, rest, size);
    c->at = 0;
    c->left = size;
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void echo(int fd) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) {
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        hang_up(fd);
        return;
    }
    ssize_t sent = write(fd, buffer, (size_t)got);
    if (sent == got) return;
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            hang_up(fd);
            return;
        }
        sent = 0;
    }
    keep_for_later(fd, buffer + sent, (size_t)(got - sent));
}

static void pay(int fd) {
    struct connection* c = &connections[fd];
    const ssize_t sent = write(fd, c->owed + c->at, c->left);
    if (sent < 0) {
        if (errno != EAGAIN && errno != EINTR) hang_up(fd);
        return;
    }
    c->at += (size_t)sent;
    c->left -= (size_t)sent;
    if (c->left == 0) watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static int listen_on_loopback(void) {
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr*)&at, size) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr*)&at, &size) != 0) {
        die("listen");
    }
    announce(ntohs(at.sin_port));
    return fd;
}

int main(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0) die("getrlimit");
    connections = calloc(files.rlim_cur, sizeof *connections);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (connections == NULL || epoll_fd < 0) die("epoll_create1");
    const int listener = listen_on_loopback();
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    static struct epoll_event events[events_at_once];
    for (;;) {
        const int count = epoll_wait(epoll_fd, events, events_at_once, -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(fd);
            } else if (connections[fd].left > 0) {
                pay(fd);
            } else {
                echo(fd);
            }
        }
    }
}
