/* SPDX-License-Identifier: Apache-2.0 */
#include "process/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "util.h"

void close_from(int lowest)
{
	if (syscall(SYS_close_range, (unsigned)lowest, ~0u, 0) == 0)
		return;
	for (int fd = lowest; fd < 65536; fd++) /* before Linux 5.9, or forbidden */
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
