/* SPDX-License-Identifier: Apache-2.0 */
#include "process/family.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

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

static bool descends_from(pid_t pid, pid_t from)
{
	for (unsigned i = 0; i < MAX_GENERATIONS && pid > 1; i++) {
		pid = parent_of(pid);
		if (pid == from)
			return true;
	}
	return false;
}

static bool is_among(pid_t pid, const pid_t *but, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (but[i] == pid)
			return true;
	return false;
}

int family_signal(int number, const pid_t *but, size_t count)
{
	CLEANUP(dir_close) struct dir proc = dir_open(AT_FDCWD, "/proc", SIZE_MAX);
	pid_t self = getpid();
	struct dirent *entry;
	uint64_t pid;
	int found = 0;

	if (proc.error != 0)
		return -1;
	while ((entry = dir_next(&proc)) != NULL)
		if (scan_u64(entry->d_name, strlen(entry->d_name), &pid) && pid <= INT32_MAX &&
		    descends_from((pid_t)pid, self) && !is_among((pid_t)pid, but, count)) {
			found++;
			(void)kill((pid_t)pid, number);
		}
	return found;
}
