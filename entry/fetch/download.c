/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing files: each takes its lock, gets its parts over as many connections as are free, is hashed
 * while they arrive, and gets its name when the digest is right.
 */
#include <string.h>

#include "base/scan.h"
#include "fetch/work.h"
#include "process/clock.h"
#include "util.h"

/* Writing */

/* The last byte is hashed only once the file is sealed: until then somebody may write. */
static void advance(struct download *download)
{
	uint64_t ready = partial_ready(&download->partial);

	if (ready == download->partial.size && ready > 0)
		ready--;
	hasher_advance(&download->work->hasher, &download->job, ready);
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
		advance(download);
	return error;
}

/* What the writer has written. An error waits for downloads_step(): a transfer may be in the midst. */
static void take_written(struct work *work, bool wait)
{
	struct piece piece;

	for (; writer_take(&work->writer, &piece, wait); wait = false) {
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

	while (!writer_put(&download->work->writer, &piece))
		take_written(download->work, true);
	download->unwritten++;
	part->buffer = piece.bytes;
	part->buffered = 0;
}

/* Ending */

static void drop_parts(struct download *download)
{
	struct work *work = download->work;

	for (size_t i = 0; i < work->settings->connections; i++) {
		struct part *part = &work->parts[i];

		if (part->download != download)
			continue;
		request_cancel(&part->request);
		partial_give_back(&download->partial, part->at, part->end - part->at);
		part->download = NULL;
	}
	download->parts = 0;
	while (download->unwritten > 0)
		take_written(work, true);
}

/*
 * With its parts: one may still wait for its connection to be closed after the last byte, and the
 * place of this download belongs to the next one.
 */
static void free_download(struct download *download)
{
	drop_parts(download);
	if (download->sealed)
		cleanup_fd(&download->job.fd);
	cleanup_fd(&download->lock_fd);
	partial_release(&download->partial);
	memset(download, 0, sizeof(*download));
	download->lock_fd = -1;
	download->partial = PARTIAL_INIT;
	download->phase = PHASE_FREE;
}

/* Leaves the file as it is: what arrived is kept for the next run, unless the volume is full. */
static void abandon(struct download *download)
{
	struct work *work = download->work;

	drop_parts(download);
	if (download->phase == PHASE_VERIFY || download->phase == PHASE_FETCH)
		hasher_cancel(&work->hasher, &download->job);
	if (download->phase == PHASE_VERIFY)
		cleanup_fd(&download->job.fd);
	if (work->full || download->partial.chunk_count <= 1) /* one chunk is no progress */
		partial_discard(&download->partial);
	free_download(download);
}

static void abandon_model(struct work *work, const struct plan_model *model)
{
	for (size_t i = 0; i < work->download_count; i++)
		if (work->downloads[i].phase != PHASE_FREE && work->downloads[i].model == model)
			abandon(&work->downloads[i]);
}

/* The model cannot be had: it is said once, and its other files are not gone on with. */
static void fail_download(struct download *download, enum finding_id id, const char *message)
{
	struct work *work = download->work;
	struct plan_model *model = download->model;
	const char *path = download->file->path;

	if (id == FINDING_FETCH_DISK)
		work->full = true;
	if (!model->failed)
		fetch_fail(work, model, id, path, "%s", message);
	abandon_model(work, model);
}

static void complete(struct download *download, enum file_state state)
{
	struct plan_model *model = download->model;

	download->file->state = (uint8_t)state;
	model->left--;
	free_download(download);
}

static void fail_disk(struct download *download, const char *what, int error)
{
	char message[512];
	struct text text = TEXT_OVER(message);
	bool refused = error == -EACCES || error == -EPERM || error == -EROFS;

	text_addf(&text, "%s cannot be %s in %.300s: %s", download->file->path, what,
	          download->work->store.path, volume_words(error));
	fail_download(download, refused ? FINDING_FETCH_FOLDER : FINDING_FETCH_DISK, message);
}

/* Hashing */

static int put_into_place(struct hash_job *job)
{
	const struct download *download = job->context;

	return partial_finish(&download->partial, job->fd, download->etag);
}

static void begin_job(struct download *download, int fd, int (*finish)(struct hash_job *job))
{
	struct hash_job *job = &download->job;

	job->fd = fd;
	job->size = download->file->size;
	memcpy(job->expected, download->etag, sizeof(job->expected));
	job->finish = finish;
	job->context = download;
	hasher_begin(&download->work->hasher, job);
}

/* Parts */

static uint64_t run_limit(const struct download *download)
{
	const struct partial *partial = &download->partial;
	uint64_t left = partial->size - partial_present_bytes(partial);
	uint64_t share = left / ((uint64_t)download->work->settings->connections * 2);

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
	/* An ETag of 40 digits that comes from no hub may be a SHA-1 of anything (Artifactory); the bytes are hashed. */
	if (!part->used_address &&
	    (said->etag_is_linked || said->commit[0] != '\0' || strlen(said->etag) == SHA256_HEX) &&
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

/* Another endpoint, if there is one that was not tried. */
static bool next_source(struct download *download)
{
	unsigned source = source_next(download->work, download->tried);

	/* None is left: those that were not asked often enough, for others were there, once more. */
	if (source >= source_count(download->work) && download->hurried != 0) {
		download->tried = ~download->hurried;
		download->hurried = 0;
		download->patient = true;
		source = source_next(download->work, download->tried);
	}
	if (source >= source_count(download->work))
		return false;
	download->source = source;
	download->tried |= 1u << source;
	download->address[0] = '\0';
	download->refreshed = 0;
	download->ranges = download->single = false;
	return true;
}

static size_t running_parts(const struct work *work)
{
	size_t running = 0;

	for (size_t i = 0; i < work->settings->connections; i++)
		running += work->parts[i].download != NULL;
	return running;
}

/*
 * A server that takes fewer connections of a client than there are says so by 503 or a reset (nginx, limit_conn):
 * from here on there are no more than those that go on, and what was turned away waits for its turn.
 */
static bool throttle(struct work *work, bool hurried, const struct failure *failure)
{
	size_t others = running_parts(work);

	if ((others == 0 && !hurried) || !failure->temporary ||
	    (failure->http != 503 && (failure->http != 0 || source_count(work) > 1)))
		return false;
	work->parts_allowed = others > 0 ? others : 1;
	work->parts_ended_well = 0;
	return true;
}

#define PARTS_UNTIL_ONE_MORE 16u

/* Whether the file goes on in another way: from a new address, in one stream, from elsewhere. */
static bool recover(struct download *download, const struct part *part,
                    const struct failure *failure)
{
	bool refused = failure->http == 401 || failure->http == 403 || failure->http == 404 ||
	               failure->http == 410;

	/* The signed address has expired: the endpoint knows a new one. */
	if (part->used_address && refused && download->refreshed == 0) {
		download->refreshed++;
		download->address[0] = '\0';
		return true;
	}
	/* What was begun beside others is not counted, once it is known that others are not liked. */
	if (download->single && !part->alone)
		return true;
	/* Several connections to one file are not liked here, or ranges not understood. */
	if (!download->single && (download->parts > 0 || download->ranges) &&
	    (refused || failure->http == 416 || failure->http == 429)) {
		download->single = true;
		return true;
	}
	if (throttle(download->work, part->hurried, failure))
		return true;
	source_failed(download->work, part->source, failure);
	if (!download->patient && failure->http == 0 && failure->temporary)
		download->hurried |= 1u << part->source;
	/* Another part has moved on already; otherwise this one's failure is why the file moves on. */
	return part->source != download->source || next_source(download);
}

/* From the first byte, in one stream. */
static void restart(struct download *download)
{
	drop_parts(download);
	hasher_cancel(&download->work->hasher, &download->job);
	if (download->sealed)
		partial_unseal(&download->partial, take_fd(&download->job.fd));
	download->sealed = false;
	partial_clear(&download->partial);
	begin_job(download, download->partial.fd, put_into_place);
	download->restart = false;
}

static void end_part(struct request *request, bool well)
{
	struct part *part = request->context, was = { .used_address = part->used_address,
		                                      .alone = part->alone,
		                                      .hurried = part->hurried,
		                                      .source = part->source };
	struct download *download = part->download;
	struct failure failure = request->failure;

	part->download = NULL;
	download->parts--;
	if (well && request->redirected && part->source == download->source)
		memcpy(download->address, request->url, sizeof(download->address));
	if (well && part->at < part->end) { /* no length was stated, and it ended early */
		struct text text = TEXT_OVER(failure.message);

		well = download->shorts++ < download->work->settings->retries;
		failure.id = FINDING_FETCH_DIGEST;
		failure.http = 0;
		text_addf(&text, "%s: %s ends after %llu of %llu bytes", request->what,
		          request->server.host, (unsigned long long)part->at,
		          (unsigned long long)part->end);
	} else if (well) {
		download->refreshed = 0;
		if (++download->work->parts_ended_well % PARTS_UNTIL_ONE_MORE == 0)
			download->work->parts_allowed++;
	}
	partial_give_back(&download->partial, part->at, part->end - part->at);
	if (well || part->at == part->end)
		return;
	if (download->restart && download->restarts++ <= download->work->settings->retries) {
		restart(download);
		return;
	}
	if (!recover(download, &was, &failure))
		fail_download(download, failure.id, failure.message);
}

static bool start_part(struct download *download, struct part *part)
{
	struct work *work = download->work;
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
	request->first = first;
	request->length = length == partial->size ? 0 : length;
	request->limit = UINT64_MAX; /* take_bytes() knows the end */
	/* Beside others it is turned away early and waits for its turn; alone it is asked for as often as the policy says. */
	part->hurried = running_parts(work) > 1;
	request->few_tries = part->hurried || (!download->patient && source_count(work) > 1);
	request->prepare = go_on_part;
	request->begin = begin_part;
	request->body = take_bytes;
	request->done = end_part;
	endpoint =
	        source_address(work, download->source, download->model, download->file->path, url);
	part->used_address = download->address[0] != '\0';
	part->alone = download->single;
	part->source = download->source;
	download->parts++;
	if (part->used_address)
		request_start(&work->network, request, NULL, download->address);
	else
		request_start(&work->network, request, endpoint, url);
	return true;
}

/* Phases */

static void begin_fetch(struct download *download)
{
	int error = partial_open(&download->partial, &download->model->repo, download->etag,
	                         download->file->size);

	if (error != 0) {
		fail_disk(download, "written", error);
		return;
	}
	download->phase = PHASE_FETCH;
	begin_job(download, download->partial.fd, put_into_place);
	/* What an earlier run left is hashed while the rest arrives. */
	if (download->partial.lead > 0)
		advance(download);
}

/*
 * All has arrived and is written: the descriptor goes to the hasher, and with it the right to write. A
 * connection that is still open after its last byte is not waited for.
 */
static void seal(struct download *download)
{
	drop_parts(download);
	if (download->write_error != 0 || !partial_is_whole(&download->partial))
		return;
	if (partial_seal(&download->partial) != download->job.fd)
		BUG("a file is hashed by another descriptor");
	download->sealed = true;
	hasher_advance(&download->work->hasher, &download->job, download->partial.size);
}

static void begin_verify(struct download *download)
{
	int fd = repo_store_open_blob(&download->model->repo, download->etag);

	if (fd < 0)
		fd = repo_store_open_file(&download->model->repo, download->model->commit,
		                          download->file->path);
	if (fd < 0) {
		begin_fetch(download);
		return;
	}
	download->phase = PHASE_VERIFY;
	begin_job(download, fd, NULL);
	hasher_advance(&download->work->hasher, &download->job, download->file->size);
}

static void try_lock(struct download *download)
{
	const struct repo_store *repo = &download->model->repo;
	struct plan_file *file = download->file;
	int fd = repo_store_lock(repo, download->etag, file->path);

	if (fd == -EAGAIN) {
		download->lock_due_ns = clock_now_ns() + LOCK_POLL_MS * 1000000ull;
		return;
	}
	if (fd < 0 && fd != -ENOLCK) {
		fail_disk(download, "locked", fd);
		return;
	}
	download->lock_fd = fd < 0 ? -1 : fd;
	if (file->state == FILE_DOUBTED || repo_store_has(repo, download->etag, file->size) ||
	    repo_store_has_file(repo, download->model->commit, file->path, file->size))
		/* Another has brought it meanwhile. */
		begin_verify(download);
	else
		begin_fetch(download);
}

static void start_download(struct work *work, struct plan_model *model, struct plan_file *file,
                           struct download *download)
{
	download->work = work;
	download->model = model;
	download->file = file;
	download->phase = PHASE_LOCK;
	download->source = source_next(work, 0);
	download->tried = 1u << download->source;
	plan_etag(file, download->etag);
	try_lock(download);
	if (download->phase != PHASE_FREE)
		file->state = FILE_COMING;
}

static void verified(struct download *download)
{
	int fd = repo_store_open_blob(&download->model->repo, download->etag);
	bool is_blob = fd >= 0;

	cleanup_fd(&fd);
	cleanup_fd(&download->job.fd);
	if (download->job.result == 0)
		complete(download, is_blob ? FILE_THERE : FILE_PLACED);
	else
		begin_fetch(download);
}

/* The digest is not the one that was stated: once more from the start, somewhere else if there is an elsewhere. */
static void mismatched(struct download *download)
{
	char message[512];
	struct text text = TEXT_OVER(message);
	bool resumed = download->partial.resumed;

	if (download->file->size > 0 &&
	    (resumed || next_source(download) || download->damaged++ == 0)) {
		restart(download);
		return;
	}
	text_addf(&text,
	          "%.200s arrived with the digest %.16s..., and %.16s... was stated; tried twice",
	          download->file->path, download->job.actual, download->etag);
	partial_discard(&download->partial);
	fail_download(download, FINDING_FETCH_DIGEST, message);
}

static void take_hashed(struct work *work)
{
	struct hash_job *job;

	while ((job = hasher_take(&work->hasher)) != NULL) {
		struct download *download = job->context;

		if (download->phase == PHASE_VERIFY) {
			verified(download);
		} else if (job->result == 0) {
			download->model->fetched_files++;
			fetch_tell_file(work, download, download->file->size);
			complete(download, FILE_THERE);
		} else if (job->result == -EBADMSG) {
			mismatched(download);
		} else {
			fail_disk(download, "written", job->result);
		}
	}
}

/* Beginning */

static struct plan_file *next_file(struct plan_model *model)
{
	while (model->next < model->count) {
		struct plan_file *file = &model->files[model->next++];

		if (file->state == FILE_WANTED || file->state == FILE_DOUBTED)
			return file;
	}
	return NULL;
}

static bool start_next_file(struct work *work)
{
	struct download *free_one = NULL;

	for (size_t i = 0; i < work->download_count && free_one == NULL; i++)
		if (work->downloads[i].phase == PHASE_FREE)
			free_one = &work->downloads[i];
	for (size_t i = 0; free_one != NULL && !work->full && i < work->model_count; i++) {
		struct plan_model *model = &work->models[i];
		struct plan_file *file = model->failed || !model->listed ? NULL : next_file(model);

		if (file != NULL) {
			start_download(work, model, file, free_one);
			return true;
		}
	}
	return false;
}

static struct part *free_part(struct work *work)
{
	for (size_t i = 0; i < work->settings->connections; i++)
		if (work->parts[i].download == NULL)
			return &work->parts[i];
	return NULL;
}

static bool start_any_part(struct work *work, struct part *part)
{
	for (size_t i = 0; i < work->download_count; i++)
		if (work->downloads[i].phase == PHASE_FETCH &&
		    start_part(&work->downloads[i], part))
			return true;
	return false;
}

static void start_all(struct work *work)
{
	struct part *part;

	while (running_parts(work) < work->parts_allowed && (part = free_part(work)) != NULL)
		if (!start_any_part(work, part) && !start_next_file(work))
			break;
}

bool downloads_step(struct work *work)
{
	uint64_t now = clock_now_ns();
	bool any = false;

	take_written(work, false);
	take_hashed(work);
	for (size_t i = 0; i < work->download_count; i++) {
		struct download *download = &work->downloads[i];

		if (download->write_error != 0)
			fail_disk(download, "written", download->write_error);
		if (download->phase == PHASE_LOCK && download->lock_due_ns <= now)
			try_lock(download);
		if (download->phase == PHASE_FETCH && !download->sealed &&
		    partial_is_whole(&download->partial))
			seal(download);
	}
	start_all(work);
	for (size_t i = 0; i < work->download_count; i++) {
		struct download *download = &work->downloads[i];

		any = any || download->phase != PHASE_FREE;
		if (download->phase == PHASE_FETCH &&
		    now - download->told_ns > PROGRESS_MS * 1000000ull) {
			download->told_ns = now;
			fetch_tell_file(work, download, partial_present_bytes(&download->partial));
		}
	}
	return any;
}

void downloads_release(struct work *work)
{
	for (size_t i = 0; i < work->download_count; i++)
		if (work->downloads[i].phase != PHASE_FREE)
			abandon(&work->downloads[i]);
	for (size_t i = 0; work->parts != NULL && i < work->settings->connections; i++) {
		request_release(&work->parts[i].request);
		free(work->parts[i].buffer);
	}
}
