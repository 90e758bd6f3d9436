/* SPDX-License-Identifier: Apache-2.0 */
#include "process/family.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "base/dir.h"
#include "base/scan.h"
#include "base/text.h"
#include "bounds.h"
#include "util.h"

static pid_t parent_of(pid_t pid)
{
	char path[32], stat[512];
	struct text text = TEXT_OVER(path);
	CLEANUP(cleanup_fd) int fd = -1;
	const char *behind_name;
	uint64_t parent;
	ssize_t got;

	text_addf(&text, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = fd < 0 ? -1 : read(fd, stat, sizeof(stat) - 1);
	if (got <= 0)
		return 0;
	stat[got] = '\0';
	/* pid (name) state parent: the name may hold brackets and blanks of its own (proc(5)). */
	behind_name = strrchr(stat, ')');
	if (behind_name == NULL || strlen(behind_name) < 5 ||
	    !scan_u64(behind_name + 4, strspn(behind_name + 4, "0123456789"), &parent))
		return 0;
	return (pid_t)parent;
}

static bool is_spared(const struct family *family, pid_t pid)
{
	for (size_t i = 0; i < family->count; i++)
		if (family->spared[i] == pid)
			return true;
	return false;
}

static bool is_of(const struct family *family, pid_t pid)
{
	for (unsigned i = 0; i < MAX_GENERATIONS && pid > 1 && !is_spared(family, pid); i++) {
		pid = parent_of(pid);
		if (pid == family->root)
			return true;
	}
	return false;
}

/* The next of the family, but for the caller; 0: no more. */
static pid_t next_of(const struct family *family, struct dir *proc)
{
	struct dirent *entry;
	uint64_t pid;

	while ((entry = dir_next(proc)) != NULL)
		if (scan_u64(entry->d_name, strlen(entry->d_name), &pid) && pid <= INT32_MAX &&
		    (pid_t)pid != getpid() && is_of(family, (pid_t)pid))
			return (pid_t)pid;
	return 0;
}

bool family_begin(struct family *family, pid_t root)
{
	CLEANUP(dir_close) struct dir proc = dir_open(AT_FDCWD, "/proc", SIZE_MAX);
	const struct family all = { .root = root };
	pid_t pid;

	*family = all;
	while ((pid = next_of(&all, &proc)) != 0)
		if (!family_spare(family, pid))
			return false;
	return true;
}

bool family_spare(struct family *family, pid_t pid)
{
	if (!ARRAY_MAKE_ROOM(family->spared, family->count, family->room))
		return false;
	family->spared[family->count++] = pid;
	return true;
}

void family_forget(struct family *family, pid_t pid)
{
	for (size_t i = 0; i < family->count; i++)
		if (family->spared[i] == pid)
			family->spared[i] = family->spared[--family->count];
}

int family_signal(const struct family *family, int number, size_t *refused)
{
	CLEANUP(dir_close) struct dir proc = dir_open(AT_FDCWD, "/proc", SIZE_MAX);
	int found = 0;
	pid_t pid;

	*refused = 0;
	if (proc.error != 0)
		return -1;
	for (; (pid = next_of(family, &proc)) != 0; found++)
		*refused += kill(pid, number) != 0 && errno == EPERM;
	return found;
}

void family_release(struct family *family)
{
	free(family->spared);
}
