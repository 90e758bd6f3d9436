/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests over libcurl's multi interface, all in one thread. This layer follows redirects by hand,
 * decides who sees the token, waits and tries again; whoever asks gets a body that began with a 2xx
 * status, and in the end one call of done().
 *
 * The token goes to the endpoint's own server and no other, over TLS, or to loopback in the clear.
 */
#ifndef AWEIGH_REQUEST_H
#define AWEIGH_REQUEST_H

#include <curl/curl.h>
#include <time.h>

#include "fetch/http/failure.h"
#include "fetch/http/headers.h"
#include "fetch/http/url.h"
#include "fetch/settings.h"

enum next_step { STEP_GO, STEP_GIVE_UP };

struct request {
	/* Set by whoever asks. */
	void *context;
	char what[160]; /* "revision main of org/m", for messages */
	int model; /* of the policy, for records */
	uint64_t first, length; /* of the part that is wanted; length 0: the whole */
	uint64_t limit; /* of the body, bytes */
	bool few_tries; /* one more at most where it is not answered or turned away: it can be had elsewhere, or later */
	bool elsewhere; /* another server has the same */
	bool head; /* headers only: those of the endpoint, a redirect's included */
	/* Before each try: the part may have shrunk. NULL: as it is. */
	enum next_step (*prepare)(struct request *request);
	/* A 2xx status has come, with headers; false: `failure` says why it will not do. */
	bool (*begin)(struct request *request);
	bool (*body)(struct request *request, const void *bytes, size_t length);
	void (*done)(struct request *request, bool well);

	/* For whoever asks to read. */
	char url[MAX_URL_BYTES]; /* where the last try went */
	struct headers headers; /* of the last response */
	struct headers hub; /* of the first: that of the endpoint */
	bool redirected; /* to another server */
	long status;
	struct failure failure;
	bool progressed; /* the last try brought enough not to be counted as a failure */

	/* The layer's own. */
	struct network *network;
	CURL *easy;
	char start[MAX_URL_BYTES];
	struct url server, endpoint;
	bool has_endpoint;
	unsigned redirects, attempts, refreshed;
	uint64_t received, due_ns, stall_ms; /* stall_ms: how long it may be silent */
	bool begun, refused, running, token_sent;
	bool misfit; /* refused by whoever reads the answer, without a reason of its own */
	bool name_failed; /* the last try ended before there was an address */
	unsigned ways,
	        other_ways; /* in which such a name can be asked for, and was, besides the first */
	char error_body[ERROR_BODY_BYTES + 1];
	size_t error_body_length;
	char issuer[256]; /* of the certificate that was not trusted */
	struct tm valid_from, valid_to; /* of the same, UTC */
	char curl_error[CURL_ERROR_SIZE];
	struct curl_slist *connect_to;
	unsigned way; /* how the name is resolved now: set_resolving() */
	bool only_ipv4;
	struct request *next; /* of those that wait for their time */
};

struct network {
	const struct fetch_settings *settings;
	CURLM *multi;
	struct curl_slist *plain, *with_token; /* header lines */
	struct request *waiting;
	/* Told of each wait before another try; NULL: nobody is. */
	void (*retrying)(void *context, const struct request *request, uint64_t wait_ns);
	void *retrying_context;
	uint64_t not_before_ns; /* when the pause ends that this server asked for */
	struct url pausing;
	uint64_t random; /* for jitter */
	unsigned way; /* how names were resolved last, where that worked */
	bool only_ipv4;
	char domains[MAX_SEARCH_DOMAINS][MAX_NAME_BYTES]; /* those of /etc/resolv.conf */
	unsigned domain_count;
};

/* 0, or -ENOMEM. */
int network_init(struct network *network, const struct fetch_settings *settings);
void network_release(struct network *network);
/*
 * Starts a request whose first block of fields is set; `url` is copied. Only the server of `endpoint`
 * may see the token; NULL: nobody.
 */
void request_start(struct network *network, struct request *request, const char *endpoint,
                   const char *url);
/* Ends it without a call of done(). */
void request_cancel(struct request *request);
void request_release(struct request *request);

/* Moves all that can be moved, then waits for at most so long, or until network_wake(). */
int network_run(struct network *network, int wait_ms);
/* From any thread. */
void network_wake(struct network *network);

/* curl and what it is built of, for --version. */
const char *request_libraries(void);

#endif
