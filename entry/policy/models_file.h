/* SPDX-License-Identifier: Apache-2.0 */
/* The file that policy.manifest names: a model a line, `org/name[@revision] [gguf:FILE]`; # comments. */
#ifndef AWEIGH_MODELS_FILE_H
#define AWEIGH_MODELS_FILE_H

#include <stddef.h>

#include "policy.h"

/* Adds each line's model; what is wrong with a line is an error of the policy. */
void models_file_parse(struct policy *policy, const char *text, size_t length);

#endif
