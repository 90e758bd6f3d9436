/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own, and files in it. */
#ifndef UNIT_PLACE_H
#define UNIT_PLACE_H

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "unit.h"

struct place {
	char path[64];
	int fd;
};

static inline struct place place_make(void)
{
	struct place place = { .path = "/tmp/aweigh-unit-XXXXXX" };

	assert_non_null(mkdtemp(place.path));
	assert_int_equal(chmod(place.path, 0755), 0);
	place.fd = open(place.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(place.fd >= 0);
	return place;
}

/* With the directories on its way. */
static inline void place_put(const struct place *place, const char *name, const void *content,
                             size_t length)
{
	const char *last;
	int parent = make_parent(place->fd, name, &last);
	int fd = openat(parent, last, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(parent >= 0 && fd >= 0);
	assert_int_equal(write_whole(fd, content, length), 0);
	(void)close(fd);
	(void)close(parent);
}

static inline void place_text(const struct place *place, const char *name, const char *content)
{
	place_put(place, name, content, strlen(content));
}

static inline int place_remove_one(const char *path, const struct stat *st, int kind,
                                   struct FTW *walk)
{
	(void)st;
	(void)kind;
	(void)walk;
	return remove(path);
}

static inline void place_remove(const struct place *place)
{
	(void)close(place->fd);
	assert_int_equal(nftw(place->path, place_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

#endif
