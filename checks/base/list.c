/* SPDX-License-Identifier: Apache-2.0 */
#include "base/list.h"

#include <string.h>

#include "base/scan.h"

const char *list_next(const char *list, char separator, const char **at, size_t *length)
{
	const char *start = *at == NULL ? list : *at;

	while (*start != '\0') {
		const char *end = strchr(start, separator), *next;

		if (end == NULL)
			end = start + strlen(start);
		next = *end == '\0' ? end : end + 1;
		while (start < end && scan_is_space(*start))
			start++;
		while (end > start && scan_is_space(end[-1]))
			end--;
		if (end > start) {
			*at = next;
			*length = (size_t)(end - start);
			return start;
		}
		start = next;
	}
	*at = start;
	return NULL;
}

bool list_has(const char *list, char separator, const char *word)
{
	size_t length, wanted = strlen(word);

	for (const char *at = NULL, *element;
	     (element = list_next(list, separator, &at, &length)) != NULL;)
		if (length == wanted && memcmp(element, word, length) == 0)
			return true;
	return false;
}

bool list_ports(const char *list, uint16_t *ports, size_t room, size_t *count)
{
	const char *at = NULL, *word;
	uint64_t port;
	size_t length;

	*count = 0;
	while ((word = list_next(list, ',', &at, &length)) != NULL) {
		if (!scan_u64(word, length, &port) || port == 0 || port > UINT16_MAX ||
		    *count == room)
			return false;
		ports[(*count)++] = (uint16_t)port;
	}
	return *count > 0;
}
