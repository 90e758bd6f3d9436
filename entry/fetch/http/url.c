/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/url.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "base/scan.h"
#include "util.h"

static void cleanup_handle(CURLU *const *handle)
{
	curl_url_cleanup(*handle);
}

static void cleanup_part(char *const *part)
{
	curl_free(*part);
}

static bool take_parts(CURLU *handle, struct url *out)
{
	CLEANUP(cleanup_part) char *scheme = NULL;
	CLEANUP(cleanup_part) char *host = NULL;
	CLEANUP(cleanup_part) char *port = NULL;
	struct text text = TEXT_OVER(out->host);
	uint64_t number;

	if (curl_url_get(handle, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(handle, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
	    curl_url_get(handle, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		return false;
	if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0)
		return false;
	if (!scan_u64(port, strlen(port), &number) || number == 0 || number > 65535)
		return false;
	text_add(&text, host);
	out->https = scheme[4] == 's';
	out->port = (uint16_t)number;
	return !text.cut && text.length > 0;
}

bool url_parse(const char *text, struct url *out)
{
	CLEANUP(cleanup_handle) CURLU *handle = curl_url();

	return handle != NULL && strlen(text) < MAX_URL_BYTES &&
	       curl_url_set(handle, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
	       take_parts(handle, out);
}

bool url_resolve(const char *base, const char *location, char out[static MAX_URL_BYTES])
{
	CLEANUP(cleanup_handle) CURLU *handle = curl_url();
	CLEANUP(cleanup_part) char *whole = NULL;
	struct text text = text_over(out, MAX_URL_BYTES);

	if (handle == NULL || curl_url_set(handle, CURLUPART_URL, base, 0) != CURLUE_OK ||
	    curl_url_set(handle, CURLUPART_URL, location, CURLU_DISALLOW_USER) != CURLUE_OK ||
	    curl_url_get(handle, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		return false;
	text_add(&text, whole);
	return !text.cut;
}

bool url_has_host(const char *location)
{
	struct url url;

	return strncmp(location, "//", 2) == 0 || url_parse(location, &url);
}

bool url_same_server(const struct url *a, const struct url *b)
{
	return a->https == b->https && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

bool url_is_loopback(const struct url *url)
{
	struct in_addr address;

	/* A name such as 127.example.org is anybody's. */
	return strcasecmp(url->host, "localhost") == 0 || strcmp(url->host, "[::1]") == 0 ||
	       (inet_pton(AF_INET, url->host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

void url_add_encoded(struct text *text, const char *string, bool keep_slash)
{
	for (; *string != '\0'; string++) {
		unsigned char c = (unsigned char)*string;

		if (scan_is_name((char)c) || c == '-' || c == '.' || c == '~' ||
		    (c == '/' && keep_slash))
			text_add_bytes(text, string, 1);
		else
			text_addf(text, "%%%02X", c);
	}
}

void url_add_server(struct text *text, const struct url *url)
{
	text_add(text, url->host);
	if (url->port != (url->https ? 443 : 80))
		text_addf(text, ":%u", (unsigned)url->port);
}
