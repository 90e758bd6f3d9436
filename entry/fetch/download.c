/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing files: each takes its lock, gets its parts over as many connections as are free, is hashed
 * while they arrive, and gets its name when the digest is right.
 */
#include "fetch/download.h"

#include <string.h>

#include "fetch/session.h"
#include "process/clock.h"
#include "util.h"

/* Ending */

static void drop_parts(struct download *download)
{
	struct session *session = download->session;

	for (size_t i = 0; i < session->settings->connections; i++) {
		struct part *part = &session->parts[i];

		if (part->download != download)
			continue;
		request_cancel(&part->request);
		partial_give_back(&download->partial, part->at, part->end - part->at);
		part->download = NULL;
	}
	download->parts = 0;
	while (download->unwritten > 0)
		parts_take_written(session, true);
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
	struct session *session = download->session;

	drop_parts(download);
	if (download->phase == PHASE_VERIFY || download->phase == PHASE_FETCH)
		hasher_cancel(&session->hasher, &download->job);
	if (download->phase == PHASE_VERIFY)
		cleanup_fd(&download->job.fd);
	if (session->full || download->partial.chunk_count <= 1) /* one chunk is no progress */
		partial_discard(&download->partial);
	free_download(download);
}

static void abandon_model(struct session *session, const struct plan_model *model)
{
	for (size_t i = 0; i < session->download_count; i++)
		if (session->downloads[i].phase != PHASE_FREE &&
		    session->downloads[i].model == model)
			abandon(&session->downloads[i]);
}

/* The model cannot be had: it is said once, and its other files are not gone on with. */
static void fail_download(struct download *download, enum finding_id id, const char *message,
                          const char *fix)
{
	struct session *session = download->session;
	struct plan_model *model = download->model;
	const char *path = download->file->path;

	if (!model->failed)
		session_fail(session, model, id, path, fix, "%s", message);
	abandon_model(session, model);
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

	text_addf(&text, "%s cannot be %s in %.300s: %s", download->file->path, what,
	          download->session->store.path, volume_words(error));
	download->session->full |= volume_finding(error) == FINDING_FETCH_DISK && error != -ESTALE;
	fail_download(download, volume_finding(error), message, volume_fix(error));
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
	job->locked[0] = '\0';
	if (download->file->locked != NULL && download->file->kind != DIGEST_SHA256)
		hex_encode(job->locked, download->file->locked->sha256,
		           sizeof(download->file->locked->sha256));
	job->finish = finish;
	job->context = download;
	hasher_begin(&download->session->hasher, job);
}

/* Parts */

/* Another endpoint, if there is one that was not tried. */
static bool next_source(struct download *download)
{
	unsigned source = source_next(download->session, download->tried);

	/* None is left: those that were not asked often enough, for others were there, once more. */
	if (source >= source_count(download->session) && download->hurried != 0) {
		download->tried = ~download->hurried;
		download->hurried = 0;
		download->patient = true;
		source = source_next(download->session, download->tried);
	}
	if (source >= source_count(download->session))
		return false;
	download->source = source;
	download->tried |= 1u << source;
	download->address[0] = '\0';
	download->refreshed = 0;
	download->ranges = download->single = false;
	return true;
}

/*
 * A server that takes fewer connections of a client than there are says so by 503 or a reset (nginx, limit_conn):
 * from here on there are no more than those that go on, and what was turned away waits for its turn.
 */
static bool throttle(struct session *session, bool hurried, const struct failure *failure)
{
	size_t others = parts_running(session);

	if ((others == 0 && !hurried) || !failure->temporary ||
	    (failure->http != 503 && (failure->http != 0 || source_count(session) > 1)))
		return false;
	session->parts_allowed = others > 0 ? others : 1;
	session->parts_ended_well = 0;
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
	if (throttle(download->session, part->hurried, failure))
		return true;
	source_failed(download->session, part->source, failure);
	if (!download->patient && failure->temporary)
		download->hurried |= 1u << part->source;
	/* Another part has moved on already; otherwise this one's failure is why the file moves on. */
	return part->source != download->source || next_source(download);
}

/* From the first byte, in one stream. */
static void restart(struct download *download)
{
	int error;

	drop_parts(download);
	hasher_cancel(&download->session->hasher, &download->job);
	if (download->sealed)
		partial_unseal(&download->partial, take_fd(&download->job.fd));
	download->sealed = false;
	error = partial_clear(&download->partial);
	if (download->write_error == 0)
		download->write_error = error;
	begin_job(download, download->partial.fd, put_into_place);
	download->restart = false;
}

/* A branch's commit that the cache knows and the hub does not any more: squashed or force-pushed. */
static const char *gone_fix(const struct download *download, const struct failure *failure)
{
	return failure->http == 404 && download->model->is_aboard ?
	               "the commit that the cache's ref names may be gone from the hub: set mode = online for what it has now, or remove that ref" :
	               failure->fix;
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

		well = download->shorts++ < download->session->settings->retries;
		failure.id = FINDING_FETCH_DIGEST;
		failure.http = 0;
		text_addf(&text, "%s: %s ends after %llu of %llu bytes", request->what,
		          request->server.host, (unsigned long long)part->at,
		          (unsigned long long)part->end);
	} else if (well) {
		download->refreshed = 0;
		if (++download->session->parts_ended_well % PARTS_UNTIL_ONE_MORE == 0)
			download->session->parts_allowed++;
	}
	partial_give_back(&download->partial, part->at, part->end - part->at);
	if (well || part->at == part->end)
		return;
	if (download->restart && download->restarts++ <= download->session->settings->retries) {
		restart(download);
		return;
	}
	if (!recover(download, &was, &failure))
		fail_download(download, failure.id, failure.message, gone_fix(download, &failure));
}

/* Phases */

static void begin_fetch(struct download *download)
{
	int error =
	        partial_open(&download->partial, &download->model->repo, download->etag,
	                     download->file->size, download->lock_fd >= 0, download->losses == 0);

	if (error != 0) {
		fail_disk(download, "written", error);
		return;
	}
	download->phase = PHASE_FETCH;
	begin_job(download, download->partial.fd, put_into_place);
	/* What an earlier run left is hashed while the rest arrives. */
	if (download->partial.lead > 0)
		part_advance(download);
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
	hasher_advance(&download->session->hasher, &download->job, download->partial.size);
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
	hasher_advance(&download->session->hasher, &download->job, download->file->size);
}

static void begin(struct download *download)
{
	const struct repo_store *repo = &download->model->repo;
	const struct plan_file *file = download->file;

	if (file->state == FILE_DOUBTED || repo_store_has(repo, download->etag, file->size) ||
	    repo_store_has_file(repo, download->model->commit, file->path, file->size))
		/* Another has brought it meanwhile. */
		begin_verify(download);
	else
		begin_fetch(download);
}

#define LOSSES_AT_MOST 4u

/*
 * The file is another fetch's now, and nothing of it is touched any more; or the volume cannot go on with what an
 * earlier run left: rclone 1.60 goes by the size that it uploaded meanwhile.
 */
static bool is_loss(const struct download *download, int error)
{
	const struct partial *partial = &download->partial;

	return (error == -ESTALE && partial->unguarded) || (error == -EIO && partial->inherited);
}

/* The disk's error, unless a file of its own may be better. */
static void take_error(struct download *download, int error)
{
	if (!is_loss(download, error) || download->losses++ == LOSSES_AT_MOST) {
		fail_disk(download, "written", error);
		return;
	}
	drop_parts(download);
	hasher_cancel(&download->session->hasher, &download->job);
	if (download->sealed)
		cleanup_fd(&download->job.fd);
	partial_lose(&download->partial);
	download->sealed = download->restart = false;
	download->write_error = 0;
	begin(download);
}

static void try_lock(struct download *download)
{
	int fd = repo_store_lock(&download->model->repo, download->etag, download->file->path);

	if (fd == -EAGAIN) {
		download->lock_due_ns = clock_now_ns() + LOCK_POLL_MS * 1000000ull;
		return;
	}
	if (fd < 0 && fd != -ENOLCK) {
		fail_disk(download, "locked", fd);
		return;
	}
	download->lock_fd = fd < 0 ? -1 : fd;
	begin(download);
}

static void start_download(struct session *session, struct plan_model *model,
                           struct plan_file *file, struct download *download)
{
	download->session = session;
	download->model = model;
	download->file = file;
	download->phase = PHASE_LOCK;
	download->source = source_next(session, 0);
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
	text_addf(&text, "%.200s arrived with the %s %.16s..., and %s %.16s...; tried twice",
	          download->file->path, download->job.unlocked ? "SHA-256" : "digest",
	          download->job.actual,
	          download->job.unlocked ? "the lock file states" : "the hub states",
	          download->job.unlocked ? download->job.locked : download->etag);
	partial_discard(&download->partial);
	fail_download(download, FINDING_FETCH_DIGEST, message, NULL);
}

static void take_hashed(struct session *session)
{
	struct hash_job *job;

	while ((job = hasher_take(&session->hasher)) != NULL) {
		struct download *download = job->context;

		if (download->phase == PHASE_VERIFY) {
			verified(download);
		} else if (job->result == 0) {
			download->model->fetched_files++;
			session_tell_file(session, download, download->file->size);
			complete(download, FILE_THERE);
		} else if (job->result == -EBADMSG) {
			mismatched(download);
		} else {
			take_error(download, job->result);
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

static bool start_next_file(struct session *session)
{
	struct download *free_one = NULL;

	for (size_t i = 0; i < session->download_count && free_one == NULL; i++)
		if (session->downloads[i].phase == PHASE_FREE)
			free_one = &session->downloads[i];
	for (size_t i = 0; free_one != NULL && !session->full && i < session->model_count; i++) {
		struct plan_model *model = &session->models[i];
		struct plan_file *file = model->failed || !model->listed ? NULL : next_file(model);

		if (file != NULL) {
			start_download(session, model, file, free_one);
			return true;
		}
	}
	return false;
}

static struct part *free_part(struct session *session)
{
	for (size_t i = 0; i < session->settings->connections; i++)
		if (session->parts[i].download == NULL)
			return &session->parts[i];
	return NULL;
}

static bool start_any_part(struct session *session, struct part *part)
{
	for (size_t i = 0; i < session->download_count; i++)
		if (session->downloads[i].phase == PHASE_FETCH &&
		    part_start(part, &session->downloads[i], end_part))
			return true;
	return false;
}

static void start_all(struct session *session)
{
	struct part *part;

	while (parts_running(session) < session->parts_allowed &&
	       (part = free_part(session)) != NULL)
		if (!start_any_part(session, part) && !start_next_file(session))
			break;
}

bool downloads_step(struct session *session)
{
	uint64_t now = clock_now_ns();
	bool any = false;

	parts_take_written(session, false);
	take_hashed(session);
	for (size_t i = 0; i < session->download_count; i++) {
		struct download *download = &session->downloads[i];

		if (download->write_error != 0)
			take_error(download, download->write_error);
		if (download->phase == PHASE_LOCK && download->lock_due_ns <= now)
			try_lock(download);
		if (download->phase == PHASE_FETCH && !download->sealed &&
		    partial_is_whole(&download->partial))
			seal(download);
	}
	start_all(session);
	for (size_t i = 0; i < session->download_count; i++) {
		struct download *download = &session->downloads[i];

		any = any || download->phase != PHASE_FREE;
		if (download->phase == PHASE_FETCH &&
		    now - download->told_ns > PROGRESS_MS * 1000000ull) {
			download->told_ns = now;
			session_tell_file(session, download,
			                  partial_present_bytes(&download->partial));
		}
		if (download->phase == PHASE_FETCH &&
		    now - download->kept_ns > STALE_PARTIAL_S * 1000000000ull / 4) {
			download->kept_ns = now;
			partial_keep(&download->partial);
		}
	}
	return any;
}

void downloads_release(struct session *session)
{
	for (size_t i = 0; i < session->download_count; i++)
		if (session->downloads[i].phase != PHASE_FREE)
			abandon(&session->downloads[i]);
	for (size_t i = 0; session->parts != NULL && i < session->settings->connections; i++) {
		request_release(&session->parts[i].request);
		free(session->parts[i].buffer);
	}
}
