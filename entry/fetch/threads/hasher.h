/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashing beside the transfers, on threads of its own: a job follows a file that is still being
 * written, as far as its owner says that it is whole, reading what the page cache still has. A file
 * whose digest is right is finished (fsync, rename) on the same thread, since that waits for the disk.
 */
#ifndef AWEIGH_HASHER_H
#define AWEIGH_HASHER_H

#include <pthread.h>

#include "hub/digest.h"

struct hash_job {
	/* Set before hasher_begin(). */
	int fd;
	uint64_t size;
	char expected[SHA256_HEX + 1];
	char locked[SHA256_HEX + 1]; /* a SHA-256 that it must have besides; "": none */
	int (*finish)(
	        struct hash_job *job); /* on the thread; 0 or a negative errno; NULL: nothing */
	void *context;

	/* Valid once hasher_take() has handed the job out. */
	int result; /* 0, -EBADMSG: another digest, or a negative errno */
	char actual[SHA256_HEX + 1];
	bool unlocked; /* -EBADMSG for the sake of `locked`: `actual` is a SHA-256 */

	/* The hasher's own, under its lock; `digest` and `done` belong to the thread that runs it. */
	uint64_t ready, done;
	struct digest digest, second; /* second: where `locked` is another kind than `expected` */
	bool queued, running, over, cancelled;
	struct hash_job *next;
};

struct hasher {
	pthread_mutex_t lock;
	pthread_cond_t work, idle;
	struct hash_job *first, **last; /* to be run */
	struct hash_job *over; /* to be taken */
	bool stop;
	unsigned thread_count;
	pthread_t threads[MAX_HASH_THREADS];
	void (*wake)(void *context); /* from a thread: something is over */
	void *wake_context;
};

int hasher_init(struct hasher *hasher, unsigned threads, void (*wake)(void *context),
                void *context);
void hasher_begin(struct hasher *hasher, struct hash_job *job);
/* The first `ready` bytes are on disk and will not change. */
void hasher_advance(struct hasher *hasher, struct hash_job *job, uint64_t ready);
/* A job that is over, or NULL. */
struct hash_job *hasher_take(struct hasher *hasher);
/* Waits until no thread touches the job; it is not handed out any more. */
void hasher_cancel(struct hasher *hasher, struct hash_job *job);
void hasher_release(struct hasher *hasher);

#endif
