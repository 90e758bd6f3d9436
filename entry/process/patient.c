/* SPDX-License-Identifier: Apache-2.0 */
#include "process/patient.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/file.h"
#include "base/text.h"
#include "process/child.h"
#include "process/clock.h"
#include "util.h"

struct reading {
	const struct tree *tree;
	const char *path;
	size_t limit;
};

/* What the child says first; the content follows. */
struct answer {
	int error;
	mode_t mode;
	size_t length;
};

static int open_within_mount(const char *path, uint64_t flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
		                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/*
 * A descriptor, or why there is none; -EXDEV where a mount may lie on the way: without one, it waits for nothing but the
 * root's disk. What is no regular file is not opened: a pipe's writer would notice.
 */
static int open_without_mounts(const struct tree *tree, const char *path)
{
	char here[MAX_PATH_BYTES], whole[MAX_PATH_BYTES];
	CLEANUP(cleanup_fd) int place = -1;
	struct stat st;
	int fd;

	if (tree->root_fd >= 0 || tree->by_hand)
		return -EXDEV;
	if (path[0] != '/' &&
	    (getcwd(here, sizeof(here)) == NULL || !path_join(whole, sizeof(whole), here, path)))
		return -EXDEV;
	path = path[0] == '/' ? path : whole;
	place = open_within_mount(path, O_PATH);
	if (place >= 0 && fstat(place, &st) == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	fd = place < 0 ? place : open_within_mount(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	return fd >= 0 || fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES ? fd : -EXDEV;
}

/* A descriptor that aweigh was given, whatever it is of: nobody else has it. */
static bool is_own_descriptor(const char *path)
{
	static const char *const names[] = { "/dev/stdin", "/dev/fd", "/proc/self/fd" };

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (path_is_beneath(path, names[i]))
			return true;
	return false;
}

static void read_now(const struct reading *reading, struct answer *answer, char **data)
{
	struct stat st;

	answer->error = tree_stat(reading->tree, reading->path, &st);
	if (answer->error == 0)
		answer->error = tree_read(reading->tree, reading->path, reading->limit, data,
		                          &answer->length);
	answer->mode = answer->error == 0 ? st.st_mode & 0666 : 0;
}

static void run(void *context, int pipe_fd)
{
	const struct reading *reading = context;
	struct tree tree = *reading->tree;
	struct reading own = { &tree, reading->path, reading->limit };
	struct answer answer = { 0 };
	char *data = NULL;

	answer.error = child_keep(&pipe_fd, &tree.root_fd);
	if (answer.error == 0)
		read_now(&own, &answer, &data);
	if (write_whole(pipe_fd, &answer, sizeof(answer)) != 0 ||
	    (answer.error == 0 && write_whole(pipe_fd, data, answer.length) != 0))
		_exit((int)STATUS_SYSTEM);
	_exit(0);
}

/* So many bytes of the child's. */
static int await(const struct child *child, const struct signals *signals, uint64_t until_ns,
                 char *bytes, size_t length)
{
	struct pollfd ready[] = { { .fd = child->pipe_fd, .events = POLLIN },
		                  { .fd = signals == NULL ? -1 : signals->fd, .events = POLLIN } };
	int left, stop;

	while (length > 0 && (left = clock_left_ms(until_ns)) > 0) {
		ssize_t got;

		if (poll(ready, LENGTH_OF(ready), left) < 0)
			continue;
		stop = ready[1].revents != 0 ? signals_stop_request(signals) : 0;
		if (stop != 0)
			_exit((int)STATUS_SIGNAL + stop);
		if (ready[0].revents == 0)
			continue;
		got = read(child->pipe_fd, bytes, length);
		if (got <= 0)
			return -EIO;
		bytes += got;
		length -= (size_t)got;
	}
	return length == 0 ? 0 : -ETIMEDOUT;
}

static void read_by_child(struct reading *reading, const struct signals *signals,
                          struct answer *answer, char **data)
{
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * 1000000ull;
	struct child child;
	int error;

	if (child_start(&child, run, reading) != 0) { /* no room for one: it was never needed yet */
		read_now(reading, answer, data);
		return;
	}
	error = await(&child, signals, until_ns, (char *)answer, sizeof(*answer));
	if (error == 0 && answer->error == 0) {
		*data = malloc(answer->length + 1);
		error = *data == NULL ? -ENOMEM :
		                        await(&child, signals, until_ns, *data, answer->length);
		if (*data != NULL)
			(*data)[answer->length] = '\0';
	}
	child.ending = error == -ETIMEDOUT ? CHILD_DEADLINE : CHILD_DONE;
	child_end(&child);
	if (error != 0)
		answer->error = error;
}

static void read_patiently(const struct tree *tree, const char *path, size_t limit,
                           const struct signals *signals, struct answer *answer, char **data)
{
	struct reading reading = { tree, path, limit };

	*answer = (struct answer){ 0 };
	*data = NULL;
	if (tree->root_fd < 0 && is_own_descriptor(path))
		read_now(&reading, answer, data);
	else
		read_by_child(&reading, signals, answer, data);
}

int patient_open(const struct tree *tree, const char *path, size_t limit,
                 const struct signals *signals)
{
	CLEANUP(cleanup_fd) int fd = open_without_mounts(tree, path);
	CLEANUP(cleanup_free) char *data = NULL;
	struct answer answer;
	struct stat st;

	if (fd >= 0)
		return fstat(fd, &st) == 0 && st.st_size > (off_t)limit ? -EFBIG : take_fd(&fd);
	if (fd != -EXDEV)
		return fd;
	read_patiently(tree, path, limit, signals, &answer, &data);
	if (answer.error != 0)
		return answer.error;
	fd = memfd_create("copy", MFD_CLOEXEC);
	if (fd < 0 || write_whole(fd, data, answer.length) != 0 || fchmod(fd, answer.mode) != 0 ||
	    lseek(fd, 0, SEEK_SET) != 0)
		return -EIO;
	return take_fd(&fd);
}

int patient_read(const struct tree *tree, const char *path, size_t limit,
                 const struct signals *signals, char **data, size_t *length)
{
	CLEANUP(cleanup_fd) int fd = open_without_mounts(tree, path);
	struct answer answer;

	if (fd >= 0)
		return read_whole(fd, limit, data, length);
	if (fd != -EXDEV)
		return fd;
	read_patiently(tree, path, limit, signals, &answer, data);
	*length = answer.length;
	if (answer.error != 0) {
		free(*data);
		*data = NULL;
	}
	return answer.error;
}

const char *patient_words(int error)
{
	return error == -ETIMEDOUT ? "its volume does not answer" : strerror(-error);
}
