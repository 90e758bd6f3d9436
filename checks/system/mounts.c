/* SPDX-License-Identifier: Apache-2.0 */
#include "system/mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>

#include "base/scan.h"
#include "base/text.h"
#include "util.h"

int mounts_read(char **data, size_t *length)
{
	CLEANUP(cleanup_fd) int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return read_whole(fd, MAX_MOUNTINFO_BYTES, data, length);
}

/* Copies a field, octal escapes undone: \040 is a blank. */
static void copy_field(char *out, size_t size, const char *field, size_t length)
{
	size_t to = 0;

	for (size_t i = 0; i < length && to + 1 < size; i++) {
		uint64_t code;

		if (field[i] == '\\' && length - i >= 4 && scan_octal(field + i + 1, 3, &code) &&
		    code < 256) {
			out[to++] = (char)code;
			i += 3;
		} else {
			out[to++] = field[i];
		}
	}
	out[to] = '\0';
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue */
bool mount_parse(const char *line, size_t length, struct mount *out)
{
	const char *end = line + length, *field[6] = { NULL }, *dash;
	size_t lengths[6];

	for (size_t i = 0; i < 6; i++) {
		const char *stop = memchr(line, ' ', (size_t)(end - line));

		if (stop == NULL)
			return false;
		field[i] = line;
		lengths[i] = (size_t)(stop - line);
		line = stop + 1;
	}
	dash = memmem(line - 1, (size_t)(end - line + 1), " - ", 3);
	if (dash == NULL)
		return false;
	copy_field(out->root, sizeof(out->root), field[3], lengths[3]);
	copy_field(out->point, sizeof(out->point), field[4], lengths[4]);
	out->read_only = lengths[5] >= 2 && memcmp(field[5], "ro", 2) == 0 &&
	                 (lengths[5] == 2 || field[5][2] == ',');
	line = dash + 3;
	dash = memchr(line, ' ', (size_t)(end - line));
	if (dash == NULL)
		return false;
	copy_field(out->type, sizeof(out->type), line, (size_t)(dash - line));
	line = dash + 1;
	dash = memchr(line, ' ', (size_t)(end - line));
	copy_field(out->source, sizeof(out->source), line,
	           (size_t)((dash == NULL ? end : dash) - line));
	return true;
}

bool mount_of(const char *mounts, size_t length, const char *path, struct mount *out)
{
	const char *at = mounts, *end = mounts + length;
	size_t best = 0;
	struct mount mount;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (stop == NULL)
			stop = end;
		/* A later mount over the same point hides the earlier one. */
		if (mount_parse(at, (size_t)(stop - at), &mount) &&
		    path_is_beneath(path, mount.point) && strlen(mount.point) >= best) {
			best = strlen(mount.point);
			*out = mount;
		}
		at = stop + 1;
	}
	return best > 0;
}

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
