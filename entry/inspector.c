/* SPDX-License-Identifier: Apache-2.0 */
#include "inspector.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "confine/identity.h"
#include "confine/landlock.h"
#include "process/channel.h"
#include "raised.h"
#include "tree.h"
#include "util.h"

static int send_record(struct look *look, const struct record *record)
{
	return sender_put(look->send_context, record);
}

/* Descriptors that aweigh was given belong to the service, not to what parses a model's bytes. */
static int close_all_but(int pipe_fd, int root_fd, int *moved_pipe, int *moved_root)
{
	int highest = root_fd >= 0 ? 4 : 3;

	/* Out of the way first: both may lie where the other is to go. */
	pipe_fd = fcntl(pipe_fd, F_DUPFD_CLOEXEC, 16);
	root_fd = root_fd >= 0 ? fcntl(root_fd, F_DUPFD_CLOEXEC, 16) : -1;
	if (pipe_fd < 0 || (highest == 4 && root_fd < 0))
		return -errno;
	if (dup3(pipe_fd, 3, O_CLOEXEC) < 0 || (highest == 4 && dup3(root_fd, 4, O_CLOEXEC) < 0))
		return -errno;
	*moved_pipe = 3;
	*moved_root = highest == 4 ? 4 : -1;
	if (syscall(SYS_close_range, (unsigned)highest + 1, ~0u, 0) == 0)
		return 0;
	for (int fd = highest + 1; fd < 65536; fd++) /* before Linux 5.9, or forbidden */
		(void)close(fd);
	return 0;
}

static void report_landlock(struct look *look, int error)
{
	look_report(look, &raised_kinds[RAISED_CONFINE_UNAVAILABLE], (struct report_at){ 0 },
	            "the inspector is confined by its user alone: %s", landlock_words(error));
}

/* What is handed over is given up in this order: user, capabilities, new privileges, files and network. */
static const char *restrict_self(struct look *look, pid_t gate, int root_fd, int *landlock)
{
	static const struct rlimit no_core = { 0, 0 };
	const char *step = "";
	int error = look->who->exact ? identity_assume(look->who, &step) : 0;

	if (error < 0)
		return step;
	/* After the user, since changing it clears the signal; the gate may be gone by then. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != gate)
		return "parent-death signal";
	if (capabilities_drop(look->who->uid == 0) < 0)
		return "capabilities";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return "no_new_privs";
	(void)setrlimit(RLIMIT_CORE, &no_core);
	*landlock = landlock_read_only(root_fd);
	return NULL;
}

void inspector_run(struct look *look, struct tree *tree, int pipe_fd)
{
	static const struct record done = { .magic = RECORD_MAGIC,
		                            .type = RECORD_DONE,
		                            .model = NO_MODEL };
	struct sender *sender = calloc(1, sizeof(*sender));
	pid_t gate = getppid();
	int landlock = 0;
	const char *failed;

	look->send = send_record;
	if (sender == NULL || close_all_but(pipe_fd, tree->root_fd, &pipe_fd, &tree->root_fd) < 0)
		_exit(STATUS_SYSTEM);
	sender->fd = pipe_fd;
	look->send_context = sender;
	/* --root: mounts and cgroups are this machine's, read before the tree is all that is left. */
	failed = restrict_self(look, gate, -1, &landlock);
	if (failed != NULL) {
		look_report(look, &raised_kinds[RAISED_GATE_INSPECTOR], (struct report_at){ 0 },
		            "the inspector could not give up its rights: %s: %s", failed,
		            strerror(errno));
		(void)sender_flush(sender);
		_exit(STATUS_SYSTEM);
	}
	if (landlock < 0)
		report_landlock(look, landlock);
	inspect(look);
	if (look->failed == 0)
		look->failed = send_record(look, &done);
	_exit(look->failed == 0 ? 0 : STATUS_SYSTEM);
}
