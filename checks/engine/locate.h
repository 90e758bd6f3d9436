/* SPDX-License-Identifier: Apache-2.0 */
/* Where the model of the inspection is: fills place, paths, commit, descriptors and outcome of its view. */
#ifndef AWEIGH_LOCATE_H
#define AWEIGH_LOCATE_H

#include "engine/inspection.h"

void locate(struct inspection *inspection);
/* Of those that are selected: whether one is looked for in the hub cache, and whether one may bring code. */
bool any_model_of_the_cache(const struct inspection *inspection);
bool any_model_with_code(const struct inspection *inspection);
/* What the model is called in messages: its directory, or its repository. */
const char *model_title(const struct model *model);
/* Whether the rows files and exclude of the policy select this file of it; with the first part of a split GGUF all of them. */
bool model_selects(const struct model *model, const char *path);
/* The first part's name, of the part of a split GGUF; false: it is none. */
bool split_first(const char *path, char first[static MAX_PATH_BYTES]);
/* How closely it is to be looked at: the closer of the policy's level and its own. */
enum level model_level(const struct policy *policy, const struct model *model);

#endif
