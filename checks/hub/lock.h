/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lock file: for each model of a policy the commit that was meant, and every file with its size and SHA-256
 * (docs/lock.schema.json), or a list of sha256sum(1)'s as the lock of one plain directory. Memory: 72 bytes a file,
 * and its name.
 */
#ifndef AWEIGH_LOCK_H
#define AWEIGH_LOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "bounds.h"

struct arena;

struct lock_file {
	const char *path; /* in the repository, found legal */
	uint64_t size; /* bytes; LOCK_NO_SIZE: a list of sha256sum's states none */
	unsigned char sha256[SHA256_HEX / 2];
	unsigned char git_sha1[COMMIT_HEX /
	                       2]; /* of a file that is not in LFS: its blob's name in the cache */
	bool has_git_sha1;
};
#define LOCK_NO_SIZE UINT64_MAX

struct lock_model {
	const char *name, *repo, *revision; /* of the policy when it was locked; NULL: not said */
	char commit[COMMIT_HEX + 1]; /* "": not known, as of a plain directory */
	bool moves; /* while locking: the revision is looked up anew */
	struct lock_file *files; /* once closed, by the bytes of their paths */
	size_t count, room;
};

struct lock {
	struct arena *arena;
	struct lock_model *models; /* by the bytes of their names, but for one that was just read */
	size_t count, room;
	bool is_list; /* of sha256sum's: its one model has no name */
};

/* false: out of memory. Release it in either case. */
bool lock_init(struct lock *lock);
void lock_release(struct lock *lock);
/*
 * Reads what `fd` is at, a regular file. false: `why` gets what is wrong with it, to be put after the file's name:
 * damaged, of a newer format, larger than MAX_LOCK_BYTES, a name twice or one that no repository may have.
 */
bool lock_read(struct lock *lock, int fd, struct text *why);
/* What is wrong with a file that could not even be opened for it: -EFBIG, or anything that is no regular file. */
void lock_name_misfit(int error, struct text *why);

/* NULL: there is none. */
const struct lock_model *lock_find_model(const struct lock *lock, const char *name);
const struct lock_file *lock_find_file(const struct lock_model *model, const char *path);

/* To make one: models, their files, and then each model closed. NULL or false: out of memory. */
struct lock_model *lock_add_model(struct lock *lock, const char *name, const char *repo,
                                  const char *revision);
struct lock_file *lock_add_file(struct lock *lock, struct lock_model *model, const char *path,
                                size_t length);
/* Sorts the files; returns a path that is there twice, or NULL. */
const char *lock_close_model(struct lock_model *model);
void lock_sort_models(struct lock *lock);
/*
 * One number for the same files: the SHA-256 over the lines "<hex>  <path>", sorted by their bytes, with a newline
 * between two of them and none at the end (Cog's setDigest). false: out of memory.
 */
bool lock_set(const struct lock_model *model, char hex[static SHA256_HEX + 1]);

#endif
