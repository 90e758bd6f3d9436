/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/init.h"
#include "base/file.h"

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/auxv.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/dir.h"
#include "base/scan.h"
#include "base/tree.h"
#include "confine/caps.h"
#include "process/child.h"
#include "process/clock.h"
#include "process/family.h"
#include "util.h"

#define MAGIC 0x61776732u /* changes with the structure */
#define HANDOVER_FD 3
static const char init_name[] = "aweigh: init";
extern char **environ;

struct init {
	const struct supervision *set;
	int status; /* of the service, as waitpid(2) gives it */
	bool ended; /* the service has */
	bool alone; /* no child is left */
};

void supervision_init(struct supervision *set, const struct policy *policy)
{
	/* Its own business, what a terminal does to background processes, and what cannot be caught. */
	static const uint8_t kept[] = { SIGCHLD, SIGTTIN, SIGTTOU, SIGKILL, SIGSTOP };

	*set = (struct supervision){
		.magic = MAGIC,
		.parent = getppid(),
		.grace_ms = (uint32_t)policy->grace_ms,
		.to_group = policy->signal_target != 0,
	};
	for (unsigned i = 1; i <= MAX_SIGNAL; i++)
		set->forward[i] = (uint8_t)i;
	for (size_t i = 0; i < LENGTH_OF(kept); i++)
		set->forward[kept[i]] = 0;
	for (unsigned i = 0; i < sizeof(set->remap); i++)
		set->remap[i] = (uint8_t)i;
	for (size_t i = 0; i < policy->remaps_count; i++)
		set->remap[policy->remaps[i].from] = policy->remaps[i].to;
	for (size_t i = 0; i < policy->forwards_count; i++)
		set->forward[policy->forwards[i].from] = policy->forwards[i].to;
}

/* What the service has left */

/* To everything in the namespace as PID 1, else to every descendant. */
static void signal_rest(const struct init *init, int number)
{
	const struct family family = { .root = getpid() };
	size_t refused;

	if (family.root == 1)
		(void)kill(-1, number);
	else if (family_signal(&family, number, &refused) < 0)
		(void)kill(-init->set->main, number);
}

/* Signals and deaths */

static void forward(const struct init *init, unsigned number)
{
	int sent = number <= MAX_SIGNAL ? init->set->forward[number] : 0;

	if (sent == 0)
		return;
	if (init->ended)
		signal_rest(init, sent);
	else
		(void)kill(init->set->to_group ? -init->set->main : init->set->main, sent);
}

/* As tini's -w. A pipe that is full holds nothing up: what does not fit is not told. */
static void tell_reaped(pid_t pid, int status)
{
	struct pollfd ready = { .fd = STDERR_FILENO, .events = POLLOUT };
	char line[96];
	struct text text = TEXT_OVER(line);

	text_addf(&text, "aweigh: reaped process %d, which ended %s %d\n", (int)pid,
	          WIFSIGNALED(status) ? "by signal" : "with status",
	          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	if (poll(&ready, 1, 0) == 1 && ready.revents == POLLOUT)
		(void)!write(STDERR_FILENO, line, text.length);
}

/* One SIGCHLD may stand for many deaths. Bounded, so that signals do not wait; whether it reaped any. */
static bool reap(struct init *init)
{
	unsigned reaped = 0;

	while (reaped < REAPED_AT_ONCE) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		init->alone = pid < 0 && errno == ECHILD;
		if (pid <= 0)
			break;
		reaped++;
		if (pid == init->set->main) {
			init->ended = true;
			init->status = status;
		} else if (init->set->tells_reaped) {
			tell_reaped(pid, status);
		}
	}
	return reaped > 0;
}

/*
 * Waits for one signal, not at all where there may be more to reap; `limit_ms` -1: for ever. Not by a
 * signalfd: that is a descriptor, and the service's limit on them may be reached.
 */
static void wait_for_signal(const struct init *init, bool reaped, int limit_ms)
{
	static const uint64_t all = ~0ull;
	struct timespec limit = { .tv_sec = limit_ms / 1000,
		                  .tv_nsec = limit_ms % 1000 * 1000000l };
	siginfo_t info = { .si_pid = 0 };
	long number;

	if (reaped)
		limit = (struct timespec){ 0 };
	number = syscall(SYS_rt_sigtimedwait, &all, &info, reaped || limit_ms >= 0 ? &limit : NULL,
	                 sizeof(all));
	/* A SIGPIPE of our own, by the report or since, is none of the service's: nobody reads any more. */
	if (number > 0 && (number != SIGPIPE || info.si_pid != getpid()))
		forward(init, (unsigned)number);
}

static void wait_for_rest(struct init *init, uint32_t limit_ms, int again)
{
	uint64_t deadline = clock_now_ns() + limit_ms * 1000000ull;
	int left;

	do {
		bool reaped = reap(init);

		if (init->alone)
			return;
		if (reaped && again != 0) /* what the dead have left is a descendant, too */
			signal_rest(init, again);
		left = clock_left_ms(deadline);
		wait_for_signal(init, reaped, left);
	} while (left > 0);
}

static void end_rest(struct init *init)
{
	if (init->alone || (getpid() != 1 && !init->set->subreaper))
		return;
	signal_rest(init, SIGTERM);
	signal_rest(init, SIGCONT); /* a stopped process cannot act on it */
	wait_for_rest(init, init->set->grace_ms, 0);
	if (init->alone)
		return;
	signal_rest(init, SIGKILL);
	wait_for_rest(init, KILLED_WITHIN_MS, SIGKILL);
}

static int supervise(const struct supervision *set)
{
	struct init init = { .set = set };

	(void)prctl(PR_SET_NAME, "aweigh");
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)chdir("/"); /* whatever the service has mounted may be unmounted */
	close_from(3);
	if (set->death_signal != 0 &&
	    (prctl(PR_SET_PDEATHSIG, set->death_signal) != 0 || getppid() != set->parent))
		(void)kill(getpid(), set->death_signal);
	for (;;) {
		bool reaped = reap(&init);

		if (init.ended)
			break;
		if (init.alone)
			return STATUS_SYSTEM; /* not our child: this start was no hand-over */
		wait_for_signal(&init, reaped, -1);
	}
	(void)reap(&init);
	end_rest(&init);
	return set->remap[(WIFSIGNALED(init.status) ? STATUS_SIGNAL + WTERMSIG(init.status) :
	                                              WEXITSTATUS(init.status)) &
	                  0xff];
}

/* Two processes */

/* The terminal goes to the service only if aweigh had it: a background job must not take it. */
static void take_terminal(pid_t own_group)
{
	CLEANUP(cleanup_fd) int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int terminal = fd >= 0 ? fd : STDIN_FILENO;

	(void)setpgid(0, 0);
	if (tcgetpgrp(terminal) == own_group)
		(void)tcsetpgrp(terminal, getpid()); /* SIGTTOU is blocked here */
}

static _Noreturn void stay(const struct supervision *set)
{
	char name[sizeof(init_name)], *argv[] = { name, NULL }, *nothing[] = { NULL };
	uintptr_t own = getauxval(AT_EXECFN);
	const char *file = NULL;
	int pipe_fds[2];

	memcpy(name, init_name, sizeof(name));
	memcpy(&file, &own, sizeof(file));
	/* Nothing but the right to signal is needed from here on, and a start again must not bring more. */
	(void)capabilities_drop(1ull << CAP_KILL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (pipe(pipe_fds) == 0 && write_whole(pipe_fds[1], set, sizeof(*set)) == 0 &&
	    (pipe_fds[0] == HANDOVER_FD || dup2(pipe_fds[0], HANDOVER_FD) == HANDOVER_FD)) {
		close_from(HANDOVER_FD + 1);
		(void)execve("/proc/self/exe", argv, nothing);
		if (file != NULL && file[0] == '/') /* there is no /proc */
			(void)execve(file, argv, nothing);
	}
	for (char **row = environ; *row != NULL;
	     row++) /* /proc/PID/environ shows them, a token too */
		explicit_bzero(*row, strlen(*row));
	_exit(supervise(set)); /* as well, if larger */
}

int init_divide(struct supervision *set)
{
	pid_t own_group = getpgrp(), child;

	/* PID 1 gets every orphan as it is; qemu-user knows no subreapers. */
	if (set->subreaper && getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		return -ENOPROTOOPT;
	/* Whoever has the same user may read a dumpable process's environment; execve() makes the service one again. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	child = fork();
	if (child < 0)
		return -errno;
	if (child == 0) {
		take_terminal(own_group);
		return 0;
	}
	(void)setpgid(child, child); /* whoever is first: a signal to the group must find it */
	set->main = child;
	stay(set);
}

void init_resume(char *const *argv)
{
	struct supervision set;

	if (argv[0] == NULL || strcmp(argv[0], init_name) != 0 || argv[1] != NULL ||
	    read(HANDOVER_FD, &set, sizeof(set)) != (ssize_t)sizeof(set) || set.magic != MAGIC)
		return;
	_exit(supervise(&set));
}
