/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of the hub cache: names, refs, snapshots. Source: huggingface_hub 1.28.0
 * file_download.py (repo_folder_name, try_to_load_from_cache) and utils/_validators.py.
 */
#ifndef AWEIGH_HUB_CACHE_H
#define AWEIGH_HUB_CACHE_H

#include "base/tree.h"
#include "bounds.h"

/* Where a model is: in the cache, or in a plain directory. */
struct model_place {
	enum { PLACE_NONE, PLACE_CACHE, PLACE_DIRECTORY } kind;
	char repo_path
	        [MAX_PATH_BYTES]; /* the repository's directory in the cache, or the plain directory */
	char path[MAX_PATH_BYTES]; /* the snapshot, or the plain directory */
	char commit[COMMIT_HEX + 1]; /* "" where it cannot be told */
	int repo_fd, dir_fd; /* -1: could not be opened */
	int error; /* errno, or 0; why kind is NONE */
};

#define MAX_SHARED_TARGET (sizeof("../../blobs/xx/") + SHA256_HEX)

enum cache_outcome {
	CACHE_OK,
	CACHE_NO_HUB, /* the cache's directory is not there */
	CACHE_NO_REPO, /* the repository's directory is not there */
	CACHE_NO_REF, /* no refs/REVISION */
	CACHE_BAD_REF, /* a ref that is no commit: a newline after it, empty, anything else */
	CACHE_NO_SNAPSHOT, /* no snapshots/COMMIT */
	CACHE_REFUSED, /* a directory or the ref cannot be opened, place->error */
};

/* NULL: legal; otherwise what is wrong with it, to be put after "repository id 'x' ". */
const char *repo_id_fault(const char *id);
const char *revision_fault(const char *revision);
bool revision_is_commit(const char *revision);
/* Names in a repository: relative, no `.`, `..` or empty part, no backslash-parts, no control bytes. */
bool repo_path_is_legal(const char *path, size_t length);

/* "org/name" -> "models--org--name"; "datasets/org/name" and "spaces/org/name" keep their type. */
bool repo_directory_name(const char *id, char *out, size_t size);
/* The repository's directory in a cache; false: its path is too long. */
bool repo_path(const char *hub_cache, const char *id, char *out, size_t size);

/* A path in a cache, taken apart: CACHE/models--ORG--NAME/{snapshots,blobs,refs,.no_exist,trees}/... */
struct cache_path {
	size_t cache; /* the length of CACHE */
	const char *repository; /* models--ORG--NAME... */
	size_t repository_length;
	const char *beneath; /* "/snapshots/COMMIT/FILE" */
	char commit[COMMIT_HEX + 1]; /* of a snapshot; "": it is in none */
	const char *file; /* beneath the snapshot; NULL: none */
};
/* false: no part of it is a repository's directory, by its name and by what follows; or the snapshot is of no commit. */
bool cache_path_read(const char *path, struct cache_path *out);

/* Resolves revision to commit and opens the snapshot; fills kind, paths, commit, descriptors. */
enum cache_outcome hub_cache_locate(const struct tree *tree, const char *hub_cache,
                                    const char *repo, const char *revision,
                                    struct model_place *place);
/*
 * The shared blob store (huggingface_hub 1.32 and newer, utils/_shared_blobs.py): a repository's blob may be a
 * link to ../../blobs/XX/HASH of the cache, HASH 64 hexadecimal digits that begin with XX. Whether `target`
 * is such a link's text.
 */
bool shared_blob_is_target(const char *target);
/* Reads the link that the blob `etag` of a repository is; false: it is no such link, and `target` is "". */
bool shared_blob_read(int repo_fd, const char *etag, char target[static MAX_SHARED_TARGET]);
/* Where its payload is beneath the cache. */
#define SHARED_BLOB_BENEATH(target) ((target) + sizeof("../../") - 1)
/*
 * Opens the payload behind a blob of `repo_fd`'s that is such a link, beneath the cache that the repository's
 * path lies in: a descriptor, -EXDEV where the blob is no such link, or another negative errno. `target`
 * gets the link's text, "" where it is none.
 */
int shared_blob_open(const struct tree *tree, const struct model_place *place, const char *etag,
                     char target[static MAX_SHARED_TARGET]);
/* The text of a bad ref, escaped by whoever prints it: at most `size` bytes of refs/REVISION. */
void hub_cache_ref_text(const struct tree *tree, const struct model_place *place,
                        const char *revision, char *out, size_t size);

/* Where a plain directory has its manifests (_local_folder.py), and what one is called: COMMIT.json. */
#define DIRECTORY_TREES ".cache/huggingface/trees"
bool manifest_is_named(const char *name);
/*
 * The commit of a plain directory, if its directory of manifests has exactly one: several do not say which one
 * stands there. Takes the descriptor, or the error in its place.
 */
bool directory_commit(int trees_fd, char commit[static COMMIT_HEX + 1]);

#endif
