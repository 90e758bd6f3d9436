/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/limits.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/text.h"
#include "bounds.h"
#include "confine/egress.h"
#include "confine/filter.h"
#include "confine/landlock.h"
#include "confine/probe.h"
#include "confine/read_only.h"
#include "util.h"

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

/*
 * Whether a descriptor that was handed in is a way around: for a mount, a directory in or above it, which is the mount
 * as it was, and any file in it; for Landlock, which asks when a file is opened, a file that is open for writing.
 */
static bool leads_around(const struct limits *limits, int fd, const char *path)
{
	struct stat st;
	bool directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	bool writes = !directory && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;

	for (size_t i = 0; i < limits->directory_count; i++) {
		char real[PATH_MAX];
		const char *kept = realpath(limits->directories[i], real) != NULL ?
		                           real :
		                           limits->directories[i];

		if ((path_is_beneath(path, kept) && (limits->mount || writes)) ||
		    (limits->mount && directory && path_is_beneath(kept, path)))
			return true;
	}
	return false;
}

static void withhold_ways(const struct limits *limits)
{
	CLEANUP(dir_close) struct dir directory = dir_of_descriptors();
	int fd;

	while ((fd = dir_next_descriptor(&directory)) >= 0) {
		char path[MAX_PATH_BYTES];

		descriptor_name(fd, path, sizeof(path));
		if (path[0] == '/' && (fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0 &&
		    leads_around(limits, fd, path))
			withhold(fd);
	}
}

static bool wants_mount(const struct limits *limits)
{
	return limits->mount;
}

static int apply_mount(const struct limits *limits)
{
	withhold_ways(limits);
	return read_only_mount(limits->directories, limits->directory_count);
}

static bool wants_landlock(const struct limits *limits)
{
	return limits->ruleset_fd >= 0;
}

static int apply_landlock(const struct limits *limits)
{
	withhold_ways(limits);
	return landlock_enforce(limits->ruleset_fd);
}

static bool wants_filter(const struct limits *limits)
{
	return limits->filter;
}

static int apply_filter(const struct limits *limits)
{
	for (int fd = 0; (fd = egress_descriptor(fd, (limits->sockets & SOCKETS_UDP) != 0)) >= 0;
	     fd++)
		withhold(fd);
	return filter_enforce(limits->sockets | (limits->observed ? SOCKETS_UDP : 0));
}

static const struct limit {
	const char *name;
	enum limit_stage stage;
	bool no_privileges; /* wants no_new_privs, where there is no CAP_SYS_ADMIN */
	bool (*wanted)(const struct limits *limits);
	int (*apply)(const struct limits *limits);
} table[LIMIT_COUNT] = {
	[LIMIT_MOUNT] = { "models_read_only", STAGE_RIGHTS, false, wants_mount, apply_mount },
	[LIMIT_LANDLOCK] = { "Landlock", STAGE_LAST, true, wants_landlock, apply_landlock },
	/* The last: it forbids what others may need. */
	[LIMIT_FILTER] = { "egress", STAGE_LAST, true, wants_filter, apply_filter },
};

/* The limits that are wanted and refused, as LIMIT_BIT. */
static int apply_all(const void *context)
{
	const struct limits *limits = context;
	int refused = 0;

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		if (table[i].wanted(limits) && table[i].apply(limits) < 0)
			refused |= LIMIT_BIT(i);
	return refused;
}

int limits_try(const struct limits *limits)
{
	int wanted = 0, refused;

	for (size_t i = 0; i < LIMIT_COUNT; i++)
		wanted |= table[i].wanted(limits) ? LIMIT_BIT(i) : 0;
	refused = wanted == 0 ? 0 : probe_in_child(apply_all, limits);
	return refused < 0 ? wanted : refused;
}

bool limits_want_no_privileges(const struct limits *limits)
{
	for (size_t i = 0; i < LIMIT_COUNT; i++)
		if (table[i].no_privileges && table[i].wanted(limits))
			return true;
	return false;
}

int limits_apply(const struct limits *limits, enum limit_stage stage, const char **step)
{
	int error = 0;

	for (size_t i = 0; i < LIMIT_COUNT && error == 0; i++)
		if (table[i].stage == stage && table[i].wanted(limits)) {
			*step = table[i].name;
			error = table[i].apply(limits);
		}
	return error;
}
