/* SPDX-License-Identifier: Apache-2.0 */
/* A part of a file: a request for a run of its bytes, gathered and handed to the writer. */
#ifndef AWEIGH_PART_H
#define AWEIGH_PART_H

#include "fetch/http/request.h"

struct download;
/* A request for a part of a file. */
struct part {
	struct request request;
	struct download *download; /* NULL: free */
	uint64_t at, end; /* of the file; `at` has not arrived yet */
	unsigned char *
	        buffer; /* WRITE_BYTES; the last `buffered` bytes before `at` are not written yet */
	size_t buffered;
	unsigned source;
	bool alone; /* begun when no other was allowed beside it */
	bool hurried; /* begun beside others: given up early, to be gone on with later */
	bool used_address; /* went straight to where an earlier part was sent */
};

struct session;
/*
 * Begins a part with what is missing of the download; `ended` is the request's done(). false: there is nothing to
 * begin, or it may not be begun beside others.
 */
bool part_start(struct part *part, struct download *download,
                void (*ended)(struct request *, bool));
/* What the writer has written. An error waits for downloads_step(): a transfer may be in the midst. */
void parts_take_written(struct session *session, bool wait);
size_t parts_running(const struct session *session);
/* Tells the hasher what is there from the start: all but the last byte of what is not sealed. */
void part_advance(struct download *download);

#endif
