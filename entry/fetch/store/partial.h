/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file on its way: BLOB.XXXXXXXX.incomplete beside the blobs, as huggingface_hub names them. Behind
 * the content of one that has several chunks stands a byte a chunk and a footer, so that the next
 * run knows what arrived: parts arrive in any order, and a kill may come at any moment. What the bytes are
 * worth is decided by the digest alone, over the whole, whoever wrote them.
 */
#ifndef AWEIGH_PARTIAL_H
#define AWEIGH_PARTIAL_H

#include "fetch/store/store.h"

/* MISSING -> COMING (a part was begun for it) -> PRESENT (written); given back: MISSING again. PRESENT is never left but by partial_clear(). */
enum chunk { CHUNK_MISSING, CHUNK_PRESENT, CHUNK_COMING };

struct partial {
	int directory_fd; /* not its own */
	int fd; /* -1: none, or sealed: see partial_seal() */
	char name[SHA256_HEX + 32];
	uint64_t size, chunk_bytes;
	size_t chunk_count, present, lead; /* lead: chunks from the start without a gap */
	unsigned char *chunks; /* enum chunk */
	bool inherited; /* an earlier run left it */
	bool resumed; /* and something was there, which was not cleared */
	bool unguarded; /* no lock keeps all others from it: -ESTALE once one of them has taken it over */
	_Atomic uint64_t
	        looked_ns; /* when it was seen under its name, unguarded; two threads write it */
};
#define PARTIAL_INIT ((struct partial){ .fd = -1 })

/*
 * Goes on with one that an earlier run left, where it is to `resume`, or begins one. `locked`: the file's lock is held, so that whoever wrote it is
 * gone; otherwise, and on a volume that may be shared with other machines, its age alone says so.
 */
int partial_open(struct partial *partial, const struct repo_store *repo, const char *etag,
                 uint64_t size, bool locked, bool resume);
/* Begins at zero: what is there was wrong. As all that write: 0, -ESTALE (see `unguarded`) or another negative errno. */
int partial_clear(struct partial *partial);
int partial_write(struct partial *partial, uint64_t at, const void *bytes, size_t length);
int partial_mark(struct partial *partial, size_t chunk);
/* The first run of missing chunks, at most `limit` bytes; they are marked as coming. false: none. */
bool partial_take_run(struct partial *partial, uint64_t limit, uint64_t *first, uint64_t *length);
/* All that is missing, as well: the part at hand brings the whole file. */
void partial_take_rest(struct partial *partial);
/* Chunks of a part that will not come. */
void partial_give_back(struct partial *partial, uint64_t first, uint64_t length);
/* Bytes from the start that are there. */
uint64_t partial_ready(const struct partial *partial);
uint64_t partial_present_bytes(const struct partial *partial);
uint64_t partial_chunk_end(const struct partial *partial, size_t chunk);
bool partial_is_whole(const struct partial *partial);
/*
 * Hands the descriptor over: from here on nothing can be written through this partial, and a write is a BUG.
 * The file must be whole and nothing on its way.
 */
int partial_seal(struct partial *partial);
/* The content was wrong, and the file begins anew: takes the descriptor back. */
void partial_unseal(struct partial *partial, int fd);
/*
 * Sealed and verified: cuts the footer off, waits for the disk, looks at the size that the volume has, renames
 * it to `etag`, and looks again. `fd` is the sealed descriptor, and stays open.
 */
int partial_finish(const struct partial *partial, int fd, const char *etag);
/* From time to time, so that it is not taken for dead while nothing arrives, or all has and is hashed. */
void partial_keep(const struct partial *partial);
/* Removes the file. */
void partial_discard(struct partial *partial);
/* After -ESTALE: removes it if it has its name, and leaves it to whoever gave it another. */
void partial_lose(struct partial *partial);
/* Removes what earlier runs left of a file that is there, unless another is busy with it. */
void partial_sweep(const struct repo_store *repo, const char *etag, const char *path);
void partial_release(struct partial *partial);

#endif
