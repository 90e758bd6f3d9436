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
