/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writing side of a hub cache, and of a plain directory with local_dir metadata. Source of both
 * layouts: huggingface_hub 1.28.0 file_download.py, _snapshot_download.py, _local_folder.py,
 * _tree_cache.py; filelock 3.32 _unix.py for the locks.
 *
 * The order is what keeps an interrupted fetch from looking complete: the manifest first, then blobs
 * under names that nobody reads, each renamed when its digest is right, then the snapshot's links
 * all at once, the ref last.
 *
 * Functions return 0 or a descriptor, or a negative errno.
 */
#ifndef AWEIGH_STORE_H
#define AWEIGH_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <yajl/yajl_gen.h>

#include "base/file.h"
#include "base/text.h"
#include "fetch/store/volume.h"
#include "hub/manifest.h"

/* Where models are kept: the hub cache, or one plain directory. */
struct store {
	char path[MAX_PATH_BYTES];
	int fd;
	bool is_directory; /* a plain directory */
	struct volume volume; /* after store_prepare() */
};

/* The owner of the directory, or of the nearest one above that is there. */
int store_owner(const char *path, struct stat *st);
/* Makes what is missing of the directory and opens it. */
int store_open(struct store *store, const char *path, bool is_directory);
/* Tries what the volume can do; writes CACHEDIR.TAG. */
int store_prepare(struct store *store);
/* Free bytes and inodes, as far as the volume knows. */
int store_free(const struct store *store, uint64_t *bytes, uint64_t *inodes);
void store_release(struct store *store);
/* A repository in it. */
struct repo_store {
	const struct store *store;
	int fd; /* models--ORG--NAME, or the plain directory */
	int blobs_fd; /* blobs, or .cache/huggingface/download of a plain directory */
	int locks_fd; /* .locks/models--ORG--NAME, or the same as blobs_fd */
	char **leftovers; /* partial files that were there at the start */
	size_t leftover_count;
	bool has_temporaries; /* names on their way were there as well: see repo_store_sweep() */
	bool in_turn; /* between repo_store_lock_names() and repo_store_unlock_names() */
};
int repo_store_open(struct repo_store *repo, const struct store *store, const char *repo_id);
/* What partial files of earlier runs take up on the disk. */
uint64_t repo_store_leftover_bytes(const struct repo_store *repo);
void repo_store_release(struct repo_store *repo);

/*
 * Whether who wrote a file is gone: its lock is ours (`locked`), on a volume whose locks exclude everybody, or it was not
 * touched for so long, by the volume's clock (STALE_PARTIAL_S).
 */
bool repo_store_is_abandoned(const struct repo_store *repo, const struct stat *st, bool locked);

/* The commit that refs/REVISION names, or that stands in a plain directory, for whatever revision; false: none. */
bool repo_store_ref(const struct repo_store *repo, const char *revision,
                    char commit[static COMMIT_HEX + 1]);
int repo_store_write_ref(const struct repo_store *repo, const char *revision, const char *commit);

/* trees/COMMIT.json: as it is there, or written file by file and put into its place at the end. */
int repo_store_open_manifest(const struct repo_store *repo, const char *commit);
struct manifest_writer {
	FILE *file;
	yajl_gen gen;
	int directory_fd;
	struct replacement replacement;
};
int manifest_writer_begin(struct manifest_writer *writer, const struct repo_store *repo,
                          const char *commit);
int manifest_writer_add(struct manifest_writer *writer, const struct manifest_file *file);
int manifest_writer_end(struct manifest_writer *writer);
void manifest_writer_cancel(struct manifest_writer *writer);

/*
 * A lock that other clients see: flock(2) on ETAG.lock, or on PATH.lock of a plain directory.
 * -EAGAIN: another holds it. -ENOLCK: there is none to be had, go on without.
 */
int repo_store_lock(const struct repo_store *repo, const char *etag, const char *path);

/*
 * For the time in which names are given: two fetchers of one repository take turns, since not every volume replaces a
 * file in one step (s3fs). 0; -EAGAIN: it is another's turn; -ENOLCK: there are no turns to be had. Ends with
 * repo_store_unlock_names(), or the process.
 */
int repo_store_lock_names(struct repo_store *repo);
void repo_store_unlock_names(struct repo_store *repo);
/*
 * Removes the names on their way (struct replacement) that a killed fetch has left in a directory in which they are made in
 * turn, and none else has such a name. Whoever has no turn removes what is old.
 */
void repo_store_sweep(const struct repo_store *repo, int directory_fd);

/* Where a snapshot is made ready: under one name, so that another fetch goes on with what a killed one left. */
void repo_store_staging(struct text *text, const char *commit);
/* The places of a file itself, from 0 on in the order in which it moves; false: no such place. */
bool repo_store_place(const struct repo_store *repo, unsigned place, const char *commit,
                      const char *path, char *out, size_t size);
/*
 * Whether the blob waits under its name, or (`path`, where the volume has no links) itself in the snapshot, or
 * on its way there.
 */
bool repo_store_has(const struct repo_store *repo, const char *etag, uint64_t size);
bool repo_store_has_file(const struct repo_store *repo, const char *commit, const char *path,
                         uint64_t size);
/* A plain directory's file by its metadata: size, digest, and not touched since. */
bool repo_store_metadata_fits(const struct repo_store *repo, const char *path, const char *etag);
int repo_store_open_blob(const struct repo_store *repo, const char *etag);
int repo_store_open_file(const struct repo_store *repo, const char *commit, const char *path);

#endif
