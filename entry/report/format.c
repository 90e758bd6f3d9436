/* SPDX-License-Identifier: Apache-2.0 */
#include "report/format.h"

#include <string.h>

#include "util.h"

const struct report_format report_formats[] = {
	{ "auto", report_write_human }, /* the gate's choice, by where it runs */
#define REPORT_FORMAT(name) { #name, report_write_##name },
#ifdef AWEIGH_NO_FETCH
#define FETCH_REPORT_FORMAT(name) { #name, NULL },
#endif
#include "report/formats.def"
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

const char *report_format_at(const void *nothing, size_t index)
{
	(void)nothing;
	return index < report_format_count ? report_formats[index].name : NULL;
}
