/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of sections whose keys are the user's own names, and the names with a dot of [service] and [paths]. */
#ifndef AWEIGH_ROWS_H
#define AWEIGH_ROWS_H

#include "policy.h"

/* Whether the section takes such rows at all. */
bool rows_are_of(enum key_section section);
enum row_result { ROW_TAKEN, ROW_WRONG, ROW_UNKNOWN };
/* Parses and appends. WRONG: an error of the policy was reported; UNKNOWN: the section has no row of such a name. */
enum row_result row_store(struct policy *policy, enum key_section section, const char *name,
                          const char *text, unsigned line);

#endif
