/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_POLICY_ERRORS_H
#define AWEIGH_POLICY_ERRORS_H

#include "policy.h"

/* Puts asterisks over what came from a variable with a secret name, also where only its beginning is in the text. */
void policy_hide(const struct policy *policy, char *text);
/* Counts an error of the policy and reports it as a finding; `fix` NULL: the usual one. */
void policy_error(struct policy *policy, enum finding_id id, enum policy_source source,
                  unsigned line, const char *fix, const char *format, ...)
        __attribute__((format(printf, 6, 7)));

#endif
