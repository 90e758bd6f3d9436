/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_EXPAND_H
#define AWEIGH_EXPAND_H

#include "base/text.h"
#include "environment.h"
#include "policy.h"

/* ${NAME} and ${NAME:-default} of a value; false: an error of the policy was reported. */
bool policy_expand(struct policy *policy, const struct environment *environment, const char *value,
                   unsigned line, struct text *out);

#endif
