/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store/partial.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

/* magic, size and chunk_bytes in little-endian */
#define FOOTER_BYTES 24u
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

/* The lock of its file is ours: where locks exclude, who wrote it is gone. */
static bool is_abandoned(const struct repo_store *repo, const struct stat *st, bool locked)
{
	int64_t now_there = (int64_t)time(NULL) + repo->store->volume.clock_ahead_s;

	return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
	       (locked || now_there - (int64_t)st->st_mtim.tv_sec > STALE_PARTIAL_S);
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
		if (renameat(repo->blobs_fd, leftover, repo->blobs_fd, partial->name) == 0)
			return true;
	}
	(void)close(partial->fd);
	partial->fd = -1;
	return false;
}

int partial_open(struct partial *partial, const struct repo_store *repo, const char *etag,
                 uint64_t size, bool locked)
{
	int error;

	*partial = PARTIAL_INIT;
	partial->directory_fd = repo->blobs_fd;
	plan_chunks(partial, size);
	partial->chunks = calloc(partial->chunk_count + 1, 1);
	if (partial->chunks == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < repo->leftover_count && partial->fd < 0; i++)
		if (is_partial_of(repo->leftovers[i], etag) &&
		    claim(partial, repo, repo->leftovers[i], etag, locked)) {
			count_chunks(partial);
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

void partial_clear(struct partial *partial)
{
	(void)ftruncate(partial->fd, 0);
	(void)write_footer(partial);
	memset(partial->chunks, CHUNK_MISSING, partial->chunk_count);
	partial->present = partial->lead = 0;
	partial->resumed = false;
}

int partial_write(const struct partial *partial, uint64_t at, const void *bytes, size_t length)
{
	if (partial->fd < 0)
		BUG("bytes for a file that is sealed");
	return pwrite_whole(partial->fd, bytes, length, at);
}

int partial_mark(struct partial *partial, size_t chunk)
{
	unsigned char mark = CHUNK_PRESENT;

	if (partial->fd < 0)
		BUG("a chunk of a file that is sealed");
	if (partial->chunks[chunk] != CHUNK_PRESENT)
		partial->present++;
	partial->chunks[chunk] = CHUNK_PRESENT;
	while (partial->lead < partial->chunk_count &&
	       partial->chunks[partial->lead] == CHUNK_PRESENT)
		partial->lead++;
	return has_footer(partial) ? pwrite_whole(partial->fd, &mark, 1, partial->size + chunk) : 0;
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

int partial_finish(const struct partial *partial, int fd, const char *etag)
{
	struct stat st;

	/* s3fs 1.90 loses a cut that comes before the first upload, hence both. */
	if (has_footer(partial) && (sync_file(fd) != 0 || ftruncate(fd, (off_t)partial->size) != 0))
		return -errno;
	if (sync_file(fd) != 0 || fstat(fd, &st) != 0)
		return -errno;
	if ((uint64_t)st.st_size != partial->size)
		return -EIO;
	return rename_within(partial->directory_fd, partial->name, etag);
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
