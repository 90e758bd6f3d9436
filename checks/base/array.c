/* SPDX-License-Identifier: Apache-2.0 */
#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64u

bool array_make_room(void *items, size_t count, size_t *room, size_t size)
{
	size_t wanted = *room == 0 ? FIRST_ROOM : *room * 2;
	void *array;

	if (count < *room)
		return true;
	memcpy(&array, items, sizeof(array));
	array = realloc(array, wanted * size);
	if (array == NULL)
		return false;
	memcpy(items, &array, sizeof(array));
	*room = wanted;
	return true;
}
