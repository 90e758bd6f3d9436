/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store/partial.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/scan.h"
#include "base/text.h"
#include "process/clock.h"
#include "util.h"

/* magic, size and chunk_bytes in little-endian */
#define FOOTER_BYTES 24u
#define LOOK_AGAIN_NS 1000000000ull
static const char magic[8] = { 'a', 'w', 'e', 'i', 'g', 'h', '1', '\n' };

static void plan_chunks(struct partial *partial, uint64_t size)
{
	partial->size = size;
	partial->chunk_bytes = CHUNK_BYTES;
	while (size / partial->chunk_bytes >= MAX_CHUNKS)
		partial->chunk_bytes *= 2;
	partial->chunk_count = (size_t)((size + partial->chunk_bytes - 1) / partial->chunk_bytes);
}

static void store_le64(unsigned char *at, uint64_t number)
{
	for (unsigned i = 0; i < 8; i++)
		at[i] = (unsigned char)(number >> (8 * i));
}

static int pwrite_whole(int fd, const void *bytes, size_t length, uint64_t at)
{
	const char *from = bytes;

	while (length > 0) {
		ssize_t written = pwrite(fd, from, length, (off_t)at);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0) /* mountpoint-s3 says EINVAL out of order */
			return written == 0 ? -EIO : errno == EINVAL ? -ESPIPE : -errno;
		from += written;
		at += (uint64_t)written;
		length -= (size_t)written;
	}
	return 0;
}

static bool has_footer(const struct partial *partial)
{
	return partial->chunk_count > 1;
}

static int write_footer(const struct partial *partial)
{
	unsigned char footer[FOOTER_BYTES];

	if (!has_footer(partial))
		return 0;
	memcpy(footer, magic, sizeof(magic));
	store_le64(footer + 8, partial->size);
	store_le64(footer + 16, partial->chunk_bytes);
	/* The gap before it reads as zeros: nothing is there yet. */
	return pwrite_whole(partial->fd, footer, sizeof(footer),
	                    partial->size + partial->chunk_count);
}

static void count_chunks(struct partial *partial)
{
	partial->present = partial->lead = 0;
	for (size_t i = 0; i < partial->chunk_count; i++) {
		partial->chunks[i] =
		        partial->chunks[i] == CHUNK_PRESENT ? CHUNK_PRESENT : CHUNK_MISSING;
		partial->present += partial->chunks[i] == CHUNK_PRESENT;
		if (partial->lead == i && partial->chunks[i] == CHUNK_PRESENT)
			partial->lead = i + 1;
	}
}

/* Whether it can be gone on with; fills chunks. */
static bool read_footer(struct partial *partial, const struct stat *st)
{
	unsigned char footer[FOOTER_BYTES];
	uint64_t end = partial->size + partial->chunk_count;

	if ((uint64_t)st->st_size ==
	    partial->size) { /* killed between the last byte and the rename */
		memset(partial->chunks, CHUNK_PRESENT, partial->chunk_count);
		return true;
	}
	if (!has_footer(partial)) /* begun again, rather than left lying about */
		return (uint64_t)st->st_size < partial->size;
	return (uint64_t)st->st_size == end + FOOTER_BYTES &&
	       pread(partial->fd, footer, sizeof(footer), (off_t)end) == (ssize_t)sizeof(footer) &&
	       memcmp(footer, magic, sizeof(magic)) == 0 &&
	       load_le64(footer + 8) == partial->size &&
	       load_le64(footer + 16) == partial->chunk_bytes &&
	       pread(partial->fd, partial->chunks, partial->chunk_count, (off_t)partial->size) ==
	               (ssize_t)partial->chunk_count;
}

static void new_name(struct partial *partial, const char *etag)
{
	struct text text = TEXT_OVER(partial->name);
	char hex[9];

	random_hex(hex);
	text_addf(&text, "%s.%s.incomplete", etag, hex);
}

static bool is_partial_of(const char *leftover, const char *etag)
{
	size_t length = strlen(etag);

	return strncmp(leftover, etag, length) == 0 && leftover[length] == '.';
}

static bool is_abandoned(const struct repo_store *repo, const struct stat *st, bool locked)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       repo_store_is_abandoned(repo, st, locked);
}

/* Claims a leftover by renaming it, so that no two go on with the same one. */
static bool claim(struct partial *partial, const struct repo_store *repo, const char *leftover,
                  const char *etag, bool locked)
{
	struct stat st;

	partial->fd =
	        openat(repo->blobs_fd, leftover, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (partial->fd < 0)
		return false;
	if (fstat(partial->fd, &st) == 0 && is_abandoned(repo, &st, locked) &&
	    read_footer(partial, &st)) {
		new_name(partial, etag);
		if (renameat(repo->blobs_fd, leftover, repo->blobs_fd, partial->name) == 0) {
			partial_keep(partial); /* it is old, and somebody's again */
			return true;
		}
	}
	(void)close(partial->fd);
	partial->fd = -1;
	return false;
}

int partial_open(struct partial *partial, const struct repo_store *repo, const char *etag,
                 uint64_t size, bool locked, bool resume)
{
	int error;

	*partial = PARTIAL_INIT;
	partial->directory_fd = repo->blobs_fd;
	partial->unguarded = !locked || repo->store->volume.may_be_shared;
	plan_chunks(partial, size);
	partial->chunks = calloc(partial->chunk_count + 1, 1);
	if (partial->chunks == NULL)
		return -ENOMEM;
	for (size_t i = 0; resume && i < repo->leftover_count && partial->fd < 0; i++)
		if (is_partial_of(repo->leftovers[i], etag) &&
		    claim(partial, repo, repo->leftovers[i], etag, locked)) {
			count_chunks(partial);
			partial->inherited = true;
			partial->resumed = partial->present > 0;
			return 0;
		}
	memset(partial->chunks, CHUNK_MISSING, partial->chunk_count);
	new_name(partial, etag);
	partial->fd = openat(repo->blobs_fd, partial->name,
	                     O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	error = partial->fd < 0 ? -errno : write_footer(partial);
	if (error != 0)
		partial_discard(partial);
	return error;
}

/*
 * Another fetch took this one for dead, which was stopped for a while: the file has the name that the other gave it,
 * and may be a blob by now.
 */
static bool is_lost(const struct partial *partial)
{
	return partial->unguarded && !has_name(partial->directory_fd, partial->name);
}

/* Before it is written, a look a second: nobody takes what was written within the last minute. */
static bool was_lost_meanwhile(struct partial *partial)
{
	uint64_t now = clock_now_ns();

	if (!partial->unguarded || now - atomic_load(&partial->looked_ns) < LOOK_AGAIN_NS)
		return false;
	if (is_lost(partial))
		return true;
	atomic_store(&partial->looked_ns, now);
	return false;
}

/* Servers of FUSE that go by names say of a file that was taken that there is none. */
static int error_of(const struct partial *partial, int error)
{
	return error != 0 && is_lost(partial) ? -ESTALE : error;
}

void partial_keep(const struct partial *partial)
{
	if (partial->unguarded)
		(void)utimensat(partial->directory_fd, partial->name, NULL, AT_SYMLINK_NOFOLLOW);
}

int partial_clear(struct partial *partial)
{
	if (is_lost(partial))
		return -ESTALE;
	(void)ftruncate(partial->fd, 0);
	(void)write_footer(partial);
	memset(partial->chunks, CHUNK_MISSING, partial->chunk_count);
	partial->present = partial->lead = 0;
	partial->resumed = false;
	return 0;
}

int partial_write(struct partial *partial, uint64_t at, const void *bytes, size_t length)
{
	if (partial->fd < 0)
		BUG("bytes for a file that is sealed");
	if (was_lost_meanwhile(partial))
		return -ESTALE;
	return error_of(partial, pwrite_whole(partial->fd, bytes, length, at));
}

int partial_mark(struct partial *partial, size_t chunk)
{
	unsigned char mark = CHUNK_PRESENT;

	if (partial->fd < 0)
		BUG("a chunk of a file that is sealed");
	if (was_lost_meanwhile(partial))
		return -ESTALE;
	if (partial->chunks[chunk] != CHUNK_PRESENT)
		partial->present++;
	partial->chunks[chunk] = CHUNK_PRESENT;
	while (partial->lead < partial->chunk_count &&
	       partial->chunks[partial->lead] == CHUNK_PRESENT)
		partial->lead++;
	return !has_footer(partial) ? 0 :
	                              error_of(partial, pwrite_whole(partial->fd, &mark, 1,
	                                                             partial->size + chunk));
}

uint64_t partial_chunk_end(const struct partial *partial, size_t chunk)
{
	uint64_t end = (chunk + 1) * partial->chunk_bytes;

	return end < partial->size ? end : partial->size;
}

bool partial_take_run(struct partial *partial, uint64_t limit, uint64_t *first, uint64_t *length)
{
	size_t start = partial->lead, end;

	while (start < partial->chunk_count && partial->chunks[start] != CHUNK_MISSING)
		start++;
	if (start == partial->chunk_count)
		return false;
	for (end = start; end < partial->chunk_count && partial->chunks[end] == CHUNK_MISSING &&
	                  (end == start || (end + 1 - start) * partial->chunk_bytes <= limit);
	     end++)
		partial->chunks[end] = CHUNK_COMING;
	*first = start * partial->chunk_bytes;
	*length = partial_chunk_end(partial, end - 1) - *first;
	return true;
}

void partial_give_back(struct partial *partial, uint64_t first, uint64_t length)
{
	size_t end;

	if (length == 0)
		return;
	end = (size_t)((first + length + partial->chunk_bytes - 1) / partial->chunk_bytes);
	for (size_t i = (size_t)(first / partial->chunk_bytes); i < end && i < partial->chunk_count;
	     i++)
		if (partial->chunks[i] == CHUNK_COMING)
			partial->chunks[i] = CHUNK_MISSING;
}

uint64_t partial_ready(const struct partial *partial)
{
	return partial->lead == 0 ? 0 : partial_chunk_end(partial, partial->lead - 1);
}

uint64_t partial_present_bytes(const struct partial *partial)
{
	uint64_t bytes = partial->present * partial->chunk_bytes;

	return bytes < partial->size ? bytes : partial->size;
}

void partial_take_rest(struct partial *partial)
{
	for (size_t i = 0; i < partial->chunk_count; i++)
		if (partial->chunks[i] == CHUNK_MISSING)
			partial->chunks[i] = CHUNK_COMING;
}

bool partial_is_whole(const struct partial *partial)
{
	return partial->lead == partial->chunk_count;
}

int partial_seal(struct partial *partial)
{
	if (!partial_is_whole(partial) || partial->fd < 0)
		BUG("a file is sealed that is not whole");
	return take_fd(&partial->fd);
}

void partial_unseal(struct partial *partial, int fd)
{
	if (partial->fd >= 0)
		BUG("a file is unsealed that is not sealed");
	partial->fd = fd;
}

static int finish(const struct partial *partial, int fd, const char *etag)
{
	struct stat st;
	int error;

	/* s3fs 1.90 loses a cut that comes before the first upload, hence both. */
	if (has_footer(partial) && (sync_file(fd) != 0 || ftruncate(fd, (off_t)partial->size) != 0))
		return error_of(partial, -errno);
	if (sync_file(fd) != 0 || fstat(fd, &st) != 0)
		return error_of(partial, -errno);
	if ((uint64_t)st.st_size != partial->size)
		return -EIO;
	error = rename_within(partial->directory_fd, partial->name, etag);
	/* As published: a volume that renames by copying may have done half of it. */
	if (error == 0 && (fstatat(partial->directory_fd, etag, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	                   (uint64_t)st.st_size != partial->size)) {
		(void)unlinkat(partial->directory_fd, etag, 0);
		return -EIO;
	}
	return error == 0 ? 0 : error_of(partial, error);
}

int partial_finish(const struct partial *partial, int fd, const char *etag)
{
	if (is_lost(partial))
		return -ESTALE;
	partial_keep(partial); /* what follows takes a while */
	return finish(partial, fd, etag);
}

void partial_lose(struct partial *partial)
{
	if (is_lost(partial))
		partial_release(partial);
	else
		partial_discard(partial);
}

void partial_discard(struct partial *partial)
{
	if (partial->name[0] != '\0')
		(void)unlinkat(partial->directory_fd, partial->name, 0);
	partial_release(partial);
}

static void remove_abandoned(const struct repo_store *repo, const char *leftover, const char *etag,
                             const char *path)
{
	CLEANUP(cleanup_fd) int lock = repo_store_lock(repo, etag, path);
	struct stat st;

	if ((lock >= 0 || lock == -ENOLCK) &&
	    fstatat(repo->blobs_fd, leftover, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is_abandoned(repo, &st, lock >= 0))
		(void)unlinkat(repo->blobs_fd, leftover, 0);
}

void partial_sweep(const struct repo_store *repo, const char *etag, const char *path)
{
	for (size_t i = 0; i < repo->leftover_count; i++)
		if (is_partial_of(repo->leftovers[i], etag))
			remove_abandoned(repo, repo->leftovers[i], etag, path);
}

void partial_release(struct partial *partial)
{
	cleanup_fd(&partial->fd);
	free(partial->chunks);
	*partial = PARTIAL_INIT;
}
