/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fetcher's process: the owner of the place that it writes, no capabilities, and by Landlock
 * nothing but reading, writing beneath that place, and connecting to the ports of endpoints and proxy.
 */
#ifndef AWEIGH_FETCHER_H
#define AWEIGH_FETCHER_H

#include "fetch/fetch.h"

/* Never returns. Call it in a freshly forked child; `job` with all but its way of sending. */
void fetcher_run(struct fetch_job *job, bool is_directory, bool may_change, int pipe_fd)
        __attribute__((noreturn));

#endif
