/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/errors.h"

#include <string.h>

#include "base/text.h"
#include "engine/findings.h"

#define HIDDEN_FROM 8u /* letters of a secret that are enough to know it by */

/* How much of a secret stands here; several may begin alike. */
static size_t secret_length(const struct policy *policy, const char *text)
{
	size_t longest = 0;

	for (size_t i = 0; i < policy->secret_count; i++) {
		const char *secret = policy->secrets[i];
		size_t length = 0;

		while (secret[length] != '\0' && text[length] == secret[length])
			length++;
		if (length > longest && length >= strnlen(secret, HIDDEN_FROM))
			longest = length;
	}
	return longest;
}

void policy_hide(const struct policy *policy, char *text)
{
	while (*text != '\0') {
		size_t length = secret_length(policy, text);

		memset(text, '*', length);
		text += length > 0 ? length : 1;
	}
}

void policy_error(struct policy *policy, enum finding_id id, enum policy_source source,
                  unsigned line, const char *fix, const char *format, ...)
{
	struct report_at at = { .line = line, .fix = fix };
	char place[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(place);
	struct record record;
	va_list arguments;

	if (policy->error_count++ >= MAX_POLICY_ERRORS || policy->report == NULL)
		return;
	if (policy->file[source] != NULL) {
		text_addf(&text, line != 0 ? "%s:%u:" : "%s", policy->file[source], line);
		at.path = place;
	}
	va_start(arguments, format);
	finding_make(&record, id, NULL, 0, at, format, arguments);
	va_end(arguments);
	record.source = (uint16_t)source;
	policy->report(policy->report_context, &record);
}
