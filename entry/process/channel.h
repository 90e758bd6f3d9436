/* SPDX-License-Identifier: Apache-2.0 */
/* Records over a pipe, and what makes one believable. */
#ifndef AWEIGH_CHANNEL_H
#define AWEIGH_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "finding.h"

/*
 * The sending end. Records are gathered and written together: each write would wake the gate, which
 * costs more than looking at a model does. Progress is written at once. Both return a negative errno.
 */
#define SENDER_RECORDS 16u
struct sender {
	int fd;
	size_t count;
	struct record records[SENDER_RECORDS];
};
int sender_put(struct sender *sender, const struct record *record);
int sender_flush(struct sender *sender);
/* The last record: everything has been said. */
int sender_done(struct sender *sender);

struct channel {
	int fd;
	size_t filled; /* bytes of `record` that have arrived */
	struct record record;
};
/* Takes what is there: 1: channel->record is whole, 0: end, -EAGAIN: not yet, other negative errno. */
int channel_take(struct channel *channel);

/* Looks at each field of a record from a process that may have been taken over. */
bool record_is_sound(const struct record *record, size_t models);

#endif
