/* SPDX-License-Identifier: Apache-2.0 */
/* The table of formats. A format is one file and one row here. */
#include "report/format.h"

#include <string.h>

#include "util.h"

const struct report_format report_formats[] = {
	{ "human", report_write_human },
	{ "json", report_write_json },
	{ "junit", NULL },
	{ "tap", NULL },
	{ "github", NULL },
	{ "markdown", NULL },
	{ "gcp", NULL },
};
const size_t report_format_count = LENGTH_OF(report_formats);

const struct report_format *report_format_find(const char *name, size_t length)
{
	for (size_t i = 0; i < report_format_count; i++)
		if (strlen(report_formats[i].name) == length &&
		    memcmp(report_formats[i].name, name, length) == 0)
			return &report_formats[i];
	return NULL;
}
