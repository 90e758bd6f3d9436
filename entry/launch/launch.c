/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/dir.h"
#include "base/text.h"
#include "confine/caps.h"
#include "confine/egress.h"
#include "confine/identity.h"
#include "confine/landlock.h"
#include "confine/read_only.h"
#include "launch/command.h"
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

/* The service does not get it. Another file must not get the number of a standard stream. */
static void withhold(int fd)
{
	int nothing = fd <= STDERR_FILENO ? open("/dev/null", O_RDWR | O_CLOEXEC) : -1;

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	if (nothing >= 0) {
		(void)dup2(nothing, fd);
		(void)close(nothing);
	}
}

/* A directory that was handed in is the mount as it was, writable: the service does not get it. */
static void withhold_directories(const struct limits *limits)
{
	CLEANUP(dir_close) struct dir directory = { 0 };
	int fd;

	if (limits->mounted_count > 0)
		directory = dir_of_descriptors();
	while ((fd = dir_next_descriptor(&directory)) >= 0) {
		char name[16], path[MAX_PATH_BYTES];
		struct text text = TEXT_OVER(name);
		ssize_t length;

		text_addf(&text, "%d", fd);
		length = readlinkat(dir_fd(&directory), name, path, sizeof(path) - 1);
		path[length < 0 ? 0 : length] = '\0';
		for (size_t i = 0; i < limits->mounted_count; i++)
			if (path_is_beneath(path, limits->mounted[i]))
				withhold(fd);
	}
}

/* The last steps: the filter forbids what the others need. */
static int limit(const struct limits *limits, const char **step)
{
	int error = 0;

	for (int fd = 0; limits->filter && (fd = egress_descriptor(fd, limits->udp)) >= 0; fd++)
		withhold(fd);
	withhold_directories(limits);
	*step = "Landlock";
	if (limits->ruleset_fd >= 0)
		error = landlock_enforce(limits->ruleset_fd);
	if (error < 0)
		return error;
	*step = "egress";
	return limits->filter ? egress_filter(limits->udp) : 0;
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
	*step = "models_read_only";
	*value = "yes";
	error = limits->mounted_count > 0 ?
	                read_only_mount(limits->mounted, limits->mounted_count) :
	                0;
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
	if ((policy->no_new_privileges || limits->ruleset_fd >= 0 || limits->filter) &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	return limit(limits, step);
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
		text_addf(why, "the service cannot run as uid %u, gid %u: %s %s: %s",
		          (unsigned)launch->who->uid, (unsigned)launch->who->gid, step, value,
		          strerror(-error));
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
		error = init_divide(launch->supervision);
		if (error < 0) {
			text_addf(why, "cannot start a process for the service: %s",
			          strerror(-error));
			return STATUS_SYSTEM;
		}
		rewrite_pids(rows, before);
	}
	signals_restore(launch->signals);
	(void)execve(path, launch->argv, rows);
	return command_explain_failure(path, errno, why);
}
