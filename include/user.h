/* SPDX-License-Identifier: Apache-2.0 */
/* Whose eyes the checks use and whom the service runs as. */
#ifndef AWEIGH_USER_H
#define AWEIGH_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "bounds.h"

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[MAX_GROUPS];
	size_t group_count;
	char name[MAX_NAME_BYTES]; /* "" where the passwd file has no entry */
	char home[MAX_PATH_BYTES]; /* "" where it has none */
	bool keep_groups; /* those of the process, whatever they are */
	bool change; /* false: whoever aweigh was started as */
	bool exact; /* the inspector really is this user */
};

#endif
