/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses from hubs: what is resolved against a server stays on it unless it names another. */
#include <string.h>

#include "fetch/http/url.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), out[MAX_URL_BYTES];
	struct url base, url;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (url_parse(text, &url) && url_is_loopback(&url) && strchr(url.host, '/') != NULL)
		abort();
	if (url_parse("https://hub.example/a/b", &base) &&
	    url_resolve("https://hub.example/a/b", text, out) && url_parse(out, &url) &&
	    !url_has_host(text) && strchr(text, ':') == NULL && text[0] != '/' && text[0] != '\\' &&
	    !url_same_server(&base, &url))
		abort();
	free(text);
	return 0;
}
