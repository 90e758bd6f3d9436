/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that dies together: what a policy or a report holds. Allocation failure is NULL. */
#ifndef AWEIGH_ARENA_H
#define AWEIGH_ARENA_H

#include <stddef.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);
void *arena_take(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const char *bytes, size_t length);

#endif
