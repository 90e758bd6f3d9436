/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/digests.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/array.h"
#include "base/text.h"
#include "base/tree.h"
#include "engine/findings.h"
#include "engine/metadata.h"
#include "engine/walk.h"
#include "hub/digest.h"
#include "hub/manifest.h"
#include "system/cgroup.h"
#include "util.h"

#define WORTH_PAIRING_BYTES (1ul << 20)
#define PROGRESS_EVERY_MS 250

struct job {
	char *path; /* absolute within the tree */
	int base_fd; /* of a model that was opened before: not reached by its path; -1: it is */
	size_t name; /* where the name beneath the model's directory begins */
	int model;
	uint64_t size;
	dev_t device;
	ino_t inode;
	char expected[SHA256_HEX + 1];
	char source[24]; /* who states it */
	char actual[SHA256_HEX + 1];
	char sha256[SHA256_HEX + 1]; /* while locking, whatever was expected */
	int result; /* negative errno */
	struct job *same; /* an earlier job of the same bytes and digest */
	_Atomic bool done; /* what it has come to may be read */
};

struct digest_queue {
	struct job *jobs;
	size_t count, room;
	size_t model_start; /* of the model that is being looked at */
	size_t late; /* of it, not in their order by path */
	bool locking;
	/* While hashing: */
	const struct tree *tree;
	int finished_fd; /* an eventfd, written once for each job that is done; -1: none was to be had */
	_Atomic size_t next;
	_Atomic size_t idle; /* threads without a file, about: how work is shared */
	unsigned *wrong; /* files of each model whose content is not what was stated */
	_Atomic uint64_t done_bytes;
};

struct digest_queue *digest_queue_new(void)
{
	return calloc(1, sizeof(struct digest_queue));
}

void digest_queue_free(struct digest_queue *queue)
{
	if (queue == NULL)
		return;
	for (size_t i = 0; i < queue->count; i++)
		free(queue->jobs[i].path);
	free(queue->jobs);
	free(queue->wrong);
	free(queue);
}

/* `expected` "": nothing states one. `source`: who states it. */
static void queue_add(struct inspection *inspection, const char *path, const struct stat *st,
                      const char *expected, const char *source)
{
	struct digest_queue *queue = inspection->model->digests;
	char absolute[MAX_PATH_BYTES];
	struct job *job;
	struct text text;

	if (!ARRAY_MAKE_ROOM(queue->jobs, queue->count, queue->room)) {
		inspection->failed = -ENOMEM;
		return;
	}
	if (!path_join(absolute, sizeof(absolute), inspection->model->place.path, path))
		return;
	job = &queue->jobs[queue->count];
	memset(job, 0, sizeof(*job));
	job->path = strdup(absolute);
	if (job->path == NULL) {
		inspection->failed = -ENOMEM;
		return;
	}
	queue->count++;
	job->base_fd = -1;
	for (size_t i = 0; i < inspection->opened_count; i++)
		if (inspection->opened[i].model == inspection->model->index)
			job->base_fd = inspection->opened[i].fd;
	job->name = strlen(absolute) - strlen(path);
	job->model = inspection->model->index;
	job->size = (uint64_t)st->st_size;
	job->device = st->st_dev;
	job->inode = st->st_ino;
	text = TEXT_OVER(job->expected);
	text_add(&text, expected);
	text = TEXT_OVER(job->source);
	text_add(&text, source);
}

bool is_lock_file(const struct inspection *inspection, const char *path)
{
	char absolute[MAX_PATH_BYTES];

	return inspection->lock_path != NULL &&
	       path_join(absolute, sizeof(absolute), inspection->model->place.path, path) &&
	       strcmp(absolute, inspection->lock_path) == 0;
}

void digest_queue_file(struct inspection *inspection, const struct file_view *file)
{
	const char *blob = file->link == NULL ? NULL : strrchr(file->link, '/');
	struct metadata metadata;

	if (file->fd < 0 || is_lock_file(inspection, file->path))
		return;
	if (blob != NULL && digest_kind_of(blob + 1) != DIGEST_NONE)
		queue_add(inspection, file->path, &file->st, blob + 1, "its blob's name");
	else if (inspection->model->place.kind == PLACE_DIRECTORY &&
	         metadata_read(inspection, file->path, &metadata))
		queue_add(inspection, file->path, &file->st, metadata.digest, "its metadata");
	else
		queue_add(inspection, file->path, &file->st, "", "nothing");
}

static int by_path(const void *a, const void *b)
{
	const struct job *left = a, *right = b;

	return strcmp(left->path + left->name, right->path + right->name);
}

/* false: the walk has not met it. */
static bool expect(struct inspection *inspection, const char *path, const char *expected,
                   const char *source)
{
	struct digest_queue *queue = inspection->model->digests;
	size_t low = queue->model_start, high = queue->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		struct job *job = &queue->jobs[middle];
		int order = strcmp(path, job->path + job->name);

		if (order == 0) {
			memcpy(job->expected, expected, strlen(expected) + 1);
			memcpy(job->source, source, strlen(source) + 1);
			return true;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

static bool expect_from_manifest(void *context, const struct manifest_file *file)
{
	if (strlen(file->path) == file->path_length)
		(void)expect(context, file->path,
		             file->sha256[0] != '\0' ? file->sha256 : file->blob_id,
		             "the manifest");
	return true;
}

/*
 * What is locked is hashed by its name, also where the walk came to the same file by another, or not at all: behind
 * a link to another directory of the model, in a directory that belongs to tools.
 */
static void expect_from_lock(struct inspection *inspection)
{
	const struct lock_model *locked = inspection->model->locked;
	struct digest_queue *queue = inspection->model->digests;
	size_t count = queue->count; /* those that are sorted */

	for (size_t i = 0; i < locked->count && inspection->failed == 0; i++) {
		const char *path = locked->files[i].path;
		char hex[SHA256_HEX + 1];
		CLEANUP(cleanup_fd) int fd = -1;
		struct stat st;
		bool met;

		hex_encode(hex, locked->files[i].sha256, sizeof(locked->files[i].sha256));
		queue->count = count;
		met = expect(inspection, path, hex, "the lock file");
		queue->count = count + queue->late;
		if (met || !model_wants(inspection, path))
			continue;
		fd = model_open(inspection, path, NULL);
		if (fd < 0 || fstat(fd, &st) != 0)
			continue; /* told as missing, or as what it is */
		queue_add(inspection, path, &st, hex, "the lock file");
		queue->late = queue->count - count;
	}
	queue->late = 0;
}

/* Once a model: files that nothing states a digest of, the first of them by name. */
static void report_unverified(struct inspection *inspection, const struct job *jobs, size_t count)
{
	size_t unverified = 0;
	const char *first = NULL;

	for (size_t i = 0; i < count; i++)
		if (jobs[i].expected[0] == '\0' && unverified++ == 0)
			first = jobs[i].path + jobs[i].name;
	inspection->model->verified = count - unverified;
	if (unverified == 0 || inspection->locking) /* what is locked has a digest from then on */
		return;
	if (inspection->model->level == LEVEL_DIGEST)
		inspection->model->level =
		        LEVEL_STRUCTURE; /* what was proven of the whole, for the report */
	inspection_report(
	        inspection, FINDING_FILE_UNVERIFIED, (struct report_at){ .path = first },
	        unverified == count ?
	                "no digest is stated for it, nor for any of the %zu files: none was verified" :
	                "no digest is stated for %zu of %zu files, this one first",
	        unverified == count ? count : unverified, count);
}

/* The manifest knows more than a blob's name: it also covers volumes without links. */
void digest_queue_model_done(struct inspection *inspection)
{
	struct digest_queue *queue = inspection->model->digests;
	struct job *jobs = queue->jobs == NULL ? NULL : queue->jobs + queue->model_start;
	size_t count = queue->count - queue->model_start;

	if (count > 0 || inspection->model->locked != NULL) {
		CLEANUP(cleanup_fd)
		int fd = inspection->model->level >= LEVEL_DIGEST ?
		                 model_open_manifest(inspection) :
		                 -1;

		if (jobs != NULL && count > 1)
			qsort(jobs, count, sizeof(struct job), by_path);
		if (fd >= 0 && inspection->model->has_manifest)
			(void)manifest_read(fd, expect_from_manifest, inspection);
		if (inspection->model->locked != NULL && inspection->model->level >= LEVEL_DIGEST)
			expect_from_lock(inspection);
		if (queue->count > queue->model_start)
			report_unverified(inspection, queue->jobs + queue->model_start,
			                  queue->count - queue->model_start);
	}
	queue->model_start = queue->count;
}

static bool is_hashed(const struct digest_queue *queue, const struct job *job)
{
	return job->same == NULL && (queue->locking || job->expected[0] != '\0');
}

/* The next job, and a second one to go beside it where enough are left for the other threads. */
static size_t take_jobs(struct digest_queue *queue, struct job *jobs[DIGEST_PAIR])
{
	size_t at = atomic_fetch_add(&queue->next, 1), left = queue->count - at;

	if (at >= queue->count)
		return 0;
	jobs[0] = &queue->jobs[at];
	if (!is_hashed(queue, jobs[0])) /* nothing to do for it: told, and no partner */
		return 1;
	atomic_fetch_sub(&queue->idle, 1);
	if (left <= 1 + atomic_load(&queue->idle) || !is_hashed(queue, jobs[0] + 1) ||
	    jobs[0][1].size < WORTH_PAIRING_BYTES)
		return 1;
	at++;
	if (!atomic_compare_exchange_strong(&queue->next, &at, at + 1))
		return 1; /* another thread has it */
	jobs[1] = &queue->jobs[at];
	return 2;
}

static enum digest_kind kind_of(const struct job *job)
{
	return job->expected[0] == '\0' ? DIGEST_SHA256 : digest_kind_of(job->expected);
}

/* The lock file states a SHA-256: small files, whose blobs have git's names, are read twice for it. */
static void hash_for_lock(struct job *job, struct digest_file *file)
{
	_Atomic uint64_t again = 0;

	if (file->kind == DIGEST_GIT_SHA1 && file->result == 0) {
		file->kind = DIGEST_SHA256;
		digest_files(file, 1, &again);
		job->result = file->result;
	}
	memcpy(job->sha256, file->hex, sizeof(job->sha256));
}

static void hash_together(struct digest_queue *queue, struct job *const *jobs, size_t count)
{
	struct digest_file files[DIGEST_PAIR];
	struct job *opened[DIGEST_PAIR];
	size_t open_count = 0;

	for (size_t i = 0; i < count; i++) {
		int fd = !is_hashed(queue, jobs[i]) ? -ENOENT :
		         jobs[i]->base_fd >= 0 ? tree_open_beneath(queue->tree, jobs[i]->base_fd,
		                                                   jobs[i]->path + jobs[i]->name,
		                                                   O_RDONLY) :
		                                 tree_open(queue->tree, jobs[i]->path, O_RDONLY);

		jobs[i]->result = fd < 0 ? fd : 0;
		if (fd < 0)
			continue;
		files[open_count] = (struct digest_file){ .fd = fd,
			                                  .size = jobs[i]->size,
			                                  .kind = kind_of(jobs[i]) };
		opened[open_count++] = jobs[i];
	}
	if (open_count > 0)
		digest_files(files, open_count, &queue->done_bytes);
	for (size_t i = 0; i < open_count; i++) {
		opened[i]->result = files[i].result;
		memcpy(opened[i]->actual, files[i].hex, sizeof(opened[i]->actual));
		if (queue->locking)
			hash_for_lock(opened[i], &files[i]);
		(void)close(files[i].fd);
	}
}

static void *hash_files(void *context)
{
	struct digest_queue *queue = context;
	struct job *jobs[DIGEST_PAIR];
	size_t count;

	while ((count = take_jobs(queue, jobs)) > 0) {
		bool hashed = is_hashed(queue, jobs[0]);

		hash_together(queue, jobs, count);
		for (size_t i = 0; i < count; i++)
			atomic_store(&jobs[i]->done, true);
		if (hashed)
			atomic_fetch_add(&queue->idle, 1);
		(void)eventfd_write(queue->finished_fd, 1);
	}
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	const struct job *left = a, *right = b;

	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	if (left->inode != right->inode)
		return left->inode < right->inode ? -1 : 1;
	return strcmp(left->expected, right->expected);
}

static bool is_wrong(const struct job *hashed, const struct job *job)
{
	return hashed->result < 0 ||
	       (job->expected[0] != '\0' && strcmp(hashed->actual, job->expected) != 0);
}

static void report_job(struct inspection *inspection, const struct job *job,
                       const struct job *hashed)
{
	const char *algorithm =
	        digest_kind_of(job->expected) == DIGEST_SHA256 ? "SHA-256" : "git SHA-1";
	struct report_at at = { .path = job->path + job->name };

	if (hashed->result < 0)
		inspection_report(inspection, FINDING_FILE_CHANGED, at, "%s",
		                  hashed->result == -ESTALE ? "changed while it was hashed" :
		                                              strerror(-hashed->result));
	else
		inspection_report(inspection, FINDING_FILE_DIGEST, at,
		                  "has the %s %.16s..., but %s states %.16s...", algorithm,
		                  hashed->actual, job->source, job->expected);
}

static void about_model(struct inspection *inspection, struct model_view *view, int model)
{
	view->index = model;
	view->model = &inspection->policy->models[model];
	inspection->model = view;
	memset(inspection->seen, 0, sizeof(inspection->seen));
}

static void tell_locked(struct inspection *inspection, const struct job *job,
                        const struct job *hashed)
{
	bool has_git = digest_kind_of(job->expected) == DIGEST_GIT_SHA1;
	struct record record;

	if (inspection->failed != 0)
		return;
	inspection->failed = !locked_make(&record, job->model, job->path + job->name, job->size,
	                                  hashed->sha256, has_git ? job->expected : "") ?
	                             -ENAMETOOLONG :
	                             inspection->send(inspection, &record);
}

/* Findings about a model, after all models have been looked at: its index is all that they need. */
static void tell(struct inspection *inspection, struct digest_queue *queue, struct model_view *view,
                 struct job *job)
{
	const struct job *hashed = job->same != NULL ? job->same : job;

	if (!is_hashed(queue, hashed))
		return;
	if (!is_wrong(hashed, job)) {
		if (queue->locking)
			tell_locked(inspection, job, hashed);
		return;
	}
	if (++queue->wrong[job->model] > FINDINGS_PER_KIND)
		return;
	about_model(inspection, view, job->model);
	report_job(inspection, job, hashed);
	inspection->model = NULL;
}

static void tell_rest(struct inspection *inspection, const struct digest_queue *queue,
                      struct model_view *view)
{
	for (size_t i = 0; i < inspection->policy->model_count; i++) {
		if (queue->wrong[i] <= FINDINGS_PER_KIND)
			continue;
		about_model(inspection, view, (int)i);
		inspection_report(inspection, FINDING_FILE_DIGEST, (struct report_at){ 0 },
		                  "%u more like these", queue->wrong[i] - FINDINGS_PER_KIND);
		inspection->model = NULL;
	}
}

static void send_progress(struct inspection *inspection, uint64_t done, uint64_t total)
{
	struct record record = { .magic = RECORD_MAGIC,
		                 .type = RECORD_PROGRESS,
		                 .model = NO_MODEL,
		                 .files = done,
		                 .bytes = total };

	if (inspection->failed == 0)
		inspection->failed = inspection->send(inspection, &record);
}

/* Waits for the jobs in their order and tells each. */
static void await(struct inspection *inspection, struct digest_queue *queue,
                  struct model_view *view, uint64_t total)
{
	for (size_t i = 0; i < queue->count; i++) {
		struct job *job = &queue->jobs[i];
		struct pollfd finished = { .fd = queue->finished_fd, .events = POLLIN };
		eventfd_t count;

		while (!atomic_load(&job->done)) {
			if (poll(&finished, 1, PROGRESS_EVERY_MS) > 0)
				(void)eventfd_read(queue->finished_fd, &count);
			else
				send_progress(inspection, atomic_load(&queue->done_bytes), total);
		}
		tell(inspection, queue, view, job);
	}
}

static uint64_t plan(struct digest_queue *queue)
{
	uint64_t total = 0;

	qsort(queue->jobs, queue->count, sizeof(struct job), by_size);
	for (size_t i = 0; i < queue->count; i++) {
		struct job *job = &queue->jobs[i], *before = i == 0 ? NULL : job - 1;

		if (before != NULL && job->inode == before->inode &&
		    job->device == before->device && job->size == before->size &&
		    strcmp(job->expected, before->expected) == 0)
			job->same = before->same != NULL ? before->same : before;
		else if (is_hashed(queue, job))
			total += job->size;
	}
	return total;
}

void digest_queue_run(struct inspection *inspection, struct digest_queue *queue)
{
	pthread_t threads[MAX_DIGEST_THREADS];
	unsigned wanted = cores_allowed(), started = 0;
	struct model_view *view;
	pthread_attr_t attributes;
	uint64_t total;

	if (queue->count == 0 || inspection->failed != 0)
		return;
	queue->locking = inspection->locking;
	total = plan(queue);
	view = calloc(1, sizeof(*view));
	queue->wrong = calloc(inspection->policy->model_count, sizeof(*queue->wrong));
	if (view == NULL || queue->wrong == NULL) {
		free(view);
		inspection->failed = -ENOMEM;
		return;
	}
	view->index = NO_MODEL;
	queue->tree = inspection->tree;
	atomic_store(&queue->idle, wanted < queue->count ? wanted : queue->count);
	queue->finished_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(
	        &attributes, 256ul << 10); /* musl's default of 128 kB is small for a path walk */
	while (started < wanted && started < queue->count &&
	       pthread_create(&threads[started], &attributes, hash_files, queue) == 0)
		started++;
	if (started == 0) /* no thread to be had: a pids limit, say */
		(void)hash_files(queue);
	await(inspection, queue, view, total);
	tell_rest(inspection, queue, view);
	for (unsigned i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	cleanup_fd(&queue->finished_fd);
	pthread_attr_destroy(&attributes);
	free(view);
}
