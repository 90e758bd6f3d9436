/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/threads/hasher.h"

#include <fcntl.h>
#include <string.h>

#include "util.h"

#define HASH_STEP_BYTES (256ul << 10) /* within the second cache, where the digest reads it again */

#define WRITEBACK_BYTES                                                                            \
	(16ull << 20) /* the disk begins while the rest arrives, so that fsync() waits less */

/* Reads on from job->done to `ready`; 0 or a negative errno. */
static int hash_to(struct hash_job *job, uint64_t ready, unsigned char *buffer)
{
	while (job->done < ready) {
		uint64_t left = ready - job->done;
		ssize_t got =
		        pread(job->fd, buffer, left < HASH_STEP_BYTES ? left : HASH_STEP_BYTES,
		              (off_t)job->done);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : -ESTALE;
		digest_feed(&job->digest, buffer, (size_t)got);
		if (job->locked[0] != '\0')
			digest_feed(&job->second, buffer, (size_t)got);
		job->done += (uint64_t)got;
		if (job->finish != NULL && job->done % WRITEBACK_BYTES == 0)
			(void)sync_file_range(job->fd, (off_t)(job->done - WRITEBACK_BYTES),
			                      WRITEBACK_BYTES, SYNC_FILE_RANGE_WRITE);
	}
	return 0;
}

static int conclude(struct hash_job *job)
{
	digest_end(&job->digest, job->actual);
	if (strcmp(job->actual, job->expected) != 0)
		return -EBADMSG;
	if (job->locked[0] != '\0') {
		digest_end(&job->second, job->actual);
		job->unlocked = strcmp(job->actual, job->locked) != 0;
		if (job->unlocked)
			return -EBADMSG;
	}
	return job->finish == NULL ? 0 : job->finish(job);
}

static void enqueue(struct hasher *hasher, struct hash_job *job)
{
	job->queued = true;
	job->next = NULL;
	*hasher->last = job;
	hasher->last = &job->next;
	pthread_cond_signal(&hasher->work);
}

/* One turn of a job, called and left with the lock held. */
static void run_job(struct hasher *hasher, struct hash_job *job, unsigned char *buffer)
{
	uint64_t ready = job->ready;
	bool whole = ready == job->size;
	int result;

	job->running = true;
	pthread_mutex_unlock(&hasher->lock);
	result = buffer == NULL ? -ENOMEM : hash_to(job, ready, buffer);
	if (result == 0 && whole)
		result = conclude(job);
	pthread_mutex_lock(&hasher->lock);
	job->running = false;
	if (job->cancelled) {
		pthread_cond_broadcast(&hasher->idle);
	} else if (result != 0 || whole) {
		job->result = result;
		job->over = true;
		job->next = hasher->over;
		hasher->over = job;
		hasher->wake(hasher->wake_context);
	} else if (job->ready > job->done) {
		enqueue(hasher, job);
	}
}

static void *hash_jobs(void *context)
{
	struct hasher *hasher = context;
	CLEANUP(cleanup_free) unsigned char *buffer = aligned_alloc(4096, HASH_STEP_BYTES);

	pthread_mutex_lock(&hasher->lock);
	while (!hasher->stop) {
		struct hash_job *job = hasher->first;

		if (job == NULL) {
			pthread_cond_wait(&hasher->work, &hasher->lock);
			continue;
		}
		hasher->first = job->next;
		if (hasher->first == NULL)
			hasher->last = &hasher->first;
		job->queued = false;
		run_job(hasher, job, buffer);
	}
	pthread_mutex_unlock(&hasher->lock);
	return NULL;
}

int hasher_init(struct hasher *hasher, unsigned threads, void (*wake)(void *context), void *context)
{
	pthread_attr_t attributes;

	memset(hasher, 0, sizeof(*hasher));
	hasher->last = &hasher->first;
	hasher->wake = wake;
	hasher->wake_context = context;
	pthread_mutex_init(&hasher->lock, NULL);
	pthread_cond_init(&hasher->work, NULL);
	pthread_cond_init(&hasher->idle, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, 256ul << 10); /* a path or two */
	while (hasher->thread_count < threads && hasher->thread_count < MAX_HASH_THREADS &&
	       pthread_create(&hasher->threads[hasher->thread_count], &attributes, hash_jobs,
	                      hasher) == 0)
		hasher->thread_count++;
	pthread_attr_destroy(&attributes);
	return hasher->thread_count == 0 ? -EAGAIN : 0;
}

void hasher_begin(struct hasher *hasher, struct hash_job *job)
{
	(void)hasher;
	job->result = 0;
	job->actual[0] = '\0';
	job->ready = job->done = 0;
	job->queued = job->running = job->over = job->cancelled = false;
	job->next = NULL;
	digest_begin(&job->digest, digest_kind_of(job->expected), job->size);
	digest_begin(&job->second, DIGEST_SHA256, job->size);
	job->unlocked = false;
}

void hasher_advance(struct hasher *hasher, struct hash_job *job, uint64_t ready)
{
	pthread_mutex_lock(&hasher->lock);
	/* An empty file has nothing to advance over, and is whole all the same. */
	if ((ready > job->ready || ready == job->size) && !job->over) {
		bool idle = !job->queued && !job->running;

		job->ready = ready;
		if (idle)
			enqueue(hasher, job);
	}
	pthread_mutex_unlock(&hasher->lock);
}

struct hash_job *hasher_take(struct hasher *hasher)
{
	struct hash_job *job;

	pthread_mutex_lock(&hasher->lock);
	job = hasher->over;
	if (job != NULL)
		hasher->over = job->next;
	pthread_mutex_unlock(&hasher->lock);
	return job;
}

static void unlink_job(struct hash_job **list, struct hash_job *job)
{
	for (; *list != NULL; list = &(*list)->next)
		if (*list == job) {
			*list = job->next;
			return;
		}
}

void hasher_cancel(struct hasher *hasher, struct hash_job *job)
{
	pthread_mutex_lock(&hasher->lock);
	job->cancelled = true;
	if (job->queued) {
		unlink_job(&hasher->first, job);
		hasher->last = &hasher->first;
		while (*hasher->last != NULL)
			hasher->last = &(*hasher->last)->next;
	}
	while (job->running)
		pthread_cond_wait(&hasher->idle, &hasher->lock);
	unlink_job(&hasher->over, job);
	job->queued = job->over = false;
	pthread_mutex_unlock(&hasher->lock);
}

void hasher_release(struct hasher *hasher)
{
	pthread_mutex_lock(&hasher->lock);
	hasher->stop = true;
	pthread_cond_broadcast(&hasher->work);
	pthread_mutex_unlock(&hasher->lock);
	for (unsigned i = 0; i < hasher->thread_count; i++)
		pthread_join(hasher->threads[i], NULL);
	pthread_mutex_destroy(&hasher->lock);
	pthread_cond_destroy(&hasher->work);
	pthread_cond_destroy(&hasher->idle);
}
