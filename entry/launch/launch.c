/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "confine/caps.h"
#include "confine/egress.h"
#include "confine/identity.h"
#include "confine/landlock.h"
#include "confine/read_only.h"
#include "util.h"

bool launch_find(const char *command, const struct environment *environment, char *out, size_t size)
{
	const char *path = environment_get(environment, "PATH"), *at;
	int best = ENOENT;
	struct stat st;

	if (strchr(command, '/') != NULL) {
		errno = ENAMETOOLONG;
		return path_join(out, size, command, "");
	}
	for (at = path == NULL ? "/usr/local/bin:/bin:/usr/bin" : path;; at++) {
		size_t length = strcspn(at, ":");
		struct text text = text_over(out, size);

		text_add_bytes(&text, length == 0 ? "." : at, length == 0 ? 1 : length);
		text_add(&text, "/");
		text_add(&text, command);
		/* A directory that refuses must not hide a later one that has the command. */
		if (!text.cut && stat(out, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(out, X_OK) == 0)
				return true;
			best = EACCES;
		}
		at += length;
		if (*at == '\0')
			break;
	}
	errno = best;
	return false;
}

/* The program that a script's first line names. */
static bool script_interpreter(const char *head, size_t length, char *out, size_t size)
{
	const char *start = head + 2, *end = head + length, *stop;
	struct text text = text_over(out, size);

	if (length < 3 || head[0] != '#' || head[1] != '!')
		return false;
	while (start < end && (*start == ' ' || *start == '\t'))
		start++;
	for (stop = start; stop < end && *stop != ' ' && *stop != '\t' && *stop != '\n';)
		stop++;
	text_add_bytes(&text, start, (size_t)(stop - start));
	return stop > start;
}

/* The loader of a dynamic program: its PT_INTERP segment (elf(5)). */
static bool elf_interpreter(int fd, const char *head, size_t length, char *out, size_t size)
{
	Elf64_Ehdr elf;
	Elf64_Phdr segment;

	if (length < sizeof(elf) || memcmp(head, ELFMAG, SELFMAG) != 0 ||
	    head[EI_CLASS] != ELFCLASS64)
		return false;
	memcpy(&elf, head, sizeof(elf));
	for (unsigned i = 0; i < elf.e_phnum && i < 64; i++) {
		uint64_t at;
		ssize_t got;

		if (__builtin_add_overflow(elf.e_phoff, (uint64_t)i * elf.e_phentsize, &at) ||
		    at > INT64_MAX ||
		    pread(fd, &segment, sizeof(segment), (off_t)at) != (ssize_t)sizeof(segment))
			return false;
		if (segment.p_type != PT_INTERP)
			continue;
		if (segment.p_offset > INT64_MAX)
			return false;
		got = pread(fd, out, size - 1, (off_t)segment.p_offset);
		if (got <= 0)
			return false;
		out[got] = '\0';
		return true;
	}
	return false;
}

/* execve() says ENOENT for a missing interpreter too: the one case in which its word misleads. */
static enum status explain(const char *path, int error, struct text *why)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[256] = "", interpreter[MAX_PATH_BYTES];
	ssize_t got = fd < 0 ? 0 : pread(fd, head, sizeof(head), 0);
	size_t length = got < 0 ? 0 : (size_t)got;
	struct stat st;

	if (fd >= 0 && error == ENOENT &&
	    script_interpreter(head, length, interpreter, sizeof(interpreter))) {
		size_t end = strlen(interpreter);
		bool carriage = end > 0 && interpreter[end - 1] == '\r';

		if (carriage)
			interpreter[end - 1] = '\0';
		text_addf(
		        why,
		        "%s cannot start: its first line names the interpreter '%s%s', which is not there%s",
		        path, interpreter, carriage ? "\\r" : "",
		        carriage ? "; the file has Windows line ends" : "");
		return STATUS_NOT_FOUND;
	}
	if (fd >= 0 && error == ENOENT &&
	    elf_interpreter(fd, head, length, interpreter, sizeof(interpreter))) {
		text_addf(
		        why,
		        "%s cannot start: its loader %s is not there, so it was built for another system",
		        path, interpreter);
		return STATUS_NOT_FOUND;
	}
	if (error == ENOEXEC) {
		text_addf(
		        why,
		        "%s cannot start: it is no program for this machine, and has no '#!' line",
		        path);
		return STATUS_NOT_EXECUTABLE;
	}
	if (error == EACCES && stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		text_addf(why, "%s cannot start: it is not a regular file", path);
	else
		text_addf(why, "%s cannot start: %s", path, strerror(error));
	return error == ENOENT || error == ENOTDIR ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

static enum status exec_failed(const char *command, struct text *why, int error)
{
	text_addf(why, "%s cannot start: %s", command,
	          error == ENOENT ? "no such command in the service's PATH" : strerror(error));
	return error == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

static int limit_files(uint64_t files)
{
	struct rlimit limit = { files, files };

	return files > 0 && setrlimit(RLIMIT_NOFILE, &limit) != 0 ? -errno : 0;
}

static const char *said(const struct policy *policy, enum key_id id)
{
	return policy->said[id].text == NULL ? "" : policy->said[id].text;
}

/* The last steps: the filter forbids what the others need. */
static int limit(const struct limits *limits, const char **step)
{
	int error = 0;

	for (int fd = 0; limits->filter && (fd = egress_descriptor(fd, limits->udp)) >= 0; fd++)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	*step = "Landlock";
	if (limits->ruleset_fd >= 0)
		error = landlock_enforce(limits->ruleset_fd);
	if (error < 0)
		return error;
	*step = "egress";
	return limits->filter ? egress_filter(limits->udp) : 0;
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

/* Sockets are handed over with the receiver's pid beside them (sd_listen_fds(3)); ours is not that any more. */
static void rewrite_listen_pid(char **rows, pid_t from)
{
	static char row[32];
	struct text own = TEXT_OVER(row);

	text_addf(&own, "LISTEN_PID=%d", (int)from);
	while (*rows != NULL && strcmp(*rows, row) != 0)
		rows++;
	if (*rows == NULL)
		return;
	own = TEXT_OVER(row);
	text_addf(&own, "LISTEN_PID=%d", (int)getpid());
	*rows = row;
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
	if (!launch_find(launch->argv[0], launch->environment, path, sizeof(path)))
		return exec_failed(launch->argv[0], why, errno);
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
		rewrite_listen_pid(rows, before);
	}
	signals_restore(launch->signals);
	(void)execve(path, launch->argv, rows);
	return explain(path, errno, why);
}
