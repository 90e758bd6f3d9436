/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shown while models are fetched: lines that are redrawn on a terminal, otherwise one line a
 * model and one every ten seconds, as key=value or as JSON.
 */
#ifndef AWEIGH_PROGRESS_H
#define AWEIGH_PROGRESS_H

#include "engine/inspection.h"

enum progress_style { PROGRESS_NONE, PROGRESS_LINES, PROGRESS_TERMINAL, PROGRESS_JSON };

#define PROGRESS_FILES 64u /* files shown at once: no more connections than that */

struct progress_file {
	int model;
	char path[256];
	uint64_t first, done, size, started_ns; /* first: bytes that were there already */
};

struct progress {
	enum progress_style style;
	int fd;
	const struct policy *policy;
	struct progress_file files[PROGRESS_FILES];
	size_t count, lines; /* lines: drawn, to be drawn over */
	uint64_t total, arrived, files_total, files_done, started_ns, shown_ns;
};

void progress_begin(struct progress *progress, enum progress_style style, int fd,
                    const struct policy *policy, uint64_t now_ns);
/* A RECORD_FETCH_... of the fetcher. */
void progress_take(struct progress *progress, const struct record *record, uint64_t now_ns);
/* Before anything is decided: what became of a model, one line. */
void progress_tell(struct progress *progress, int model, const char *status, const char *action);
/* Takes the drawn lines away. */
void progress_end(struct progress *progress);

#endif
