/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka, and inputs that end where the page ends: one byte too far is a fault. */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#define PAGE 4096u
#define GUARD_BYTES (64u * PAGE)

/* A copy of `bytes` whose last byte is the last of a page before one that cannot be read. */
static inline char *guarded(const void *bytes, size_t length)
{
	static char *area;

	if (area == NULL) {
		area = mmap(NULL, GUARD_BYTES + PAGE, PROT_READ | PROT_WRITE,
		            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_true(area != MAP_FAILED);
		assert_int_equal(mprotect(area + GUARD_BYTES, PAGE, PROT_NONE), 0);
	}
	assert_true(length <= GUARD_BYTES);
	memcpy(area + GUARD_BYTES - length, bytes, length);
	return area + GUARD_BYTES - length;
}

#endif
