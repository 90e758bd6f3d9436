/* SPDX-License-Identifier: Apache-2.0 */
/* An array that grows by doubling. */
#ifndef AWEIGH_ARRAY_H
#define AWEIGH_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

/* `items`: the address of the array's pointer. Room for one more element of `size` bytes; false: out of memory. */
bool array_make_room(void *items, size_t count, size_t *room, size_t size);
#define ARRAY_MAKE_ROOM(items, count, room)                                                        \
	array_make_room(&(items), (count), &(room), sizeof((items)[0]))

#endif
