/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: taken apart and put together by libcurl's URL parser, so that who may see the token is
 * decided by the same reading as where the connection goes.
 */
#ifndef AWEIGH_URL_H
#define AWEIGH_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "bounds.h"

struct url {
	bool https;
	char host[256]; /* 253 characters at most: RFC 1035, section 2.3.4 */
	uint16_t port;
};

/* http or https with a host and without user or password; false otherwise. */
bool url_parse(const char *text, struct url *out);
/* A Location header's value as seen from `base`: absolute, or a path. false: no such address. */
bool url_resolve(const char *base, const char *location, char out[static MAX_URL_BYTES]);
bool url_has_host(const char *location);
bool url_same_server(const struct url *a, const struct url *b);
bool url_is_loopback(const struct url *url);
/* Percent-encodes all but A-Z a-z 0-9 - _ . ~ (RFC 3986, section 2.3), and leaves '/' on demand. */
void url_add_encoded(struct text *text, const char *string, bool keep_slash);
/* host, or host:port where the port is not the scheme's own: what a message names. */
void url_add_server(struct text *text, const struct url *url);

#endif
