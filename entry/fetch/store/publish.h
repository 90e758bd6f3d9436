/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs into the snapshot of their commit, all at once; into a plain directory one after the other.
 * Functions return 0 or a negative errno.
 */
#ifndef AWEIGH_PUBLISH_H
#define AWEIGH_PUBLISH_H

#include "fetch/store/store.h"

/* Puts the files of a commit into their places: `begin`, each file, `end`; `release` however it went. */
struct publication {
	const struct repo_store *repo;
	char commit[COMMIT_HEX + 1];
	bool piecemeal; /* the volume renames no directory: the snapshot was made file by file */
	bool has_hidden; /* a file of the model has the name of one on its way: see struct replacement */
	char staging[64]; /* "": straight into the snapshot, which is there already */
	int directory_fd;
};
int publication_begin(struct publication *publication, const struct repo_store *repo,
                      const char *commit);
struct published {
	const char *path, *etag;
	uint64_t size;
	bool is_placed; /* the file itself is in its place already, or on its way there */
	bool keep; /* the blob is also wanted by another path */
	bool doubted; /* what stands in its place may be damaged, whatever its metadata says */
	const char *
	        equal; /* a placed path of the same content, for which there may be no blob; or NULL */
};
/* -ENOENT: another fetch was in the way, begin again. */
int publication_add(struct publication *publication, const struct published *file);
int publication_end(struct publication *publication);
void publication_release(struct publication *publication);

#endif
