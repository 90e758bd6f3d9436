/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How to fetch, decided by the gate from policy and environment before anything is started: plain
 * data, so that the fetcher reads neither. Strings live as long as the policy.
 */
#ifndef AWEIGH_FETCH_SETTINGS_H
#define AWEIGH_FETCH_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "engine/inspection.h"
#include "policy.h"

#define MAX_FETCH_PORTS 32u

struct fetch_settings {
	const char *endpoints[MAX_ENDPOINTS]; /* without a slash at the end */
	size_t endpoint_count;
	const char *endpoint_origin,
	        *token_origin; /* who named them; token_origin NULL: there is none */
	const char *mirror; /* template; NULL: none */
	bool allow_http;
	char token[MAX_TOKEN_BYTES]; /* "": none */
	const char *ca_file, *ca_directory; /* NULL: none */
	const char *ca_origin; /* who named it, for messages */
	const char *http_proxy, *https_proxy, *no_proxy; /* "": none */
	unsigned retries, connections;
	uint64_t retry_delay_ms, retry_max_delay_ms, connect_timeout_ms, stall_timeout_ms;
	uint64_t keep_free_bytes, deadline_ns;
	/* TCP ports that a fetch may connect to: those of endpoints, mirror and proxy, redirect_ports, 443, and 53 for names. */
	uint16_t ports[MAX_FETCH_PORTS];
	size_t port_count;
};

struct settings_input {
	const struct policy *policy;
	const struct environment *env; /* that aweigh was given */
	const char *passwd_home, *working_directory;
	struct arena *arena;
	uint64_t deadline_ns;
};
/* false: what was said about endpoint, token or certificates cannot be taken; `why` has a sentence. */
bool fetch_settings_init(struct fetch_settings *settings, const struct settings_input *input,
                         struct text *why);
void fetch_settings_release(struct fetch_settings *settings);
bool fetch_settings_allow_port(const struct fetch_settings *settings, uint16_t port);

#endif
