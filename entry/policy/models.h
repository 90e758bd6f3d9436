/* SPDX-License-Identifier: Apache-2.0 */
/* The policy's models: its sections, and the lines of its models file. */
#ifndef AWEIGH_MODELS_H
#define AWEIGH_MODELS_H

#include "policy.h"

/* Appends a model with the defaults; NULL: too many, or out of memory. */
struct model *policy_add_model(struct policy *policy, const char *name, size_t length,
                               unsigned line, enum policy_source source);
/* Keeps those that `list` names, or all where it is empty; `line` of the policy, or 0. */
void policy_select_models(struct policy *policy, const struct list *list, unsigned line);

#endif
