/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's JSON: a revision's commit, and the files of a commit. Source: huggingface_hub 1.28.0
 * hf_api.py (model_info, list_repo_tree, RepoFile, RepoSibling). Streamed; a page of any size needs
 * no memory of its own.
 */
#ifndef AWEIGH_LISTING_H
#define AWEIGH_LISTING_H

#include "base/json.h"
#include "hub/manifest.h"

/* {"sha": "...", "siblings": [{"rfilename", "size", "blobId", "lfs": {"sha256", "size"}}]} */
struct revision_info {
	struct json json;
	char commit[COMMIT_HEX + 1];
	/* Siblings, where there is no tree to be had; NULL: not wanted. */
	manifest_visit *visit;
	void *context;
	struct manifest_file file;
	char path[MAX_JSON_KEY_BYTES];
	bool stopped;
};
void revision_info_begin(struct revision_info *info, manifest_visit *visit, void *context);
/* Whether it is JSON, with a commit. */
bool revision_info_end(struct revision_info *info);

/* [{"type": "file", "path", "size", "oid", "lfs": {"oid", "size"}, "xetHash"}, ...] */
struct tree_page {
	struct json json;
	manifest_visit *visit;
	void *context;
	struct manifest_file file;
	char path[MAX_JSON_KEY_BYTES];
	bool is_file, stopped;
	uint64_t names; /* one number for the paths in it, files' and directories' */
	size_t entries;
};
void tree_page_begin(struct tree_page *page, manifest_visit *visit, void *context);
bool tree_page_end(struct tree_page *page);

#endif
