/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/http/headers.h"

#include <string.h>
#include <time.h>

#include "base/list.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

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

/* Its beginning, if it is too long: the reason stands there. Letters of all languages; whoever prints it escapes. */
static void copy_sentence(char *out, size_t size, const char *bytes, size_t length)
{
	struct text text = text_over(out, size);

	for (size_t i = 0; i < length; i++)
		text_add_bytes(&text,
		               (unsigned char)bytes[i] < 0x20 || bytes[i] == 0x7f ? " " : bytes + i,
		               1);
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
static void take_coding(struct headers *headers, struct field field)
{
	static const char *const codings[] = { "gzip", "x-gzip",   "deflate",   "br",
		                               "zstd", "compress", "x-compress" };
	char list[128] = "";
	const char *at = NULL, *element;
	size_t length;

	copy_sentence(list, sizeof(list), field.value, field.length);
	while ((element = list_next(list, ',', &at, &length)) != NULL)
		for (size_t i = 0; i < LENGTH_OF(codings); i++)
			if (text_equals_any_case(element, length, codings[i]) &&
			    strlen(codings[i]) == length)
				headers->coding = codings[i];
}

/* A number of seconds, or a date (RFC 9110, 10.2.3). */
static void take_wait(struct headers *headers, struct field field)
{
	/* Those of 5.6.7: today's, RFC 850's and asctime()'s, all in GMT. */
	static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S", "%A, %d-%b-%y %H:%M:%S",
		                             "%a %b %d %H:%M:%S %Y" };
	char date[64] = "";

	if (scan_u64(field.value, field.length, &headers->wait_s))
		return;
	copy_text(date, sizeof(date), field.value, field.length);
	for (size_t i = 0; i < LENGTH_OF(forms); i++) {
		struct tm parts = { 0 };
		time_t now = time(NULL), when;

		if (strptime(date, forms[i], &parts) == NULL)
			continue;
		when = timegm(&parts);
		headers->wait_s = when > now ? (uint64_t)(when - now) : 0;
		return;
	}
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

/* Whether parameters such as `; rel="next"; title=x` say so, with quotes or without, among others or alone (RFC 8288, 3.3). */
static bool is_next(struct field field)
{
	for (size_t i = 0; i + 5 < field.length; i++) {
		const char *value = field.value + i + 4;
		size_t left = field.length - i - 4, length;

		if (!text_equals_any_case(field.value + i, 4, "rel=") ||
		    (i > 0 && field.value[i - 1] != ';' && !scan_is_space(field.value[i - 1])))
			continue;
		length = *value == '"' ? left - 1 : 0;
		if (*value == '"' && memchr(value + 1, '"', length) != NULL) {
			value++;
			length = (size_t)((const char *)memchr(value, '"', length) - value);
		} else {
			while (length < left && value[length] != ';' &&
			       !scan_is_space(value[length]))
				length++;
		}
		for (size_t at = 0; at + 4 <= length; at++)
			if (text_equals_any_case(value + at, 4, "next") &&
			    (at == 0 || value[at - 1] == ' ') &&
			    (at + 4 == length || value[at + 4] == ' '))
				return true;
	}
	return false;
}

/* Where the next link begins: a comma outside of quotes, or the end. */
static const char *link_end(struct field field)
{
	bool quoted = false;

	for (size_t i = 0; i < field.length; i++) {
		quoted ^= field.value[i] == '"';
		if (!quoted && field.value[i] == ',')
			return field.value + i;
	}
	return field.value + field.length;
}

/* <https://.../tree/main?cursor=x>; rel="next", <...>; rel="prev" */
static void take_link(struct headers *headers, struct field field)
{
	while (field.length > 2) {
		const char *begin = memchr(field.value, '<', field.length), *end, *more;
		struct field link;

		if (begin == NULL)
			return;
		field.length -= (size_t)(begin - field.value);
		field.value = begin;
		end = memchr(begin, '>', field.length);
		if (end == NULL)
			return;
		link.value = end + 1;
		link.length = field.length - (size_t)(end + 1 - begin);
		more = link_end(link);
		link.length = (size_t)(more - link.value);
		if (is_next(link)) {
			copy_address(headers->next, sizeof(headers->next), begin + 1,
			             (size_t)(end - begin - 1));
			headers->next_lost = headers->next[0] == '\0';
		}
		field.length -= (size_t)(link.value + link.length - begin);
		field.value = link.value + link.length;
	}
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
		take_coding(headers, field);
	else if (is_named(line, length, "x-repo-commit", &field) &&
	         scan_is_hex(field.value, field.length, COMMIT_HEX))
		copy_text(headers->commit, sizeof(headers->commit), field.value, field.length);
	else if (is_named(line, length, "x-error-code", &field))
		take_code(headers, field);
	else if (is_named(line, length, "x-error-message", &field))
		copy_sentence(headers->error_message, sizeof(headers->error_message), field.value,
		              field.length);
	else if (is_named(line, length, "server", &field))
		copy_sentence(headers->server, sizeof(headers->server), field.value, field.length);
	else if (is_named(line, length, "ratelimit", &field))
		take_rate(headers, field);
	else if (is_named(line, length, "retry-after", &field) && headers->wait_s == UINT64_MAX)
		take_wait(headers, field);
	headers->is_hub |= is_named(line, length, "x-repo-commit", &field) ||
	                   is_named(line, length, "x-error-code", &field) ||
	                   is_named(line, length, "x-error-message", &field);
	headers->has_request_id |= is_named(line, length, "x-request-id", &field);
}
