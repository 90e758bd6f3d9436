/* SPDX-License-Identifier: Apache-2.0 */
#include "system/mounts.h"
#include "base/file.h"

#include <fcntl.h>
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
