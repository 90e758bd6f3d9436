/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/errors.h"

#include "base/text.h"
#include "engine/findings.h"

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
