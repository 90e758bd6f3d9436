/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <errno.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "status.h"
#include "util.h"

static const int stops[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };

int signals_init(struct signals *signals)
{
	struct sigaction initial = { .sa_handler = SIG_DFL };
	sigset_t all, read_set;

	sigfillset(&all);
	if (sigprocmask(SIG_SETMASK, &all, &signals->mask) != 0)
		return -errno;
	/* A parent that ignores SIGCHLD would have our children reaped before we can ask how they ended. */
	if (sigaction(SIGCHLD, &initial, &signals->child) != 0)
		return -errno;
	sigemptyset(&read_set);
	sigaddset(&read_set, SIGCHLD);
	for (size_t i = 0; i < LENGTH_OF(stops); i++)
		sigaddset(&read_set, stops[i]);
	signals->fd = signalfd(-1, &read_set, SFD_CLOEXEC | SFD_NONBLOCK);
	return signals->fd < 0 ? -errno : 0;
}

int signals_stop_request(const struct signals *signals)
{
	struct signalfd_siginfo info;

	while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo != SIGCHLD)
			return (int)info.ssi_signo;
	return 0;
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
	for (size_t i = 0; i < LENGTH_OF(stops); i++)
		/* execve() resets handlers to default, so an ignored signal must stay ignored. */
		if (sigaction(stops[i], NULL, &inherited) == 0 && inherited.sa_handler == SIG_DFL &&
		    sigismember(&signals->mask, stops[i]) == 0)
			(void)sigaction(stops[i], &handler, NULL);
	(void)sigprocmask(SIG_SETMASK, &signals->mask, NULL);
}
