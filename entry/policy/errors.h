/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_POLICY_ERRORS_H
#define AWEIGH_POLICY_ERRORS_H

#include "policy.h"

/* Counts an error of the policy and reports it as a finding; `fix` NULL: the usual one. */
void policy_error(struct policy *policy, enum finding_id id, enum policy_source source,
                  unsigned line, const char *fix, const char *format, ...)
        __attribute__((format(printf, 6, 7)));

#endif
