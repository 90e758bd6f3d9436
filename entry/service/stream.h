/* SPDX-License-Identifier: Apache-2.0 */
/* One of a service's two streams: passed on as it comes, and looked at line by line, without waiting for whoever reads. */
#ifndef AWEIGH_STREAM_H
#define AWEIGH_STREAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "service/lines.h"

struct watching;
struct stream {
	struct watching *watching;
	const char *name;
	int from, to; /* from the service; to the writer. -1: closed */
	pid_t writer; /* 0: the other stream's, or none */
	bool shares; /* its writer with the other stream */
	uint64_t open; /* bytes of a line that has not ended yet; 0: none is begun */
	uint64_t passed_ns; /* when the last of it came */
	/* Since when it waits for which line of the other's; 0: for none yet. */
	uint64_t held_ns, held_line;
	uint64_t number;
	struct lines lines;
};

/*
 * A child that writes to `fd`; none where that is closed. Two names of one file (`other`, `other_fd`) have one writer, so
 * that what is said on both comes in its order. 0 or a negative errno.
 */
int stream_start_writer(struct stream *stream, int fd, const struct stream *other, int other_fd);
/* Whether the writer takes more just now. */
bool stream_has_room(const struct stream *stream);
/*
 * Whether what it passes on now would lie within a line of the other stream's that goes to the same place: a line is let
 * end, up to LINE_HOLDS bytes of it, for LINE_REST_MS in all. What is written over and over, as a progress bar behind a
 * carriage return, is nobody's line.
 */
bool stream_is_held(struct stream *stream, const struct stream *other);
/* Passes on what is there, at most PIPE_BUF bytes; whether there was something. `from` is closed at its end. */
bool stream_pass_on(struct stream *stream);
/* Looks at what is still there, and passes nothing on any more: both ends are closed then. */
void stream_look_at_rest(struct stream *stream);

#endif
