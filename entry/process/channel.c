/* SPDX-License-Identifier: Apache-2.0 */
#include "process/channel.h"
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/scan.h"
#include "base/tree.h"
#include "policy.h"

int sender_flush(struct sender *sender)
{
	size_t count = sender->count;

	sender->count = 0;
	return write_whole(sender->fd, sender->records, count * sizeof(sender->records[0]));
}

int sender_put(struct sender *sender, const struct record *record)
{
	sender->records[sender->count++] = *record;
	if (sender->count == SENDER_RECORDS || record->type == RECORD_PROGRESS ||
	    record->type == RECORD_DONE)
		return sender_flush(sender);
	return 0;
}

int sender_done(struct sender *sender)
{
	struct record done = { .magic = RECORD_MAGIC, .type = RECORD_DONE, .model = NO_MODEL };

	return sender_put(sender, &done);
}

int channel_take(struct channel *channel)
{
	ssize_t got = read(channel->fd, (char *)&channel->record + channel->filled,
	                   sizeof(channel->record) - channel->filled);

	if (got < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (got == 0)
		return channel->filled == 0 ? 0 : -EPROTO;
	channel->filled += (size_t)got;
	if (channel->filled < sizeof(channel->record))
		return -EAGAIN;
	channel->filled = 0;
	return 1;
}

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, '\0', size) != NULL;
}

bool record_is_sound(const struct record *record, size_t models)
{
	if (record->magic != RECORD_MAGIC || record->type < RECORD_FINDING ||
	    record->type > RECORD_DONE)
		return false;
	if (record->kind >= FINDING_COUNT || record->source >= SOURCE_COUNT ||
	    record->level > LEVEL_DIGEST || record->severity > SEVERITY_ERROR)
		return false;
	if (record->model < NO_MODEL || (record->model >= 0 && (size_t)record->model >= models))
		return false;
	if (record->type != RECORD_FINDING && record->type != RECORD_PROGRESS &&
	    record->type != RECORD_DONE && record->model == NO_MODEL)
		return false;
	if (!is_terminated(record->path, sizeof(record->path)) ||
	    !is_terminated(record->message, sizeof(record->message)) ||
	    !is_terminated(record->fix, sizeof(record->fix)) ||
	    !is_terminated(record->commit, sizeof(record->commit)))
		return false;
	return record->commit[0] == '\0' ||
	       scan_is_hex(record->commit, strlen(record->commit), COMMIT_HEX);
}
