/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/threads/writer.h"

#include <string.h>

#include "util.h"

static struct piece *piece_at(struct writer *writer, size_t count)
{
	return &writer->ring[count % WRITE_PIECES];
}

static void *write_pieces(void *context)
{
	struct writer *writer = context;

	pthread_mutex_lock(&writer->lock);
	for (;;) {
		struct piece *piece = piece_at(writer, writer->written);

		if (writer->written == writer->put) {
			if (writer->stop)
				break;
			pthread_cond_wait(&writer->work, &writer->lock);
			continue;
		}
		pthread_mutex_unlock(&writer->lock);
		piece->error =
		        partial_write(piece->partial, piece->at, piece->bytes, piece->length);
		pthread_mutex_lock(&writer->lock);
		writer->written++;
		pthread_cond_signal(&writer->progress);
		writer->wake(writer->wake_context);
	}
	pthread_mutex_unlock(&writer->lock);
	return NULL;
}

int writer_init(struct writer *writer, void (*wake)(void *context), void *context)
{
	int error;

	memset(writer, 0, sizeof(*writer));
	writer->wake = wake;
	writer->wake_context = context;
	for (size_t i = 0; i < WRITE_PIECES; i++) {
		writer->ring[i].bytes = malloc(WRITE_BYTES);
		if (writer->ring[i].bytes == NULL)
			return -ENOMEM;
	}
	pthread_mutex_init(&writer->lock, NULL);
	pthread_cond_init(&writer->work, NULL);
	pthread_cond_init(&writer->progress, NULL);
	error = pthread_create(&writer->thread, NULL, write_pieces, writer);
	writer->running = error == 0;
	return -error;
}

bool writer_put(struct writer *writer, struct piece *piece)
{
	bool has_room;

	pthread_mutex_lock(&writer->lock);
	has_room = writer->put - writer->taken < WRITE_PIECES;
	if (has_room) {
		struct piece *slot = piece_at(writer, writer->put++);
		unsigned char *unused = slot->bytes;

		*slot = *piece;
		piece->bytes = unused;
		pthread_cond_signal(&writer->work);
	}
	pthread_mutex_unlock(&writer->lock);
	return has_room;
}

bool writer_take(struct writer *writer, struct piece *piece, bool wait)
{
	bool is_written;

	pthread_mutex_lock(&writer->lock);
	while (wait && writer->taken < writer->put && writer->taken == writer->written)
		pthread_cond_wait(&writer->progress, &writer->lock);
	is_written = writer->taken < writer->written;
	if (is_written) {
		*piece = *piece_at(writer, writer->taken++);
		piece->bytes = NULL;
	}
	pthread_mutex_unlock(&writer->lock);
	return is_written;
}

void writer_release(struct writer *writer)
{
	if (writer->running) {
		pthread_mutex_lock(&writer->lock);
		writer->stop = true;
		pthread_cond_signal(&writer->work);
		pthread_mutex_unlock(&writer->lock);
		pthread_join(writer->thread, NULL);
		pthread_mutex_destroy(&writer->lock);
		pthread_cond_destroy(&writer->work);
		pthread_cond_destroy(&writer->progress);
	}
	for (size_t i = 0; i < WRITE_PIECES; i++)
		free(writer->ring[i].bytes);
}
