/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/headers.h"

#include <curl/curl.h>
#include <string.h>
#include <time.h>

#include "base/scan.h"
#include "base/text.h"

struct field {
	const char *value;
	size_t length;
};

void headers_begin(struct headers *headers)
{
	memset(headers, 0, sizeof(*headers));
	headers->linked_size = headers->length = UINT64_MAX;
	headers->range_first = headers->range_total = UINT64_MAX;
	headers->wait_s = UINT64_MAX;
}

static bool is_named(const char *line, size_t length, const char *name, struct field *field)
{
	size_t end = strlen(name);

	if (length <= end || line[end] != ':' || !text_equals_any_case(line, end, name))
		return false;
	field->value = line + end + 1;
	field->length = length - end - 1;
	while (field->length > 0 && scan_is_space(field->value[0])) {
		field->value++;
		field->length--;
	}
	while (field->length > 0 && scan_is_space(field->value[field->length - 1]))
		field->length--;
	return true;
}

/* Text that goes into an address or a sentence: printable ASCII, whole or not at all. */
static void copy_text(char *out, size_t size, const char *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (bytes[i] < 0x21 || bytes[i] > 0x7e)
			if (bytes[i] != ' ')
				return;
	if (length >= size)
		return;
	memcpy(out, bytes, length);
	out[length] = '\0';
}

/* Its beginning, if it is too long: the reason stands there. */
static void copy_sentence(char *out, size_t size, const char *bytes, size_t length)
{
	copy_text(out, size, bytes, length < size ? length : size - 1);
}

/* Raw UTF-8, which browsers take, is encoded as RFC 3986 wants it. */
static void copy_address(char *out, size_t size, const char *bytes, size_t length)
{
	struct text text = text_over(out, size);

	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)bytes[i] >= 0x80)
			text_addf(&text, "%%%02X", (unsigned char)bytes[i]);
		else if (bytes[i] < 0x20 || bytes[i] == 0x7f)
			text.cut = true;
		else
			text_add_bytes(&text, bytes + i, 1);
	}
	if (text.cut)
		out[0] = '\0';
}

/* What changes the bytes; a name of no coding, empty, none or aws-chunked, does not (S3's gateways send it). */
static bool is_coding(struct field field)
{
	static const char *const codings[] = {
		"gzip", "x-gzip", "deflate", "br", "zstd", "compress"
	};

	for (size_t i = 0; i < sizeof(codings) / sizeof(codings[0]); i++)
		if (field.length >= strlen(codings[i]) &&
		    text_equals_any_case(field.value, strlen(codings[i]), codings[i]))
			return true;
	return false;
}

/* A number of seconds, or a date (RFC 9110, 10.2.3). */
static void take_wait(struct headers *headers, struct field field)
{
	char date[64] = "";
	time_t when;

	if (scan_u64(field.value, field.length, &headers->wait_s))
		return;
	copy_text(date, sizeof(date), field.value, field.length);
	when = curl_getdate(date, NULL);
	if (when > time(NULL))
		headers->wait_s = (uint64_t)(when - time(NULL));
}

/* `W/"abc"` -> abc, and only what can be a digest: the name of a blob comes from nowhere else. */
static void take_etag(struct headers *headers, struct field field, bool linked)
{
	while (field.length > 0 && (field.value[0] == 'W' || field.value[0] == '/')) {
		field.value++;
		field.length--;
	}
	while (field.length > 0 && field.value[0] == '"') {
		field.value++;
		field.length--;
	}
	while (field.length > 0 && field.value[field.length - 1] == '"')
		field.length--;
	if (headers->etag_is_linked && !linked)
		return;
	if (!scan_is_hex(field.value, field.length, SHA256_HEX) &&
	    !scan_is_hex(field.value, field.length, COMMIT_HEX))
		return;
	memcpy(headers->etag, field.value, field.length);
	headers->etag[field.length] = '\0';
	headers->etag_is_linked = linked;
}

/* bytes 0-99/1234 */
static void take_range(struct headers *headers, struct field field)
{
	const char *dash = memchr(field.value, '-', field.length),
	           *slash = memchr(field.value, '/', field.length);
	uint64_t first, total;

	if (field.length < 6 || memcmp(field.value, "bytes ", 6) != 0 || dash == NULL ||
	    slash == NULL || dash > slash)
		return;
	if (!scan_u64(field.value + 6, (size_t)(dash - field.value - 6), &first) ||
	    !scan_u64(slash + 1, (size_t)(field.value + field.length - slash - 1), &total))
		return;
	headers->range_first = first;
	headers->range_total = total;
}

/* <https://.../tree/main?cursor=x>; rel="next" */
static void take_link(struct headers *headers, struct field field)
{
	const char *end = memchr(field.value, '>', field.length);
	size_t length, rest;

	if (field.length < 2 || field.value[0] != '<' || end == NULL)
		return;
	length = (size_t)(end - field.value - 1);
	rest = field.length - length - 2;
	if (memmem(end + 1, rest, "rel=\"next\"", 10) != NULL)
		copy_text(headers->next, sizeof(headers->next), field.value + 1, length);
}

/* A number behind `;r=` or `;t=` of "api";r=0;t=55 (draft-ietf-httpapi-ratelimit-headers). */
static bool parameter(struct field field, char name, uint64_t *out)
{
	for (size_t i = 0; i + 3 <= field.length; i++) {
		size_t end = i + 3;

		if (field.value[i] != ';' || field.value[i + 1] != name ||
		    field.value[i + 2] != '=')
			continue;
		while (end < field.length && field.value[end] >= '0' && field.value[end] <= '9')
			end++;
		return scan_u64(field.value + i + 3, end - i - 3, out);
	}
	return false;
}

static void take_rate(struct headers *headers, struct field field)
{
	uint64_t left, seconds;

	if (parameter(field, 'r', &left) && left == 0 && parameter(field, 't', &seconds))
		headers->wait_s = seconds;
}

static void take_number(struct field field, uint64_t *out)
{
	uint64_t number;

	if (scan_u64(field.value, field.length, &number))
		*out = number;
}

static void take_code(struct headers *headers, struct field field)
{
	for (size_t i = 0; i < field.length; i++)
		if (!scan_is_name(field.value[i]))
			return;
	copy_text(headers->error_code, sizeof(headers->error_code), field.value, field.length);
}

void headers_take(struct headers *headers, const char *line, size_t length)
{
	struct field field;

	headers->bytes += length;
	if (is_named(line, length, "location", &field))
		copy_address(headers->location, sizeof(headers->location), field.value,
		             field.length);
	else if (is_named(line, length, "link", &field))
		take_link(headers, field);
	else if (is_named(line, length, "x-linked-etag", &field))
		take_etag(headers, field, true);
	else if (is_named(line, length, "etag", &field))
		take_etag(headers, field, false);
	else if (is_named(line, length, "x-linked-size", &field))
		take_number(field, &headers->linked_size);
	else if (is_named(line, length, "content-length", &field))
		take_number(field, &headers->length);
	else if (is_named(line, length, "content-range", &field))
		take_range(headers, field);
	else if (is_named(line, length, "content-encoding", &field))
		headers->encoded = is_coding(field);
	else if (is_named(line, length, "x-repo-commit", &field) &&
	         scan_is_hex(field.value, field.length, COMMIT_HEX))
		copy_text(headers->commit, sizeof(headers->commit), field.value, field.length);
	else if (is_named(line, length, "x-error-code", &field))
		take_code(headers, field);
	else if (is_named(line, length, "x-error-message", &field))
		copy_sentence(headers->error_message, sizeof(headers->error_message), field.value,
		              field.length);
	else if (is_named(line, length, "ratelimit", &field))
		take_rate(headers, field);
	else if (is_named(line, length, "retry-after", &field) && headers->wait_s == UINT64_MAX)
		take_wait(headers, field);
	headers->is_hub |= is_named(line, length, "x-repo-commit", &field) ||
	                   is_named(line, length, "x-error-code", &field) ||
	                   is_named(line, length, "x-error-message", &field) ||
	                   is_named(line, length, "x-request-id", &field);
}
