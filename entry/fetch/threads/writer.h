/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing beside the transfers, on a thread of its own: the kernel takes its time for fresh memory and
 * full disks, and meanwhile the network would stand still. What is put is written in that order, and
 * handed out again in that order.
 */
#ifndef AWEIGH_WRITER_H
#define AWEIGH_WRITER_H

#include <pthread.h>

#include "bounds.h"
#include "fetch/store/partial.h"

struct piece {
	struct partial *partial; /* its file must stay open until the piece is taken */
	uint64_t at; /* of the file */
	size_t length;
	unsigned char *bytes; /* WRITE_BYTES, from malloc() */
	void *context;
	int error; /* 0 or a negative errno, once it is taken */
};

struct writer {
	pthread_mutex_t lock;
	pthread_cond_t work, progress;
	struct piece ring[WRITE_PIECES];
	size_t put, written, taken; /* how many ever were */
	bool stop, running;
	pthread_t thread;
	void (*wake)(void *context); /* from the thread: a piece may be taken */
	void *wake_context;
};

/* 0 or a negative errno; writer_release() is due in both cases. */
int writer_init(struct writer *writer, void (*wake)(void *context), void *context);
/* Keeps piece->bytes and puts a free buffer in its place. false: no room before one is taken. */
bool writer_put(struct writer *writer, struct piece *piece);
/* The oldest piece (but for its bytes) if it is written, or with `wait` once it is. false: none. */
bool writer_take(struct writer *writer, struct piece *piece, bool wait);
/* What was put is written first. */
void writer_release(struct writer *writer);

#endif
