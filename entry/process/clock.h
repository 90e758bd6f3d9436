/* SPDX-License-Identifier: Apache-2.0 */
/* Time as the gate counts it: the monotonic clock, in nanoseconds. */
#ifndef AWEIGH_CLOCK_H
#define AWEIGH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What is left until `deadline_ns`, for poll(2): rounded up, 0 when it has passed. */
static inline int clock_left_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_now_ns(), left;

	if (now >= deadline_ns)
		return 0;
	left = (deadline_ns - now + 999999u) / 1000000u;
	return left > 86400000u ? 86400000 : (int)left;
}

#endif
