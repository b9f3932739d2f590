/* announce.h - a server says where it is: its port and its process, on one line of
 * standard output. The load generator reads it.
 *
 * SPDX-License-Identifier: BSL-1.0 */
#pragma once

#include <stdio.h>
#include <unistd.h>

static inline void announce(unsigned port) {
    printf("%u %ld\n", port, (long)getpid());
    fflush(stdout);
}
