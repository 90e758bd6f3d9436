/* SPDX-License-Identifier: Apache-2.0 */
/* A record that the gate believes, through every format of the report: no byte of it moves a cursor or forges a line. */
#include <stdio.h>

#include "process/channel.h"
#include "report/format.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct record record = { .magic = RECORD_MAGIC, .type = RECORD_FINDING };
	struct model model = { .name = "m", .path = "/m", .revision = "main", .selected = true };
	struct report_model seen = {
		.seen = true, .found = true, .findings = { 1, 1, SEVERITY_ERROR }
	};
	struct policy policy = { .models = &model,
		                 .model_count = 1,
		                 .file = { "policy.ini", NULL } };
	const struct identity who = { .uid = 1000 };
	const struct environment none = { NULL, 0 };
	struct report_finding finding;
	struct report report = { .policy = &policy,
		                 .who = &who,
		                 .env = &none,
		                 .findings = &finding,
		                 .count = 1,
		                 .models = &seen,
		                 .status = STATUS_DATA,
		                 .enforced = true };
	const struct report_style style = { .width = 60 + (size > 0 ? data[0] % 100 : 0),
		                            .verbose = true };

	memcpy((char *)&record + 16, data, size < sizeof(record) - 16 ? size : sizeof(record) - 16);
	record.model = 0;
	if (!record_is_sound(&record, 1))
		return 0;
	finding = (struct report_finding){ .id = (enum finding_id)record.kind,
		                           .severity = SEVERITY_ERROR,
		                           .source = record.source,
		                           .line = record.line,
		                           .path = record.path,
		                           .message = record.message,
		                           .fix = record.fix };
	for (size_t i = 0; i < report_format_count; i++) {
		size_t commands = 0,
		       allowed = strcmp(report_formats[i].name, "github") == 0 ? 2 : 0;
		char *text = NULL;
		size_t length = 0;
		FILE *out = report_formats[i].write == NULL ? NULL : open_memstream(&text, &length);

		if (out == NULL)
			continue;
		report_formats[i].write(&report, &style, out);
		(void)fclose(out);
		for (size_t at = 0; at < length; at++) {
			if ((unsigned char)text[at] < ' ' && text[at] != '\n')
				abort();
			/* GitHub's dialect has a command for the finding and one for the verdict. */
			if ((at == 0 || text[at - 1] == '\n') && strncmp(text + at, "::", 2) == 0)
				commands++;
		}
		if (length == 0 || commands != allowed)
			abort();
		free(text);
	}
	return 0;
}
