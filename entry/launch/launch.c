/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/text.h"
#include "confine/caps.h"
#include "confine/identity.h"
#include "confine/limits.h"
#include "confine/observe.h"
#include "launch/command.h"
#include "process/child.h"
#include "util.h"

static int limit_files(uint64_t files)
{
	struct rlimit limit = { files, files };

	return files > 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0 ? -errno : 0;
}

static const char *said(const struct policy *policy, enum key_id id)
{
	return policy->said[id].text == NULL ? "" : policy->said[id].text;
}

/*
 * So that the service may open /dev/stdout and /dev/stderr (supervisord, nginx): pipes and terminals go to its user, as
 * runc's fixStdioPermissions() gives them. Files stay whose they are.
 */
static void give_stdio(const struct identity *who)
{
	struct stat st;

	for (int fd = STDIN_FILENO; who->change && fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &st) == 0 && st.st_uid != who->uid &&
		    (S_ISFIFO(st.st_mode) || isatty(fd)))
			(void)fchown(fd, who->uid, (gid_t)-1);
}

/*
 * What the policy takes from the service, in the only order in which each step still has the right
 * to be made. *step and *value say what failed.
 */
static int confine(const struct launch *launch, const char **step, const char **value)
{
	const struct policy *policy = launch->policy;
	const struct limits *limits = launch->limits;
	bool exactly = policy->capabilities.named;
	uint64_t mask = policy->capabilities.mask;
	int error;

	/* 1. Limits, while there may be the right to raise them. */
	*step = "nofile";
	*value = said(policy, KEY_NOFILE);
	error = limit_files(policy->nofile);
	if (error < 0)
		return error;
	/* 2. Mounts, while there may be CAP_SYS_ADMIN; before the working directory, which may lie beneath. */
	*value = "yes";
	error = limits_apply(limits, STAGE_RIGHTS, step);
	if (error < 0)
		return error;
	/* 3. The bounding set, while there is CAP_SETPCAP, and what is to survive the change of user. */
	*step = "capabilities";
	*value = said(policy, KEY_CAPABILITIES);
	error = exactly ? capabilities_bound(mask) : 0;
	if (error == 0 && exactly)
		error = capabilities_keep(mask);
	if (error < 0)
		return error;
	/* 4. The user, while there is the right to change it. */
	*value = said(policy, KEY_USER);
	give_stdio(launch->who);
	error = identity_assume(launch->who, step);
	if (error < 0)
		return error;
	/* 5. The directory, as that user: a directory that it may not enter must fail here. */
	*step = "working_directory";
	*value = said(policy, KEY_WORKING_DIRECTORY);
	if (policy->working_directory != NULL && chdir(policy->working_directory) != 0)
		return -errno;
	/* 6. Capabilities after the user, whose change clears them. */
	*step = "capabilities";
	*value = said(policy, KEY_CAPABILITIES);
	error = exactly ? capabilities_become(mask) : 0;
	if (error < 0)
		return error;
	if (policy->umask >= 0)
		(void)umask((mode_t)policy->umask);
	/* 7. No new privileges: without CAP_SYS_ADMIN, Landlock and seccomp demand it. */
	*step = "no_new_privileges";
	*value = "yes";
	if ((policy->no_new_privileges || limits_want_no_privileges(limits)) &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	*value = "";
	return limits_apply(limits, STAGE_LAST, step);
}

/*
 * Sockets and a watchdog are handed over with the receiver's pid beside them (sd_listen_fds(3),
 * sd_watchdog_enabled(3)); ours is not that any more.
 */
static void rewrite_pids(char **rows, pid_t from)
{
	static const char *const names[] = { "LISTEN_PID", "WATCHDOG_PID" };
	static char own[LENGTH_OF(names)][32];

	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		char **at = rows;
		struct text text = TEXT_OVER(own[i]);

		text_addf(&text, "%s=%d", names[i], (int)from);
		while (*at != NULL && strcmp(*at, own[i]) != 0)
			at++;
		text = TEXT_OVER(own[i]);
		text_addf(&text, "%s=%d", names[i], (int)getpid());
		if (*at != NULL)
			*at = own[i];
	}
}

enum status launch_exec(const struct launch *launch, struct text *why)
{
	char path[MAX_PATH_BYTES];
	const char *step = "", *value = "";
	char **rows;
	int error = confine(launch, &step, &value), stop;
	pid_t before = getpid();

	if (error < 0) {
		text_addf(why, "the service cannot run as uid %u, gid %u: %s%s%s: %s",
		          (unsigned)launch->who->uid, (unsigned)launch->who->gid, step,
		          value[0] != '\0' ? " " : "", value, strerror(-error));
		return STATUS_PERMISSION;
	}
	if (!command_find(launch->argv[0], launch->environment, path, sizeof(path)))
		return command_explain_failure(path, errno, why);
	/* A stop request wins over the start, to the last instruction. */
	stop = signals_stop_request(launch->signals);
	if (stop != 0)
		return (enum status)(STATUS_SIGNAL + stop);
	memcpy(&rows, &launch->environment->rows,
	       sizeof(rows)); /* execve() wants them without their const */
	if (launch->supervision != NULL) {
		signals_close(launch->signals);
		error = init_divide(launch->supervision);
		if (error < 0) {
			text_addf(why, "cannot start a process for the service: %s",
			          error == -ENOPROTOOPT ?
			                  "this system knows no subreapers; leave --subreaper out" :
			          error == -EAGAIN ? child_no_room_words() :
			                             strerror(-error));
			return error == -EAGAIN ? STATUS_TEMPORARY : STATUS_SYSTEM;
		}
		rewrite_pids(rows, before);
	}
	error = launch->observe_fd >= 0 ? observe_self(launch->observe_fd) : 0;
	/* Where there is no room for one more process it goes on unseen, unless what it may do rests on that. */
	if (error < 0 && (error != -EAGAIN || launch->limits->observed)) {
		text_addf(why, "the service cannot be observed: %s", strerror(-error));
		return STATUS_SYSTEM;
	}
	/* Late: a change of identity takes it back (prctl(2)). */
	if (launch->dies_with != 0 &&
	    child_die_with(launch->supervision != NULL ? before : launch->dies_with) == -ESRCH)
		return STATUS_SYSTEM;
	signals_restore(launch->signals);
	(void)execve(path, launch->argv, rows);
	return command_explain_failure(path, errno, why);
}
