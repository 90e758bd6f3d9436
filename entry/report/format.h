/* SPDX-License-Identifier: Apache-2.0 */
/* The formats of the report: a file each with its function, and a row of formats.def. */
#ifndef AWEIGH_REPORT_FORMAT_H
#define AWEIGH_REPORT_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "report/report.h"

struct report_style {
	bool colour;
	bool quiet; /* only what refuses */
	bool verbose; /* notes, too */
	size_t width; /* of lines, in columns */
	size_t most; /* 0: all; else so many findings, the worst first, and what a reader needs beside them */
};

#define DEFAULT_WIDTH 80u /* where there is no terminal to ask */

typedef void report_write(const struct report *report, const struct report_style *style, FILE *out);
struct report_format {
	const char *name;
	report_write *write; /* NULL: known, but not in this build */
};
#define REPORT_FORMAT(name) report_write report_write_##name;
#include "report/formats.def"
extern const struct report_format report_formats[];
extern const size_t report_format_count;
const struct report_format *report_format_find(const char *name, size_t length);
/* All names, as words_nearest() wants them. */
const char *report_format_at(const void *nothing, size_t index);

#endif
