/* SPDX-License-Identifier: Apache-2.0 */
#include "process/signals.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scan.h"
#include "status.h"
#include "util.h"

/* What ends a process without handlers, and what images name as their STOPSIGNAL; 37 is systemd's SIGRTMIN+3. */
static const int stops[] = { SIGTERM, SIGINT,  SIGQUIT, SIGHUP, SIGUSR1,
	                     SIGUSR2, SIGABRT, SIGALRM, SIGPWR, 37 };

/* Not sigprocmask(3): C libraries leave out real-time signals that they use, and a service has as 34. */
static int set_mask(uint64_t mask, uint64_t *before)
{
	return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, before, sizeof(mask)) != 0 ? -errno :
	                                                                                    0;
}

/* Stop requests, SIGCHLD and `more` by this descriptor, or a new one. By the system call, for the reason above. */
static int read_from(int fd, uint64_t more)
{
	uint64_t set = more | SIGNAL_BIT(SIGCHLD);

	for (size_t i = 0; i < LENGTH_OF(stops); i++)
		set |= SIGNAL_BIT(stops[i]);
	fd = (int)syscall(SYS_signalfd4, fd, &set, sizeof(set), SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int signals_init(struct signals *signals)
{
	struct sigaction initial = { .sa_handler = SIG_DFL };
	int error = set_mask(~0ull, &signals->mask);

	if (error < 0)
		return error;
	/* A parent that ignores SIGCHLD would have our children reaped before we can ask how they ended. */
	if (sigaction(SIGCHLD, &initial, &signals->child) != 0)
		return -errno;
	/* Nobody may read our report any more, and the service is to start nevertheless. */
	if (sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, &signals->pipe) != 0)
		return -errno;
	signals->fd = read_from(-1, 0);
	return signals->fd < 0 ? signals->fd : 0;
}

void signals_add_stops(const struct signals *signals, uint64_t more)
{
	(void)read_from(signals->fd, more);
}

bool signals_is_stop(int number)
{
	for (size_t i = 0; i < LENGTH_OF(stops); i++)
		if (stops[i] == number)
			return true;
	return number == SIGKILL;
}

int signals_stop_request(const struct signals *signals)
{
	struct signalfd_siginfo info;

	while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			return (int)info.ssi_signo;
	return 0;
}

void signals_close(struct signals *signals)
{
	(void)close(take_fd(&signals->fd));
}

/* The only handler in aweigh: see signals_restore(). */
static void end_here(int number)
{
	_exit(STATUS_SIGNAL + number);
}

void signals_restore(const struct signals *signals)
{
	struct sigaction handler = { .sa_handler = end_here }, inherited;

	(void)sigaction(SIGCHLD, &signals->child, NULL);
	/* One that came while it was blocked is pending even though it was ignored; to ignore it again drops it. */
	(void)sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	(void)sigaction(SIGPIPE, &signals->pipe, NULL);
	for (size_t i = 0; i < LENGTH_OF(stops); i++)
		/* execve() resets handlers to default, so an ignored signal must stay ignored. */
		if (sigaction(stops[i], NULL, &inherited) == 0 && inherited.sa_handler == SIG_DFL &&
		    (signals->mask >> (stops[i] - 1) & 1) == 0)
			(void)sigaction(stops[i], &handler, NULL);
	(void)set_mask(signals->mask, NULL);
}

static int real_time_number(const char *name, size_t length)
{
	bool least = length >= 5 && strncmp(name, "RTMIN", 5) == 0;
	uint64_t offset = 0;

	if (length < 5 || (!least && strncmp(name, "RTMAX", 5) != 0))
		return 0;
	if (length > 5 && (name[5] != (least ? '+' : '-') ||
	                   !scan_u64(name + 6, length - 6, &offset) || offset > 30))
		return 0;
	return least ? 34 + (int)offset : MAX_SIGNAL - (int)offset;
}

int signal_number(const char *name, size_t length)
{
	/* In the order of their numbers, the same on x86-64 and aarch64 (signal(7)). */
	static const char names[] = "HUP,INT,QUIT,ILL,TRAP,ABRT,BUS,FPE,KILL,USR1,SEGV,USR2,PIPE,"
	                            "ALRM,TERM,STKFLT,CHLD,CONT,STOP,TSTP,TTIN,TTOU,URG,XCPU,XFSZ,"
	                            "VTALRM,PROF,WINCH,IO,PWR,SYS,";
	uint64_t number;

	if (scan_u64(name, length, &number))
		return number <= MAX_SIGNAL ? (int)number : 0;
	if (length > 3 && strncmp(name, "SIG", 3) == 0) {
		name += 3;
		length -= 3;
	}
	number = 1;
	for (const char *at = names, *end; *at != '\0'; at = end + 1, number++) {
		end = strchr(at, ',');
		if ((size_t)(end - at) == length && strncmp(at, name, length) == 0)
			return (int)number;
	}
	return real_time_number(name, length);
}

bool signals_pair(const char *from, const char *to, uint8_t pair[static 2])
{
	pair[0] = (uint8_t)signal_number(from, strlen(from));
	pair[1] = (uint8_t)signal_number(to, strlen(to));
	return pair[0] != 0 && pair[0] != SIGKILL && pair[0] != SIGSTOP && pair[0] != SIGCHLD &&
	       (pair[1] != 0 || strcmp(to, "none") == 0);
}

bool statuses_pair(const char *from, const char *to, uint8_t pair[static 2])
{
	uint64_t numbers[2];

	if (!scan_u64(from, strlen(from), &numbers[0]) || !scan_u64(to, strlen(to), &numbers[1]) ||
	    numbers[0] > 255 || numbers[1] > 255)
		return false;
	pair[0] = (uint8_t)numbers[0];
	pair[1] = (uint8_t)numbers[1];
	return true;
}
