/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of sections whose keys are the user's own names, and the names with a dot of [service] and [paths]. */
#ifndef AWEIGH_ROWS_H
#define AWEIGH_ROWS_H

#include "policy.h"

/* For people: each kind of such a row. */
struct row_kind {
	enum key_section section;
	const char *name; /* with the user's part in capitals */
	const char *expects, *help;
};
extern const struct row_kind row_kinds[];
extern const size_t row_kind_count;

/* Whether the section takes such rows at all. */
bool rows_are_of(enum key_section section);
enum row_result { ROW_TAKEN, ROW_WRONG, ROW_UNKNOWN };
/* Parses and appends. WRONG: an error of the policy was reported; UNKNOWN: the section has no row of such a name. */
enum row_result row_store(struct policy *policy, enum key_section section, const char *name,
                          const char *text, unsigned line);

#endif
