/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdlib.h>

#define FIRST_ROOM 64u

void *array_with_room(void *items, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room == 0 ? FIRST_ROOM : *room * 2;
	void *larger;

	if (count < *room)
		return items;
	larger = realloc(items, wanted * size);
	if (larger == NULL)
		return items;
	*room = wanted;
	return larger;
}
