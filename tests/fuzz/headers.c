/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a response's header: whatever a server sends, what is kept can be used as it is. */
#include "base/scan.h"
#include "fetch/http/headers.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct headers headers;
	const char *at = (const char *)data, *end = at + size;

	headers_begin(&headers);
	while (at < end) {
		const char *line = memchr(at, '\n', (size_t)(end - at));
		size_t length = line == NULL ? (size_t)(end - at) : (size_t)(line - at + 1);

		headers_take(&headers, at, length);
		at += length;
	}
	if (headers.etag[0] != '\0' &&
	    !scan_is_hex(headers.etag, strlen(headers.etag), SHA256_HEX) &&
	    !scan_is_hex(headers.etag, strlen(headers.etag), COMMIT_HEX))
		abort();
	if (strpbrk(headers.location, "\r\n\t") != NULL ||
	    strpbrk(headers.next, "\r\n\t") != NULL || strlen(headers.location) >= MAX_URL_BYTES ||
	    headers.bytes != size)
		abort();
	return 0;
}
