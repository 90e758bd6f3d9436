/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each wanted file of a model, opened without leaving the model, and what the checks of models ask of
 * it afterwards: names beneath the model that is being inspected.
 */
#ifndef AWEIGH_WALK_H
#define AWEIGH_WALK_H

#include "engine/inspection.h"

/* What the walk has met, so that later questions cost no system call: names by hash, with sizes. */
struct seen_files {
	size_t count, room; /* room: a power of two, at most half full */
	bool missed; /* the walk left something out */
	bool complete; /* the walk is over and missed nothing: what is not here is not there */
	struct seen_file {
		uint64_t hash, size;
	} * files;
};

/* Forgets the model before. */
void seen_clear(struct seen_files *seen);

/* Meets every file of the model and runs the checks of SCOPE_FILE on those that are wanted. */
void walk_model(struct inspection *inspection);

/* Whether `name` is a regular file of the model, links followed; *size may be NULL. Asks what the walk saw first. */
bool model_has(const struct inspection *inspection, const char *name, uint64_t *size);
bool model_has_directory(const struct inspection *inspection, const char *name);
/* Opens a file of the model for reading; negative errno, -EINVAL for what is not a regular file. */
int model_open(const struct inspection *inspection, const char *name, uint64_t *size);
/* Whether it has come or changed a moment ago, so that whoever brings it may not have ended. */
bool file_is_young(const struct stat *st);
/* Opens trees/COMMIT.json, or .cache/huggingface/trees/ of a plain directory; negative errno. */
int model_open_manifest(const struct inspection *inspection);
/* The elements of files and require that this name answers. */
void model_mark_lists(const struct model *model, struct lists_met *met, const char *path);
/* Whether the policy wants this file of the repository. */
bool model_wants(const struct inspection *inspection, const char *path);

#endif
