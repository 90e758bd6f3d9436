/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a response's header lines say to a hub client. Source: huggingface_hub 1.28.0
 * file_download.py (get_hf_file_metadata), utils/_http.py (parse_ratelimit_headers),
 * utils/_pagination.py; RFC 9110 for the rest. A line that does not parse is as if it were not there.
 */
#ifndef AWEIGH_HEADERS_H
#define AWEIGH_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bounds.h"

struct headers {
	size_t bytes; /* of all lines so far */
	char location[MAX_URL_BYTES]; /* "": none, or too long */
	char next[MAX_URL_BYTES]; /* Link: <...>; rel="next" */
	bool next_lost; /* there is one, but it is too long or no address: what follows cannot be had */
	char etag[SHA256_HEX +
	          1]; /* X-Linked-ETag, else ETag, normalised; "": none that is a digest */
	bool etag_is_linked;
	uint64_t linked_size, length; /* X-Linked-Size, Content-Length; UINT64_MAX: none */
	uint64_t range_first, range_total; /* Content-Range; UINT64_MAX: none */
	char commit[COMMIT_HEX + 1]; /* X-Repo-Commit */
	char error_code[32]; /* X-Error-Code, made of letters only */
	char error_message[384]; /* X-Error-Message, printable, its beginning */
	bool is_hub; /* a header came that hubs send and nobody else */
	bool has_request_id; /* hubs and stores send one, and some proxies (envoy) */
	const char *
	        coding; /* a Content-Encoding that changes the bytes, though none was asked for; NULL: none; static */
	char server[64]; /* Server, its beginning */
	uint64_t wait_s; /* Retry-After, or RateLimit's t where r is 0; UINT64_MAX: none */
};

void headers_begin(struct headers *headers);
/* One line, with or without its end. */
void headers_take(struct headers *headers, const char *line, size_t length);

#endif
