/* SPDX-License-Identifier: Apache-2.0 */
/* A partial file that somebody left: whatever its footer says, what is gone on with fits the file that is wanted. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "fetch/store/partial.h"
#include "util.h"

#define ETAG "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define LEFTOVER ETAG ".00000000.incomplete"

static char directory[] = "/tmp/aweigh-fuzz-XXXXXX";
static int directory_fd = -1;

static void remove_directory(void)
{
	(void)unlinkat(directory_fd, LEFTOVER, 0);
	(void)rmdir(directory);
}

static bool make_directory(void)
{
	if (directory_fd >= 0)
		return true;
	if (mkdtemp(directory) == NULL || atexit(remove_directory) != 0)
		return false;
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return directory_fd >= 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t chunks[] = { 0, 1, 2, 3, 5 };
	struct store store = { .fd = directory_fd, .volume = { .has_locks = true } };
	char *leftovers[] = { (char[]){ LEFTOVER } };
	struct repo_store repo = { .store = &store, .leftovers = leftovers, .leftover_count = 1 };
	struct partial partial;
	uint64_t wanted;
	int fd;

	if (size < 2 || !make_directory())
		return 0;
	repo.blobs_fd = directory_fd;
	/* A file of some chunks, whose tail the data are; or one of just so many bytes. */
	wanted = chunks[data[0] % LENGTH_OF(chunks)] * CHUNK_BYTES + data[1];
	fd = openat(directory_fd, LEFTOVER, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return 0;
	if (pwrite(fd, data + 2, size - 2, (off_t)(data[0] < 128 ? wanted : 0)) < 0)
		abort();
	(void)close(fd);
	if (partial_open(&partial, &repo, ETAG, wanted, true, true) != 0)
		return 0;
	if (partial.size != wanted || partial.present > partial.chunk_count ||
	    partial.lead > partial.present || partial_ready(&partial) > wanted ||
	    partial_present_bytes(&partial) > wanted)
		abort();
	for (size_t i = 0; i < partial.chunk_count; i++)
		if (partial.chunks[i] != CHUNK_MISSING && partial.chunks[i] != CHUNK_PRESENT)
			abort();
	partial_discard(&partial);
	return 0;
}
