/* SPDX-License-Identifier: Apache-2.0 */
#include "process/child.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/dir.h"
#include "process/channel.h"
#include "process/clock.h"
#include "util.h"

int child_start(struct child *child, child_run *run, void *context)
{
	int pipe_fds[2], error;

	*child = (struct child){ .pipe_fd = -1 };
	if (pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	child->pid = fork();
	if (child->pid == 0) {
		(void)close(pipe_fds[0]);
		run(context, pipe_fds[1]);
		BUG("a child that comes back");
	}
	(void)close(pipe_fds[1]);
	child->pipe_fd = pipe_fds[0];
	if (child->pid > 0)
		return 0;
	error = -errno;
	(void)close(take_fd(&child->pipe_fd));
	return error;
}

const char *child_no_room_words(void)
{
	return "its user (RLIMIT_NPROC) or its cgroup (pids.max) has as many processes as it may";
}

/* Takes note of the child's end and, as PID 1, of orphans that ended; false: it has not ended. */
static bool reap(struct child *child)
{
	bool first = getpid() == 1;
	int status;
	pid_t pid;

	while (!(child->reaped && !first) &&
	       (pid = waitpid(first ? -1 : child->pid, &status, WNOHANG)) > 0)
		if (pid == child->pid) {
			child->status = status;
			child->reaped = true;
		}
	return child->reaped;
}

/*
 * SIGKILL waits for nothing but the disk, and a disk that never answers is not waited for. One that is done
 * gets half of the time for leaving by itself.
 */
void child_end(struct child *child)
{
	uint64_t now = clock_now_ns(), half = now + KILLED_WITHIN_MS * 500000ull;
	CLEANUP(cleanup_fd) int pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	bool killed = child->ending != CHILD_DONE;

	(void)close(take_fd(&child->pipe_fd));
	/* Never after it was reaped: its number may be another's. */
	if (killed && !child->reaped)
		(void)kill(child->pid, SIGKILL);
	while (!reap(child)) {
		int left = clock_left_ms(killed ? half + KILLED_WITHIN_MS * 500000ull : half);

		if (left == 0 && killed)
			return;
		if (left == 0)
			killed = kill(child->pid, SIGKILL) == 0;
		else /* without pidfd_open(2), before Linux 5.3: a look every millisecond */
			(void)poll(&ended, 1, pidfd < 0 ? 1 : left);
	}
}

static enum child_ending follow(struct child *child, const struct child_limits *limits,
                                child_take *take, void *context)
{
	struct channel channel = { .fd = child->pipe_fd };
	struct pollfd ready[2] = { { .fd = limits->signals->fd, .events = POLLIN },
		                   { .fd = child->pipe_fd, .events = POLLIN } };
	bool done = false;

	for (;;) {
		int left = clock_left_ms(limits->deadline_ns), result;

		if (left == 0)
			return CHILD_DEADLINE;
		if (poll(ready, 2, left) < 0 && errno != EINTR)
			return CHILD_DIED;
		if (ready[0].revents != 0) {
			child->stop = signals_stop_request(limits->signals);
			(void)reap(child);
		}
		if (child->stop != 0)
			return CHILD_STOPPED;
		if ((ready[1].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
			continue;
		result = channel_take(&channel);
		if (result == -EAGAIN)
			continue;
		if (result <= 0)
			return done ? CHILD_DONE : CHILD_DIED;
		if (done || !record_is_sound(&channel.record, limits->models))
			return CHILD_BAD_RECORD;
		done = channel.record.type == RECORD_DONE;
		take(context, &channel.record);
	}
}

enum child_ending child_follow(struct child *child, const struct child_limits *limits,
                               child_take *take, void *context)
{
	child->ending = follow(child, limits, take, context);
	child_end(child);
	return child->ending;
}

void child_explain(const struct child *child, const char *who, struct text *out)
{
	if (child->ending == CHILD_BAD_RECORD)
		text_addf(out, "the %s sent a record that none sends; it may have been taken over",
		          who);
	else if (child->ending != CHILD_DIED)
		return;
	else if (!child->reaped)
		text_addf(out, "the %s does not end, though it was killed", who);
	else if (WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGSYS)
		text_addf(
		        out,
		        "a seccomp filter killed the %s: let it answer with an error instead (systemd: SystemCallErrorNumber=EPERM)",
		        who);
	else if (WIFSIGNALED(child->status))
		text_addf(out, "the %s died of signal %d before it was done", who,
		          WTERMSIG(child->status));
	else
		text_addf(out, "the %s ended with status %d before it was done", who,
		          WEXITSTATUS(child->status));
}

void close_from(int lowest)
{
	CLEANUP(dir_close) struct dir listed = { 0 };
	int fd;

	/* gVisor takes no number above INT_MAX (its CloseRange()). */
	if (syscall(SYS_close_range, (unsigned)lowest, (unsigned)INT_MAX, 0) == 0)
		return;
	/* Before Linux 5.9, or forbidden. */
	listed = dir_of_descriptors();
	while ((fd = dir_next_descriptor(&listed)) >= 0)
		if (fd >= lowest)
			(void)close(fd);
	for (fd = lowest; dir_fd(&listed) < 0 && fd < 65536; fd++)
		(void)close(fd);
}

static void leave_streams(void)
{
	CLEANUP(cleanup_fd) int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(nothing, fd) < 0) /* an image without devices */
			(void)close(fd);
}

int child_keep(int *pipe_fd, int *root_fd)
{
	int highest = *root_fd >= 0 ? 4 : 3;
	/* Out of the way first: both may lie where the other is to go. */
	int pipe_high = fcntl(*pipe_fd, F_DUPFD_CLOEXEC, 16);
	int root_high = *root_fd >= 0 ? fcntl(*root_fd, F_DUPFD_CLOEXEC, 16) : -1;

	if (pipe_high < 0 || (highest == 4 && root_high < 0))
		return -errno;
	if (dup3(pipe_high, 3, O_CLOEXEC) < 0 ||
	    (highest == 4 && dup3(root_high, 4, O_CLOEXEC) < 0))
		return -errno;
	leave_streams();
	*pipe_fd = 3;
	*root_fd = highest == 4 ? 4 : -1;
	close_from(highest + 1);
	return 0;
}

int child_die_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		return -errno;
	return getppid() == parent ? 0 : -ESRCH;
}

int child_no_privileges(void)
{
	static const struct rlimit no_core = { 0, 0 };

	(void)setrlimit(RLIMIT_CORE, &no_core);
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ? -errno : 0;
}
