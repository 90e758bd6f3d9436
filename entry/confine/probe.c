/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/probe.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MOST 100 /* of what a status can hold, the rest are errors */

int probe_in_child(int (*ask)(const void *context), const void *context)
{
	static const struct rlimit no_core = { 0, 0 };
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0) {
		int answer;

		(void)setrlimit(RLIMIT_CORE, &no_core);
		answer = ask(context);
		_exit(answer < 0 ? MOST - answer : answer);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status))
		return -EPERM;
	return WEXITSTATUS(status) > MOST ? MOST - WEXITSTATUS(status) : WEXITSTATUS(status);
}

int probe(int (*ask)(const void *context), const void *context)
{
	return prctl(PR_GET_SECCOMP, 0, 0, 0, 0) == SECCOMP_MODE_FILTER ?
	               probe_in_child(ask, context) :
	               ask(context);
}
