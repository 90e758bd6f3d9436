/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/retry.h"

#define MAX_WAIT_S 86400u
#define MORE_MS 1000u /* than the server says, at most: its clock is not ours */

/* Spreads replicas that failed at once: a quarter more at most, by xorshift64. */
static uint64_t jittered(uint64_t *random, uint64_t ms)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return ms + (ms > 3 ? *random % (ms / 4) : 0);
}

static uint64_t backoff_ms(const struct fetch_settings *settings, unsigned attempt)
{
	uint64_t delay = settings->retry_delay_ms;

	for (unsigned i = 0; i < attempt && delay < settings->retry_max_delay_ms; i++)
		delay *= 2;
	return delay > settings->retry_max_delay_ms ? settings->retry_max_delay_ms : delay;
}

bool retry_plan(const struct fetch_settings *settings, const struct retry *retry, uint64_t *random,
                uint64_t *due_ns)
{
	uint64_t wait_s = retry->wait_s > MAX_WAIT_S ? MAX_WAIT_S : retry->wait_s, wait_ms;

	if (retry->attempt >= retry->tries)
		return false;
	wait_ms = retry->wait_s != UINT64_MAX ?
	                  wait_s * 1000u + jittered(random, MORE_MS) :
	                  jittered(random, backoff_ms(settings, retry->attempt));
	*due_ns = retry->now_ns + wait_ms * 1000000u;
	return *due_ns < settings->deadline_ns;
}
