/* SPDX-License-Identifier: Apache-2.0 */
/* An array that grows by doubling. */
#ifndef AWEIGH_ARRAY_H
#define AWEIGH_ARRAY_H

#include <stddef.h>

/* The array, with room for one more element of `size` bytes; without memory it is as it was, and so is *room. */
void *array_with_room(void *items, size_t count, size_t *room, size_t size);
/* false: out of memory. */
#define ARRAY_MAKE_ROOM(items, count, room)                                                        \
	((items) = array_with_room((items), (count), &(room), sizeof((items)[0])), (count) < (room))

#endif
