/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/part.h"

#include <string.h>

#include "fetch/session.h"
#include "util.h"

/* The last byte is hashed only once the file is sealed: until then somebody may write. */
void part_advance(struct download *download)
{
	uint64_t ready = partial_ready(&download->partial);

	if (ready == download->partial.size && ready > 0)
		ready--;
	hasher_advance(&download->session->hasher, &download->job, ready);
}

/* Marks the chunk that ends there, if one does; a write never crosses a chunk's end. */
static int mark_written(struct download *download, uint64_t from, size_t length)
{
	struct partial *partial = &download->partial;
	size_t chunk = (size_t)(from / partial->chunk_bytes);
	int error;

	if (from + length != partial_chunk_end(partial, chunk))
		return 0;
	error = partial_mark(partial, chunk);
	if (error == 0)
		part_advance(download);
	return error;
}

void parts_take_written(struct session *session, bool wait)
{
	struct piece piece;

	for (; writer_take(&session->writer, &piece, wait); wait = false) {
		struct download *download = piece.context;

		if (download->unwritten == 0 || download->sealed)
			BUG("a piece of a download that is over");
		download->unwritten--;
		if (download->write_error != 0)
			continue;
		download->write_error = piece.error != 0 ?
		                                piece.error :
		                                mark_written(download, piece.at, piece.length);
	}
}

static void write_part(struct part *part)
{
	struct download *download = part->download;
	struct piece piece = { .partial = &download->partial,
		               .at = part->at - part->buffered,
		               .length = part->buffered,
		               .bytes = part->buffer,
		               .context = download };

	while (!writer_put(&download->session->writer, &piece))
		parts_take_written(download->session, true);
	download->unwritten++;
	part->buffer = piece.bytes;
	part->buffered = 0;
}

size_t parts_running(const struct session *session)
{
	size_t running = 0;

	for (size_t i = 0; i < session->settings->connections; i++)
		running += session->parts[i].download != NULL;
	return running;
}

static uint64_t run_limit(const struct download *download)
{
	const struct partial *partial = &download->partial;
	uint64_t left = partial->size - partial_present_bytes(partial);
	uint64_t share = left / ((uint64_t)download->session->settings->connections * 2);

	return share < MIN_RUN_BYTES ? MIN_RUN_BYTES :
	       share > MAX_RUN_BYTES ? MAX_RUN_BYTES :
	                               share;
}

/* Headers have come: are they those of this file, and of the part that was asked for? */
static bool begin_part(struct request *request)
{
	struct part *part = request->context;
	struct download *download = part->download;
	const struct headers *headers = &request->headers,
	                     *said = request->redirected ? &request->hub : headers;
	struct text text = TEXT_OVER(request->failure.message);
	uint64_t size = download->file->size, length = part->end - part->at;

	request->failure.id = FINDING_FETCH_DIGEST;
	request->failure.temporary = false;
	/* An ETag may be the digest of anything (Artifactory); the bytes are hashed. X-Linked-ETag is a hub's word for them. */
	if (!part->used_address && said->etag_is_linked &&
	    strlen(said->etag) == strlen(download->etag) &&
	    strcmp(said->etag, download->etag) != 0) {
		text_addf(&text, "it states the digest %.16s..., the hub's list %.16s...",
		          said->etag, download->etag);
		return false;
	}
	if (request->status == 206 && request->length > 0) {
		if (headers->range_first != part->at || headers->range_total != size) {
			text_addf(&text,
			          "the part that it sends is not the one that was asked for");
			download->single = download->restart = true;
			return false;
		}
		download->ranges = true;
		return true;
	}
	if (request->length > 0) {
		/*
		 * The whole file, though a part was asked for: the beginning again, over one connection.
		 * What is there may be hashed already, so nothing may be written over it.
		 */
		download->single = true;
		if (download->parts > 1 || part->at > 0 || download->partial.present > 0 ||
		    download->unwritten > 0) {
			text_addf(&text, "it sends the whole where a part was asked for");
			download->restart = true;
			return false;
		}
		/* With it comes what other parts would have brought: nobody else may begin it. */
		partial_take_rest(&download->partial);
		part->end = size;
		length = size;
	}
	if (headers->length != UINT64_MAX && headers->length != length) {
		text_addf(&text, "it has %llu bytes, and %llu were stated",
		          (unsigned long long)headers->length, (unsigned long long)length);
		return false;
	}
	return true;
}

/* As many bytes as go into the buffer before it is full or the chunk ends. */
static size_t buffer_bytes(struct part *part, const unsigned char *bytes, size_t length)
{
	const struct partial *partial = &part->download->partial;
	uint64_t chunk_left = partial->chunk_bytes - part->at % partial->chunk_bytes;
	size_t room = WRITE_BYTES - part->buffered;

	room = chunk_left < room ? (size_t)chunk_left : room;
	length = length < room ? length : room;
	memcpy(part->buffer + part->buffered, bytes, length);
	part->buffered += length;
	part->at += length;
	return length;
}

static bool take_bytes(struct request *request, const void *bytes, size_t length)
{
	struct part *part = request->context;
	struct download *download = part->download;
	struct partial *partial = &download->partial;
	struct text text = TEXT_OVER(request->failure.message);
	const unsigned char *at = bytes, *end = at + length;

	request->failure.temporary = false;
	if (length > part->end - part->at) {
		request->failure.id = FINDING_FETCH_DIGEST;
		text_addf(&text, "it sends more than the %llu bytes that were asked for",
		          (unsigned long long)(part->end - request->first));
		return false;
	}
	download->model->fetched_bytes += length;
	while (at < end) {
		at += buffer_bytes(part, at, (size_t)(end - at));
		if (part->buffered == WRITE_BYTES || part->at == part->end ||
		    part->at % partial->chunk_bytes == 0)
			write_part(part);
	}
	return true;
}

static enum next_step go_on_part(struct request *request)
{
	struct part *part = request->context;

	if (part->at == part->end)
		return STEP_GIVE_UP;
	if (request->length > 0 || part->at > 0) {
		request->first = part->at;
		request->length = part->end - part->at;
	}
	return STEP_GO;
}

bool part_start(struct part *part, struct download *download, void (*ended)(struct request *, bool))
{
	struct session *session = download->session;
	struct partial *partial = &download->partial;
	struct request *request = &part->request;
	struct text what = TEXT_OVER(request->what);
	char url[MAX_URL_BYTES];
	const char *endpoint;
	uint64_t first = 0, length = 0;

	if (download->sealed || (download->parts > 0 && (!download->ranges || download->single)))
		return false;
	if (!partial_take_run(partial, download->single ? UINT64_MAX : run_limit(download), &first,
	                      &length))
		return false;
	part->download = download;
	part->buffered = 0;
	part->at = first;
	part->end = first + length;
	text_addf(&what, "%.90s of %.60s", download->file->path, download->model->model->repo);
	request->context = part;
	request->model = download->model->index;
	request->first = first;
	request->length = length == partial->size ? 0 : length;
	request->limit = UINT64_MAX; /* take_bytes() knows the end */
	/* Beside others it is turned away early and waits for its turn; alone it is asked for as often as the policy says. */
	part->hurried = parts_running(session) > 1;
	request->elsewhere = !download->patient && source_count(session) > 1;
	request->few_tries = part->hurried || request->elsewhere;
	request->prepare = go_on_part;
	request->begin = begin_part;
	request->body = take_bytes;
	request->done = ended;
	endpoint = source_address(session, download->source, download->model, download->file->path,
	                          url);
	part->used_address = download->address[0] != '\0';
	part->alone = download->single;
	part->source = download->source;
	download->parts++;
	if (part->used_address)
		request_start(&session->network, request, NULL, download->address);
	else
		request_start(&session->network, request, endpoint, url);
	return true;
}
