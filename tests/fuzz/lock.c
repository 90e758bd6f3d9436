/* SPDX-License-Identifier: Apache-2.0 */
/* A lock file that is taken is written, and taken again with the same files. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hub/lock.h"
#include "report/lock.h"

static bool read_bytes(struct lock *lock, const void *data, size_t size)
{
	char sentence[512];
	struct text why = TEXT_OVER(sentence);
	int fd = memfd_create("lock", 0);
	bool well = fd >= 0 && write(fd, data, size) == (ssize_t)size &&
	            lseek(fd, 0, SEEK_SET) == 0 && lock_init(lock) && lock_read(lock, fd, &why);

	(void)close(fd);
	return well;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lock lock = { 0 }, again = { 0 };
	struct lock_text texts[8];
	char *text = NULL;
	size_t length;
	FILE *out;

	if (!read_bytes(&lock, data, size) || lock.is_list) {
		lock_release(&lock);
		return 0;
	}
	out = open_memstream(&text, &length);
	lock_sort_models(&lock);
	if (out == NULL || !lock_write(&lock, NULL, 0, out) || fclose(out) != 0)
		abort();
	if (lock_texts(text, texts, 8) != lock.count || !read_bytes(&again, text, length) ||
	    again.count != lock.count)
		abort();
	for (size_t i = 0; i < lock.count; i++)
		if (again.models[i].count != lock.models[i].count)
			abort();
	free(text);
	lock_release(&lock);
	lock_release(&again);
	return 0;
}
