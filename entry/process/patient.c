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
	int copy_fd;
};

/*
 * A descriptor, or why there is none; -EXDEV where a mount may lie on the way: without one, it waits for nothing but the
 * root's disk.
 */
static int open_without_mounts(const struct tree *tree, const char *path)
{
	char here[MAX_PATH_BYTES], whole[MAX_PATH_BYTES];
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		                .resolve = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS };
	int fd;

	if (tree->root_fd >= 0 || tree->by_hand)
		return -EXDEV;
	if (path[0] != '/' &&
	    (getcwd(here, sizeof(here)) == NULL || !path_join(whole, sizeof(whole), here, path)))
		return -EXDEV;
	fd = (int)syscall(SYS_openat2, AT_FDCWD, path[0] == '/' ? path : whole, &how, sizeof(how));
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? -errno : -EXDEV;
	return fd;
}

/* In the child. */
static int copy(const struct reading *reading)
{
	CLEANUP(cleanup_free) char *data = NULL;
	size_t length = 0;
	struct stat st;
	int error = tree_stat(reading->tree, reading->path, &st);

	if (error == 0)
		error = tree_read(reading->tree, reading->path, reading->limit, &data, &length);
	if (error == 0)
		error = write_whole(reading->copy_fd, data, length);
	if (error == 0 && fchmod(reading->copy_fd, st.st_mode & 07777) != 0)
		error = -errno;
	return error;
}

/* Whoever reads what aweigh says is not to wait for a child that stays. */
static void run(void *context, int pipe_fd)
{
	int error;

	(void)close(STDOUT_FILENO);
	(void)close(STDERR_FILENO);
	error = copy(context);

	_exit(write_whole(pipe_fd, &error, sizeof(error)) == 0 ? 0 : (int)STATUS_SYSTEM);
}

/* What the child says, or why it says nothing. */
static int await(const struct child *child, const struct signals *signals)
{
	struct pollfd ready[] = { { .fd = child->pipe_fd, .events = POLLIN },
		                  { .fd = signals == NULL ? -1 : signals->fd, .events = POLLIN } };
	uint64_t until_ns = clock_now_ns() + PATIENCE_MS * 1000000ull;
	int error, left, stop;

	while ((left = clock_left_ms(until_ns)) > 0) {
		if (poll(ready, LENGTH_OF(ready), left) < 0)
			continue;
		stop = ready[1].revents != 0 ? signals_stop_request(signals) : 0;
		if (stop != 0)
			_exit((int)STATUS_SIGNAL + stop);
		if (ready[0].revents != 0)
			return read(child->pipe_fd, &error, sizeof(error)) ==
			                       (ssize_t)sizeof(error) ?
			               error :
			               -EIO;
	}
	return -ETIMEDOUT;
}

static int open_by_child(struct reading *reading, const struct signals *signals)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("copy", MFD_CLOEXEC);
	struct child child;
	int error;

	if (fd < 0)
		return -errno;
	reading->copy_fd = fd;
	error = child_start(&child, run, reading);
	if (error == 0) {
		error = await(&child, signals);
		child.ending = error == -ETIMEDOUT ? CHILD_DEADLINE : CHILD_DONE;
		child_end(&child);
	}
	if (error == 0 && lseek(fd, 0, SEEK_SET) != 0)
		error = -errno;
	return error == 0 ? take_fd(&fd) : error;
}

int patient_open(const struct tree *tree, const char *path, size_t limit,
                 const struct signals *signals)
{
	struct reading reading = { tree, path, limit, -1 };
	CLEANUP(cleanup_fd) int fd = open_without_mounts(tree, path);
	struct stat st;

	if (fd == -EXDEV)
		return open_by_child(&reading, signals);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	return st.st_size > (off_t)limit ? -EFBIG : take_fd(&fd);
}

int patient_read(const struct tree *tree, const char *path, size_t limit,
                 const struct signals *signals, char **data, size_t *length)
{
	CLEANUP(cleanup_fd) int fd = patient_open(tree, path, limit, signals);

	return fd < 0 ? fd : read_whole(fd, limit, data, length);
}

const char *patient_words(int error)
{
	return error == -ETIMEDOUT ? "its volume does not answer" : strerror(-error);
}
