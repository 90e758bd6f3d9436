/* SPDX-License-Identifier: Apache-2.0 */
#include "system/cgroup.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/scan.h"
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

uint64_t memory_limit(void)
{
	static const char *const files[] = { "/sys/fs/cgroup/memory.max",
		                             "/sys/fs/cgroup/memory/memory.limit_in_bytes" };
	uint64_t limit;

	for (size_t i = 0; i < LENGTH_OF(files); i++)
		if (read_number(files[i], &limit, NULL) && limit < (1ull << 60))
			return limit;
	return UINT64_MAX;
}
