/* SPDX-License-Identifier: Apache-2.0 */
/* The sequence: what is wanted, whether there is room, the files, their places, the refs. */
#include <string.h>

#include "fetch/store/publish.h"
#include "fetch/work.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "system/cgroup.h"
#include "util.h"

/* Beside those that are on their way: files that are being hashed, or wait for the disk or a lock. */
#define FILES_AT_ONCE 32u
#define PUBLISH_TRIES 8u /* other fetches of the same model are in the way for moments only */
#define ROOM_BYTES (16ull << 20) /* for directories, links and manifests */

static void send_record(struct work *work, struct record *record)
{
	record->magic = RECORD_MAGIC;
	(void)work->job->send(work->job->send_context, record);
}

static void __attribute__((format(printf, 5, 0)))
send_finding(struct work *work, const struct plan_model *model, enum finding_id id,
             const char *path, const char *format, va_list arguments)
{
	struct record record;

	finding_make(&record, id, model == NULL ? NULL : model->model,
	             model == NULL ? 0 : model->index, (struct report_at){ .path = path }, format,
	             arguments);
	send_record(work, &record);
}

void fetch_fail(struct work *work, struct plan_model *model, enum finding_id id, const char *path,
                const char *format, ...)
{
	va_list arguments;

	model->failed = true;
	/* What is aboard is complete: that there may be something newer refuses nothing. */
	if (work->job->want[model->index] == WANT_LOOKUP)
		id = FINDING_FETCH_LOOKUP;
	va_start(arguments, format);
	send_finding(work, model, id, path, format, arguments);
	va_end(arguments);
}

static void __attribute__((format(printf, 3, 4)))
fetch_note(struct work *work, enum finding_id id, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_finding(work, NULL, id, work->store.path, format, arguments);
	va_end(arguments);
}

void fetch_tell_file(struct work *work, const struct download *download, uint64_t arrived)
{
	struct record record = { .type = RECORD_FETCH_FILE,
		                 .model = download->model->index,
		                 .files = arrived,
		                 .bytes = download->file->size };
	struct text path = TEXT_OVER(record.path);

	text_add(&path, download->file->path);
	text_mark_cut(&path);
	send_record(work, &record);
}

static void tell_model(struct work *work, const struct plan_model *model, enum record_type type)
{
	struct record record = { .type = (uint16_t)type, .model = model->index };
	struct text path = TEXT_OVER(record.path);
	bool begins = type == RECORD_FETCH_MODEL;

	record.files = begins ? model->wanted_files : model->fetched_files;
	record.bytes = begins ? model->wanted_bytes : model->fetched_bytes;
	text_add(&path, model->model->repo);
	memcpy(record.commit, model->commit, sizeof(model->commit));
	send_record(work, &record);
}

static void wake(void *network)
{
	network_wake(network);
}

static int begin(struct work *work)
{
	const struct fetch_job *job = work->job;
	unsigned cores = cores_allowed();
	int error = store_prepare(&work->store);

	if (error != 0)
		return error;
	work->names = arena_new();
	work->models = calloc(job->policy->model_count + 1, sizeof(*work->models));
	work->parts = calloc(work->settings->connections, sizeof(*work->parts));
	work->parts_allowed = work->settings->connections;
	work->download_count = work->settings->connections + FILES_AT_ONCE;
	work->downloads = calloc(work->download_count, sizeof(*work->downloads));
	if (work->names == NULL || work->models == NULL || work->parts == NULL ||
	    work->downloads == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < work->settings->connections; i++) {
		work->parts[i].buffer = malloc(WRITE_BYTES);
		if (work->parts[i].buffer == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < work->download_count; i++) {
		work->downloads[i].lock_fd = -1;
		work->downloads[i].partial = PARTIAL_INIT;
	}
	error = network_init(&work->network, work->settings);
	if (error == 0)
		error = writer_init(&work->writer, wake, &work->network);
	if (error == 0)
		error = hasher_init(&work->hasher, cores + 2, wake, &work->network);
	return error;
}

static void say_volume(struct work *work)
{
	if (work->store.is_directory || (work->store.has_links && work->store.has_locks))
		return;
	fetch_note(
	        work, FINDING_FETCH_VOLUME, "%s",
	        !work->store.has_links ?
	                "the volume has no symbolic links: files are put into the snapshots themselves" :
	                "locks exclude nobody on this volume: two fetchers at once may fetch twice");
}

/* A model of the place: its repository's directory, and the plan for it. */
static void plan(struct work *work, int index)
{
	struct plan_model *model = &work->models[work->model_count++];
	int error;

	model->model = &work->job->policy->models[index];
	model->index = index;
	model->damaged = work->job->want[index] == WANT_DAMAGED;
	error = repo_store_open(&model->repo, &work->store, model->model->repo);
	if (error != 0) {
		fetch_fail(work, model,
		           error == -ENOSPC || error == -EDQUOT ? FINDING_FETCH_DISK :
		                                                  FINDING_FETCH_FOLDER,
		           NULL, "its directory in %s cannot be made: %s", work->store.path,
		           strerror(-error));
		return;
	}
	if (!plan_model(work, model) || model->unchanged)
		return;
	if (model->count == 0) {
		fetch_fail(work, model, FINDING_FETCH_NOT_FOUND, NULL,
		           "the repository %s has no file that 'files' of the policy wants",
		           model->model->repo);
		return;
	}
	plan_compare(model);
	model->kept_bytes = repo_store_leftover_bytes(&model->repo);
	if (model->kept_bytes > model->wanted_bytes)
		model->kept_bytes = model->wanted_bytes;
	if (model->left > 0 || work->job->want[index] != WANT_LOOKUP)
		tell_model(work, model, RECORD_FETCH_MODEL);
}

/* Before the first byte; on volumes with quotas the answer may be rosier than the truth. */
static void look_for_room(struct work *work)
{
	uint64_t wanted = 0, inodes = 0, bytes, free_inodes;

	for (size_t i = 0; i < work->model_count; i++)
		if (!work->models[i].failed && work->models[i].listed) {
			wanted += work->models[i].wanted_bytes - work->models[i].kept_bytes;
			inodes += 3 * work->models[i].wanted_files; /* blob, link, lock */
		}
	if (wanted == 0 || store_free(&work->store, &bytes, &free_inodes) != 0)
		return;
	for (size_t i = 0; i < work->model_count; i++) {
		struct plan_model *model = &work->models[i];

		if (model->failed || model->left == 0)
			continue;
		if (bytes < wanted + ROOM_BYTES + work->settings->keep_free_bytes) {
			fetch_fail(work, model, FINDING_FETCH_DISK, work->store.path,
			           "%s are to be fetched and %s kept free, but %s has only %s left",
			           size_text(wanted).text,
			           size_text(work->settings->keep_free_bytes).text,
			           work->store.path, size_text(bytes).text);
		} else if (free_inodes < inodes) {
			fetch_fail(work, model, FINDING_FETCH_DISK, work->store.path,
			           "%llu inodes are needed, but %s has only %llu left",
			           (unsigned long long)inodes, work->store.path,
			           (unsigned long long)free_inodes);
		}
	}
}

static int put_files(struct plan_model *model, const char **at, bool *piecemeal)
{
	struct publication publication = { .directory_fd = -1 };
	int error = publication_begin(&publication, &model->repo, model->commit);
	const struct plan_file *placed = NULL;
	char etag[SHA256_HEX + 1];

	plan_sort(model);
	for (size_t i = 0; error == 0 && i < model->count; i++) {
		const struct plan_file *file = &model->files[i];
		struct published published = { .path = file->path,
			                       .etag = etag,
			                       .size = file->size };

		*at = file->path;
		plan_etag(file, etag);
		published.is_placed = file->state == FILE_PLACED;
		published.keep = i + 1 < model->count && plan_same_content(file, file + 1);
		if (published.is_placed)
			placed = file;
		else if (placed != NULL && plan_same_content(file, placed))
			published.equal = placed->path;
		error = publication_add(&publication, &published);
	}
	if (error == 0) {
		*at = "";
		error = publication_end(&publication);
	}
	publication_release(&publication);
	*piecemeal = publication.piecemeal;
	return error;
}

/* A fetch that was killed beside one that went on has left partial files that nobody resumes. */
static void sweep(const struct plan_model *model)
{
	char etag[SHA256_HEX + 1];

	for (size_t i = 0; model->repo.leftover_count > 0 && i < model->count; i++) {
		plan_etag(&model->files[i], etag);
		partial_sweep(&model->repo, etag, model->files[i].path);
	}
}

/* Names come last: nothing is found under a ref before all of it is there. */
static void publish(struct work *work, struct plan_model *model)
{
	const char *revision = model->model->revision, *at = "";
	bool piecemeal = false;
	int error = -ENOENT;

	for (unsigned tries = 0; tries < PUBLISH_TRIES && error == -ENOENT; tries++)
		error = put_files(model, &at, &piecemeal);
	if (piecemeal)
		fetch_note(
		        work, FINDING_FETCH_VOLUME,
		        "the volume renames no directories: the snapshot is made file by file, and its ref comes last");
	/* refs/COMMIT, too: hf-hub (Rust) asks for it first, as its own downloads write it. */
	if (error == 0 && !work->store.is_directory)
		error = repo_store_write_ref(&model->repo, revision, model->commit);
	if (error == 0) {
		sweep(model);
		tell_model(work, model, RECORD_FETCH_DONE);
		return;
	}
	fetch_fail(work, model,
	           error == -ENOSPC || error == -EDQUOT || error == -EIO ? FINDING_FETCH_DISK :
	                                                                   FINDING_FETCH_FOLDER,
	           at, "the snapshot in %s cannot be written: %s", work->store.path,
	           volume_words(error));
}

static void publish_ready(struct work *work)
{
	for (size_t i = 0; i < work->model_count; i++) {
		struct plan_model *model = &work->models[i];

		if (!model->listed || model->failed || model->unchanged || model->left > 0)
			continue;
		publish(work, model);
		model->listed = false; /* once */
	}
}

static int bring(struct work *work)
{
	while (downloads_step(work)) {
		publish_ready(work);
		if (network_run(&work->network, (int)LOCK_POLL_MS) < 0)
			return -EIO;
	}
	publish_ready(work);
	return 0;
}

static void release(struct work *work)
{
	if (work->downloads != NULL)
		downloads_release(work);
	writer_release(&work->writer);
	if (work->hasher.thread_count > 0)
		hasher_release(&work->hasher);
	for (size_t i = 0; i < work->model_count; i++) {
		repo_store_release(&work->models[i].repo);
		free(work->models[i].files);
	}
	network_release(&work->network);
	store_release(&work->store);
	arena_free(work->names);
	free(work->models);
	free(work->parts);
	free(work->downloads);
}

const char *volume_words(int error)
{
	switch (-error) {
	case ENOSYS:
	case EOPNOTSUPP:
		return "the volume cannot rename files, or lacks another call that a cache needs";
	case ESPIPE:
		return "the volume takes no writing at a place (rclone: --vfs-cache-mode writes)";
	default:
		return strerror(-error);
	}
}

/* A place that cannot be written is said of each of its models. */
static void fail_all(struct work *work, int error)
{
	const struct fetch_job *job = work->job;

	for (size_t i = 0; i < job->policy->model_count; i++) {
		struct plan_model model = { .model = &job->policy->models[i], .index = (int)i };

		if (job->want[i] != WANT_NOTHING)
			fetch_fail(work, &model,
			           error == -ENOSPC || error == -EDQUOT ? FINDING_FETCH_DISK :
			                                                  FINDING_FETCH_FOLDER,
			           job->path, "%s cannot be written: %s", job->path,
			           volume_words(error));
	}
}

int fetch_run(const struct fetch_job *job, const struct store *store, int error)
{
	struct work *work = calloc(1, sizeof(*work));

	if (work == NULL)
		return -ENOMEM;
	work->job = job;
	work->settings = job->settings;
	work->store = *store;
	if (error == 0)
		error = begin(work);
	if (error == 0) {
		say_volume(work);
		for (size_t i = 0; i < job->policy->model_count; i++)
			if (job->want[i] != WANT_NOTHING)
				plan(work, (int)i);
		look_for_room(work);
		error = bring(work);
	} else if (error != -ENOMEM) {
		fail_all(work, error);
		error = 0;
	}
	release(work);
	free(work);
	return error;
}
