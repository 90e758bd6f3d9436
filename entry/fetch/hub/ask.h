/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to a hub, each asked until it is answered or given up: the commit of a revision, the files of a commit,
 * and what a file's own headers state. Source: huggingface_hub 1.28.0 hf_api.py, utils/_pagination.py,
 * file_download.py (get_hf_file_metadata).
 */
#ifndef AWEIGH_ASK_H
#define AWEIGH_ASK_H

#include "fetch/http/request.h"
#include "hub/manifest.h"

struct asked {
	struct network *network;
	const char *endpoint, *repo;
	int model; /* of the policy, for records */
	bool elsewhere; /* another endpoint can be asked, so this one is not asked for long */
};

/*
 * false: `failure` says why; its `broken` says that an answer broke off, and whoever asks may ask anew.
 *
 * The commit of a branch, tag or commit. With `visit`, the files too: names alone, or with "?blobs=true" as `query`
 * sizes and digests.
 */
bool ask_revision(const struct asked *asked, const char *revision, const char *query,
                  manifest_visit *visit, void *context, char commit[static COMMIT_HEX + 1],
                  struct failure *failure);
/* The files of a commit, page by page. A hub without such a list answers 404 or the like. */
bool ask_tree(const struct asked *asked, const char *commit, manifest_visit *visit, void *context,
              struct failure *failure);
/* What the headers at `url` state of a file: size and digest, or neither. */
bool ask_file(const struct asked *asked, const char *url, const char *path, struct headers *said,
              struct failure *failure);
/* It came, and is not what was asked for: `what` that was. */
void ask_misfit(const struct asked *asked, const char *what, struct failure *failure);

#endif
