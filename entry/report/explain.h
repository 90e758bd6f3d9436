/* SPDX-License-Identifier: Apache-2.0 */
/* What `explain` says: rows of section, name, value and origin, gathered first and then printed. */
#ifndef AWEIGH_EXPLAIN_H
#define AWEIGH_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct explanation_row {
	const char *section, *name, *value, *origin; /* origin NULL: it speaks for itself */
};
struct explanation {
	struct explanation_row *rows;
	size_t count, room;
	struct arena *arena;
	bool failed; /* out of memory: what is there is not all */
};

/* Copies what it is given. */
void explanation_add(struct explanation *explanation, const char *section, const char *name,
                     const char *value, const char *origin);
void explanation_print(const struct explanation *explanation, FILE *out);
/* An array of objects: section, name, value, origin. */
void explanation_print_json(const struct explanation *explanation, FILE *out);
void explanation_release(struct explanation *explanation);

#endif
