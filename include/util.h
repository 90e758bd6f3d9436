/* SPDX-License-Identifier: Apache-2.0 */
/* The few words that every file may use: cleanup on leaving a scope, sizes of arrays, bugs. */
#ifndef AWEIGH_UTIL_H
#define AWEIGH_UTIL_H

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "status.h"

#define CLEANUP(function) __attribute__((cleanup(function)))
#define LENGTH_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Never reachable from input: says where and ends the process with STATUS_BUG. */
#define BUG(what)                                                                                  \
	do {                                                                                       \
		(void)fprintf(stderr, "aweigh: bug in %s:%d: %s\n", __FILE__, __LINE__, what);     \
		_exit(STATUS_BUG);                                                                 \
	} while (0)

static inline void cleanup_fd(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

static inline void cleanup_free(void *pointer)
{
	void *memory;

	memcpy(&memory, pointer, sizeof(memory));
	free(memory);
}

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
