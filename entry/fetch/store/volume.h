/* SPDX-License-Identifier: Apache-2.0 */
/* What the volume of a cache can do, found out by trying: mounts of object stores, network and FUSE file systems differ. */
#ifndef AWEIGH_VOLUME_H
#define AWEIGH_VOLUME_H

#include <stdbool.h>
#include <stdint.h>

struct volume {
	bool has_links; /* symbolic ones */
	bool has_locks; /* flock(2) that excludes others, of this machine at least */
	bool may_be_shared; /* with machines that these locks say nothing of */
	bool renames_directories; /* with what is in them, to be read at once */
	bool ignores_case;
	int64_t clock_ahead_s; /* its time of modification against this machine's clock */
};

/* In the directory, where every probe is gone afterwards. Where it may not be written, as an ordinary file system has it. */
void volume_try(int directory_fd, struct volume *volume);

/* What a negative errno of a volume means; static, or strerror()'s. */
const char *volume_words(int error);
/* What can be done about it, other than making room or changing rights; NULL: one of these. */
const char *volume_fix(int error);
/* Whether it refuses whoever asks, or has not what is asked for: what is said of it is about the directory, not the disk. */
bool volume_refuses(int error);
/* Whether a file of each part of that path can be made in the directory: FAT and its relatives know no colons, say. */
bool volume_holds(int directory_fd, const char *path);
/* How volumes say that they rename files alone: gcsfuse by EMFILE, mergerfs by EXDEV, others by the rest. */
bool volume_renames_no_directory(int error);

#endif
