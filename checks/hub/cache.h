/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The layout of the hub cache: names, refs, snapshots. Source: huggingface_hub 1.28.0
 * file_download.py (repo_folder_name, try_to_load_from_cache) and utils/_validators.py.
 */
#ifndef AWEIGH_HUB_CACHE_H
#define AWEIGH_HUB_CACHE_H

#include "engine/inspection.h"
#include "base/tree.h"

enum cache_outcome {
	CACHE_OK,
	CACHE_NO_HUB, /* the cache's folder is not there */
	CACHE_NO_REPO, /* the repository's folder is not there */
	CACHE_NO_REF, /* no refs/REVISION */
	CACHE_BAD_REF, /* a ref that is no commit: a newline after it, empty, anything else */
	CACHE_NO_SNAPSHOT, /* no snapshots/COMMIT */
	CACHE_REFUSED, /* a folder or the ref cannot be opened, view->error */
};

/* NULL: legal; otherwise what is wrong with it, to be put after "repository id 'x' ". */
const char *repo_id_fault(const char *id);
const char *revision_fault(const char *revision);
bool revision_is_commit(const char *revision);
/* Names in a repository: relative, no `.`, `..` or empty part, no backslash-parts, no control bytes. */
bool repo_path_is_legal(const char *path, size_t length);

/* "org/name" -> "models--org--name"; "datasets/org/name" and "spaces/org/name" keep their type. */
bool repo_folder_name(const char *id, char *out, size_t size);

/* Resolves revision to commit and opens the snapshot; fills place, paths, commit, descriptors. */
enum cache_outcome hub_cache_locate(const struct tree *tree, const char *hub_cache,
                                    const char *repo, const char *revision,
                                    struct model_view *view);
/* The text of a bad ref, escaped by whoever prints it: at most `size` bytes of refs/REVISION. */
void hub_cache_ref_text(const struct tree *tree, const struct model_view *view,
                        const char *revision, char *out, size_t size);

/* Where a plain folder has its manifests (_local_folder.py), and what one is called: COMMIT.json. */
#define FOLDER_TREES ".cache/huggingface/trees"
bool manifest_is_named(const char *name);
/*
 * The commit of a plain folder, if its folder of manifests has exactly one: several do not say which one
 * stands there. Takes the descriptor, or the error in its place.
 */
bool folder_commit(int trees_fd, char commit[static COMMIT_HEX + 1]);

#endif
