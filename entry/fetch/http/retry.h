/* SPDX-License-Identifier: Apache-2.0 */
/* When a request that failed is tried again: doubling waits with jitter, or the server's own word for how long. */
#ifndef AWEIGH_RETRY_H
#define AWEIGH_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "fetch/settings.h"

struct retry {
	unsigned tries; /* after the first */
	unsigned attempt; /* 0: the first has failed */
	uint64_t wait_s; /* as the server says; UINT64_MAX: it does not */
	uint64_t now_ns;
};
/* false: no more tries, or none before the deadline. `random` is moved on. */
bool retry_plan(const struct fetch_settings *settings, const struct retry *retry, uint64_t *random,
                uint64_t *due_ns);

#endif
