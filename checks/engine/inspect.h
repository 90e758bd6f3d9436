/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers that the checks of models share: looking at names beneath the model that is being looked at. */
#ifndef AWEIGH_INSPECT_H
#define AWEIGH_INSPECT_H

#include "engine/inspection.h"
#include "base/tree.h"

/* Whether `name` is a regular file of the model, links followed; *size may be NULL. Asks what the walk saw first. */
bool model_has(const struct look *look, const char *name, uint64_t *size);
bool model_has_folder(const struct look *look, const char *name);
/* Opens a file of the model for reading; negative errno, -EINVAL for what is no regular file. */
int model_open(const struct look *look, const char *name, uint64_t *size);
/* Opens trees/COMMIT.json, or .cache/huggingface/trees/ of a plain folder; negative errno. */
int model_open_manifest(const struct look *look);
/* Whether the policy wants this file of the repository. */
bool model_wants(const struct look *look, const char *path);
/* What the model is called in messages: its folder, or its repository. */
const char *model_title(const struct model *model);

/* What a file is by its name; NULL format: none of the model formats. */
void file_classify(const char *path, const char **format, bool *weights, bool *pickle);

/* Level digest: files to be hashed, all models together, biggest first. */
struct digest_queue;
struct digest_queue *digest_queue_new(void);
void digest_queue_free(struct digest_queue *queue);
void digest_queue_add(struct look *look, const char *path, const struct stat *st,
                      const char *expected, const char *source);
/* What the manifest says replaces what a blob's name says. */
void digest_queue_expect(struct look *look, const char *path, const char *expected);
void digest_queue_model_done(struct look *look);
void digest_queue_run(struct look *look, struct digest_queue *queue);

#endif
