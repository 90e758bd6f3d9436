/* SPDX-License-Identifier: Apache-2.0 */
#include "service/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "confine/caps.h"
#include "process/child.h"
#include "process/clock.h"
#include "status.h"
#include "util.h"

#define LINE_REST_MS 500u /* of a line that does not go on, such as a prompt */
#define LINE_HOLDS (4u << 20)
#define REST_PIECES                                                                                \
	1024u /* more than a pipe holds (fcntl(2), F_SETPIPE_SZ), in pieces of PIPE_BUF */

/*
 * Standard output may be a file, a terminal or a pipe that nobody reads just now: a child of each writes, so that nothing
 * here ever waits. What is written to its pipe at once is what POLLOUT promises room for (pipe(7)).
 */
static _Noreturn void write_on(int from, int to, pid_t parent)
{
	char bytes[PIPE_BUF];
	struct pollfd room = { .fd = to, .events = POLLOUT };
	ssize_t got;

	if (child_die_with(parent) != 0 || capabilities_drop(0) != 0)
		_exit(STATUS_SYSTEM);
	while ((got = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t done = 0; done < got;) {
			ssize_t written = write(to, bytes + done, (size_t)(got - done));

			if (written > 0)
				done += written;
			else if (written < 0 && errno == EAGAIN)
				(void)poll(&room, 1, -1);
			else if (written >= 0 || errno != EINTR)
				_exit(0); /* the reader has seen enough */
		}
	_exit(0);
}

int stream_start_writer(struct stream *stream, int fd, const struct stream *other, int other_fd)
{
	struct stat own, its;
	int pipe_fds[2];
	pid_t parent = getpid();

	if (fstat(fd, &own) != 0)
		return 0;
	if (other != NULL && fstat(other_fd, &its) == 0 && own.st_dev == its.st_dev &&
	    own.st_ino == its.st_ino) {
		stream->to = fcntl(other->to, F_DUPFD_CLOEXEC, 0);
		stream->shares = true;
		return stream->to < 0 ? -errno : 0;
	}
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	stream->writer = fork();
	if (stream->writer == 0) {
		(void)close(pipe_fds[1]);
		if (other != NULL)
			cleanup_fd(&other->to);
		write_on(pipe_fds[0], fd, parent);
	}
	(void)close(pipe_fds[0]);
	stream->to = pipe_fds[1];
	return stream->writer < 0 ? -errno : 0;
}

bool stream_has_room(const struct stream *stream)
{
	struct pollfd room = { .fd = stream->to, .events = POLLOUT };

	return stream->to < 0 || poll(&room, 1, 0) != 0;
}

bool stream_is_held(struct stream *stream, const struct stream *other)
{
	uint64_t now = clock_now_ns();

	if ((!stream->shares && !other->shares) || other->from < 0 || other->open == 0 ||
	    other->open >= LINE_HOLDS || other->passed_ns <= stream->passed_ns ||
	    now - other->passed_ns >= LINE_REST_MS * 1000000ull)
		return false;
	if (stream->held_ns == 0 || stream->held_line != other->number) {
		stream->held_ns = now;
		stream->held_line = other->number;
	}
	return now - stream->held_ns < LINE_REST_MS * 1000000ull;
}

static void note_line(struct stream *stream, const char *bytes, size_t length)
{
	size_t begun = 0;

	while (begun < length && bytes[length - 1 - begun] != '\n' &&
	       bytes[length - 1 - begun] != '\r')
		begun++;
	stream->open = begun == length                   ? stream->open + length :
	               bytes[length - 1 - begun] == '\n' ? begun :
	                                                   0;
	stream->passed_ns = clock_now_ns();
}

bool stream_pass_on(struct stream *stream)
{
	char bytes[PIPE_BUF];
	ssize_t got;

	if (!stream_has_room(stream))
		return false;
	got = read(stream->from, bytes, sizeof(bytes));
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (got <= 0) {
		lines_end(&stream->lines);
		(void)close(take_fd(&stream->from));
		return false;
	}
	if (stream->to >= 0 && write_whole(stream->to, bytes, (size_t)got) != 0)
		(void)close(take_fd(&stream->to)); /* the reader has seen enough */
	note_line(stream, bytes, (size_t)got);
	lines_feed(&stream->lines, bytes, (size_t)got);
	return true;
}

void stream_look_at_rest(struct stream *stream)
{
	cleanup_fd(&stream->to);
	stream->to = -1;
	if (stream->from >= 0)
		(void)fcntl(stream->from, F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < REST_PIECES && stream->from >= 0; i++)
		(void)stream_pass_on(stream);
	lines_end(&stream->lines);
	cleanup_fd(&stream->from);
	stream->from = -1;
}
