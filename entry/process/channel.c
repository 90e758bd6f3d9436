/* SPDX-License-Identifier: Apache-2.0 */
#include "channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "policy.h"
#include "scan.h"

int channel_send(int fd, const struct record *record)
{
	ssize_t written;

	do
		written = write(fd, record, sizeof(*record));
	while (written < 0 && errno == EINTR);
	return written == (ssize_t)sizeof(*record) ? 0 : written < 0 ? -errno : -EIO;
}

int channel_take(struct channel *channel)
{
	ssize_t got = read(channel->fd, (char *)&channel->record + channel->filled, sizeof(channel->record) - channel->filled);

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

bool record_is_sound(const struct record *record, unsigned kinds, size_t models)
{
	if (record->magic != RECORD_MAGIC || record->type < RECORD_FINDING || record->type > RECORD_DONE)
		return false;
	if (record->kind >= kinds || record->source >= SOURCE_COUNT || record->level > LEVEL_DIGEST)
		return false;
	if (record->model < NO_MODEL || (record->model >= 0 && (size_t)record->model >= models))
		return false;
	if (record->type == RECORD_MODEL && record->model == NO_MODEL)
		return false;
	if (!is_terminated(record->path, sizeof(record->path)) || !is_terminated(record->message, sizeof(record->message)) ||
	    !is_terminated(record->fix, sizeof(record->fix)) || !is_terminated(record->commit, sizeof(record->commit)))
		return false;
	return record->commit[0] == '\0' || scan_is_hex(record->commit, strlen(record->commit), COMMIT_HEX);
}
