/* SPDX-License-Identifier: Apache-2.0 */
#include "system/cgroup.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "bounds.h"
#include "util.h"

/* The first number of a one-line file: false where it is not there or says "max". */
static bool read_number(const char *path, uint64_t *first, uint64_t *second)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[64];
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	size_t length;

	if (got <= 0)
		return false;
	text[got] = '\0';
	length = strcspn(text, " \n");
	if (!scan_u64(text, length, first))
		return false;
	if (second != NULL && text[length] == ' ')
		return scan_u64(text + length + 1, strcspn(text + length + 1, " \n"), second);
	return true;
}

unsigned cores_allowed(void)
{
	uint64_t quota = 0, period = 0, cores = 1;
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		cores = (uint64_t)CPU_COUNT(&set);
	if (!read_number("/sys/fs/cgroup/cpu.max", &quota, &period) &&
	    !(read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, NULL) &&
	      read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, NULL)))
		quota = period = 0;
	if (period > 0 && quota > 0 && (quota + period - 1) / period < cores)
		cores = (quota + period - 1) / period;
	if (cores > MAX_DIGEST_THREADS)
		cores = MAX_DIGEST_THREADS;
	return cores == 0 ? 1 : (unsigned)cores;
}

static void lower(uint64_t *limit, uint64_t to)
{
	if (to < *limit && to < (1ull << 60)) /* v1 says "none" by a number near 2^63 */
		*limit = to;
}

/* Version 1 says what all groups above allow: memory.stat, hierarchical_memory_limit. */
static void lower_by_stat(uint64_t *limit)
{
	static const char key[] = "hierarchical_memory_limit ";
	CLEANUP(cleanup_fd)
	int fd = open("/sys/fs/cgroup/memory/memory.stat", O_RDONLY | O_CLOEXEC);
	char text[4096] = "";
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at = got < 0 ? NULL : strstr(text, key);
	uint64_t number;

	if (at != NULL &&
	    scan_u64(at + sizeof(key) - 1, strcspn(at + sizeof(key) - 1, "\n"), &number))
		lower(limit, number);
}

/* The own group's file and that of each above it, where the whole hierarchy is mounted (cgroups(7)). */
static void lower_by_path(uint64_t *limit, const char *path, const char *mount, const char *file)
{
	char own[4096], name[sizeof(own) + 64];
	struct text copy = TEXT_OVER(own);
	uint64_t number;
	char *slash;

	text_add_bytes(&copy, path, strcspn(path, "\n"));
	for (; (slash = strrchr(own, '/')) != NULL && slash[1] != '\0'; *slash = '\0') {
		struct text text = TEXT_OVER(name);

		text_addf(&text, "%s%s/%s", mount, own, file);
		if (read_number(name, &number, NULL))
			lower(limit, number);
	}
}

/* Lines of /proc/self/cgroup: `0::/path` of version 2, `7:memory:/path` of version 1. */
static void lower_by_paths(uint64_t *limit)
{
	CLEANUP(cleanup_fd) int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
	char text[4096] = "";
	ssize_t got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *unified = got < 0 ? NULL : strstr(text, "0::/"),
	           *memory = got < 0 ? NULL : strstr(text, ":memory:/");

	if (unified != NULL)
		lower_by_path(limit, unified + 3, "/sys/fs/cgroup", "memory.max");
	if (memory != NULL)
		lower_by_path(limit, memory + 8, "/sys/fs/cgroup/memory", "memory.limit_in_bytes");
}

uint64_t memory_limit(void)
{
	static const char *const files[] = { "/sys/fs/cgroup/memory.max",
		                             "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
	uint64_t limit = UINT64_MAX, number;

	for (size_t i = 0; i < LENGTH_OF(files); i++)
		if (read_number(files[i], &number, NULL))
			lower(&limit, number);
	lower_by_stat(&limit);
	lower_by_paths(&limit);
	return limit;
}
