/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 65536u

struct block {
	struct block *before;
	size_t used, size;
	_Alignas(max_align_t) char bytes[];
};

struct arena {
	struct block *last;
};

struct arena *arena_new(void)
{
	return calloc(1, sizeof(struct arena));
}

void arena_free(struct arena *arena)
{
	while (arena != NULL && arena->last != NULL) {
		struct block *block = arena->last;

		arena->last = block->before;
		free(block);
	}
	free(arena);
}

void *arena_take(struct arena *arena, size_t size)
{
	struct block *block = arena->last;
	void *out;

	size = (size + 7) & ~(size_t)7;
	if (block == NULL || block->size - block->used < size) {
		size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;

		block = malloc(sizeof(*block) + room);
		if (block == NULL)
			return NULL;
		block->before = arena->last;
		block->used = 0;
		block->size = room;
		arena->last = block;
	}
	out = block->bytes + block->used;
	block->used += size;
	return out;
}

char *arena_copy(struct arena *arena, const char *bytes, size_t length)
{
	char *copy = arena_take(arena, length + 1);

	if (copy != NULL) {
		memcpy(copy, bytes, length);
		copy[length] = '\0';
	}
	return copy;
}
