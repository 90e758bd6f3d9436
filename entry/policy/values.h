/* SPDX-License-Identifier: Apache-2.0 */
/* A value of each type: read strictly, stored into its field once. */
#ifndef AWEIGH_VALUES_H
#define AWEIGH_VALUES_H

#include "policy/keys.h"

/*
 * Reads `text` into the field of the key, in `model` where the key is one of [model NAME], and notes what
 * was said and where. What is wrong with it is an error of the policy, and the field keeps its value.
 */
void value_store(struct policy *policy, struct model *model, enum key_id id, const char *text,
                 unsigned line, enum policy_source source);
/* Elements between commas. false: out of memory. */
bool value_split(struct arena *arena, const char *text, char separator, struct list *out);

#endif
