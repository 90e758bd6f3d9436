/* SPDX-License-Identifier: Apache-2.0 */
/* The sequence: what is wanted, whether there is room, the files, their places, the refs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/findings.h"
#include "fetch/store/publish.h"
#include "fetch/session.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "util.h"

#define PUBLISH_TRIES 8u /* other fetches of the same model are in the way for moments only */
#define ROOM_BYTES (16ull << 20) /* for directories, links and manifests */

static void say_volume(struct session *session)
{
	if (session->store.is_directory ||
	    (session->store.volume.has_links && session->store.volume.has_locks))
		return;
	session_note(
	        session, FINDING_FETCH_VOLUME, "%s",
	        !session->store.volume.has_links ?
	                "the volume does not support symbolic links: files are put into the snapshots themselves" :
	                "file locks have no effect on this volume: two fetchers at once may fetch twice");
}

/* What the lock file has of it, with a commit. */
static const struct lock_model *locked_model(const struct fetch_job *job, const struct model *model)
{
	const struct lock_model *locked =
	        job->lock == NULL ? NULL : lock_find_model(job->lock, model->name);

	return locked == NULL || locked->moves || locked->commit[0] == '\0' ? NULL : locked;
}

/* A model of the place: its repository's directory, and the plan for it. */
static void plan(struct session *session, int index)
{
	struct plan_model *model = &session->models[session->model_count++];
	int error;

	model->model = &session->job->policy->models[index];
	model->index = index;
	model->damaged = session->job->want[index] == WANT_DAMAGED;
	model->locked = locked_model(session->job, model->model);
	error = repo_store_open(&model->repo, &session->store, model->model->repo);
	if (error != 0) {
		session_fail(session, model, volume_finding(error), NULL, volume_fix(error),
		             "its directory in %s cannot be made: %s", session->store.path,
		             volume_words(error));
		return;
	}
	if (!plan_model(session, model) || model->unchanged)
		return;
	if (model->count == 0) {
		session_fail(session, model, FINDING_FETCH_NOT_FOUND, NULL,
		             "compare files and exclude with the names of the repository",
		             "the repository %s has no %s", model->model->repo,
		             model->model->files.count + model->model->exclude.count > 0 ?
		                     "file that 'files' of the policy wants" :
		                     "files");
		return;
	}
	if (session->store.volume.ignores_case && !plan_names_differ(session, model))
		return;
	plan_compare(session, model);
	if (session->job->locking)
		return;
	model->kept_bytes = repo_store_leftover_bytes(&model->repo);
	if (model->kept_bytes > model->wanted_bytes)
		model->kept_bytes = model->wanted_bytes;
	if (model->left > 0 || session->job->want[index] != WANT_LOOKUP)
		session_tell_model(session, model, RECORD_FETCH_MODEL);
}

/* Before the first byte; on volumes with quotas the answer may be rosier than the truth. */
static void look_for_room(struct session *session)
{
	uint64_t wanted = 0, inodes = 0, bytes, free_inodes,
	         keep = session->settings->keep_free_bytes;

	for (size_t i = 0; i < session->model_count; i++)
		if (!session->models[i].failed && session->models[i].listed) {
			wanted = plan_add_bytes(wanted, session->models[i].wanted_bytes -
			                                        session->models[i].kept_bytes);
			inodes += 3 * session->models[i].wanted_files; /* blob, link, lock */
		}
	if (wanted == 0 || store_free(&session->store, &bytes, &free_inodes) != 0)
		return;
	for (size_t i = 0; i < session->model_count; i++) {
		struct plan_model *model = &session->models[i];

		if (model->failed || model->left == 0)
			continue;
		if (bytes < plan_add_bytes(plan_add_bytes(wanted, ROOM_BYTES), keep)) {
			session_fail(session, model, FINDING_FETCH_DISK, session->store.path, NULL,
			             "%s are to be fetched%s%s%s, but %s has only %s left",
			             size_text(wanted).text, keep > 0 ? " and " : "",
			             keep > 0 ? size_text(keep).text : "",
			             keep > 0 ? " kept free" : "", session->store.path,
			             size_text(bytes).text);
		} else if (free_inodes < inodes) {
			session_fail(session, model, FINDING_FETCH_DISK, session->store.path, NULL,
			             "%llu inodes are needed, but %s has only %llu left",
			             (unsigned long long)inodes, session->store.path,
			             (unsigned long long)free_inodes);
		}
	}
}

struct met_file {
	ino_t inode;
	const struct plan_file *file;
};

static int by_inode(const void *a, const void *b)
{
	ino_t left = ((const struct met_file *)a)->inode,
	      right = ((const struct met_file *)b)->inode;

	return left < right ? -1 : left > right;
}

/* Case is folded by the volume, for all alphabets: two names of other contents must not have become one. */
static int tell_apart(const struct publication *publication, const struct plan_model *model,
                      const char **at)
{
	struct met_file *met = calloc(model->count + 1, sizeof(*met));
	int error = met == NULL ? -ENOMEM : 0;
	struct stat st;

	for (size_t i = 0; error == 0 && i < model->count; i++) {
		*at = model->files[i].path;
		met[i].file = &model->files[i];
		error = fstatat(publication->directory_fd, *at, &st, AT_SYMLINK_NOFOLLOW) != 0 ?
		                -errno :
		                0;
		met[i].inode = error == 0 ? st.st_ino : 0;
	}
	if (error == 0)
		qsort(met, model->count, sizeof(*met), by_inode);
	for (size_t i = 1; error == 0 && i < model->count; i++)
		if (met[i].inode == met[i - 1].inode &&
		    !plan_same_content(met[i].file, met[i - 1].file)) {
			*at = met[i].file->path;
			error = -ENOTUNIQ;
		}
	free(met);
	return error;
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
		published.doubted = model->damaged;
		published.keep = i + 1 < model->count && plan_same_content(file, file + 1);
		if (published.is_placed)
			placed = file;
		else if (placed != NULL && plan_same_content(file, placed))
			published.equal = placed->path;
		error = publication_add(&publication, &published);
	}
	if (model->repo.store->volume.ignores_case && error == 0)
		error = tell_apart(&publication, model, at);
	if (model->repo.store->volume.ignores_case && (error == -ENOTDIR || error == -EISDIR))
		error = -ENOTUNIQ;
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

/* Whether it is this fetch's turn to give names; whoever holds it too long, or for another reason, is not waited for. */
static bool take_turn(struct session *session, struct plan_model *model)
{
	uint64_t now = clock_now_ns();

	if (repo_store_lock_names(&model->repo) != -EAGAIN)
		return true;
	if (model->turn_due_ns == 0)
		model->turn_due_ns = now + NAMES_WAIT_MS * 1000000ull;
	if (now < model->turn_due_ns)
		return false;
	session_note(session, FINDING_FETCH_VOLUME,
	             "another process keeps the lock of %s: it is not waited for any longer",
	             model->model->repo);
	return true;
}

/* Names come last: nothing is found under a ref before all of it is there. */
static void publish(struct session *session, struct plan_model *model)
{
	const char *revision = model->model->revision, *at = "";
	bool piecemeal = false;
	int error = -ENOENT;

	for (unsigned tries = 0; tries < PUBLISH_TRIES && error == -ENOENT; tries++)
		error = put_files(model, &at, &piecemeal);
	if (piecemeal)
		session_note(
		        session, FINDING_FETCH_VOLUME,
		        "the volume cannot rename directories: the snapshot is made file by file, and its ref comes last");
	/* refs/COMMIT, too: hf-hub (Rust) asks for it first, as its own downloads write it. */
	if (error == 0 && !session->store.is_directory)
		error = repo_store_write_ref(&model->repo, revision, model->commit);
	if (error == 0 && !session->store.is_directory && model->model->ref != NULL)
		error = repo_store_write_ref(&model->repo, model->model->ref, model->commit);
	repo_store_unlock_names(&model->repo);
	if (error == 0) {
		sweep(model);
		session_tell_model(session, model, RECORD_FETCH_DONE);
		return;
	}
	if ((error == -ENOENT || error == -EINVAL) && !volume_holds(model->repo.fd, at))
		error = -EILSEQ;
	session_fail(session, model, volume_finding(error), at, volume_fix(error),
	             "the snapshot in %s cannot be written: %s", session->store.path,
	             volume_words(error));
}

/* Files of git's own are read once more for their SHA-256; of the others the hub has stated it. */
static int sha256_of(struct plan_model *model, const struct plan_file *file, const char *etag,
                     char hex[static SHA256_HEX + 1])
{
	CLEANUP(cleanup_fd) int fd = repo_store_open_blob(&model->repo, etag);
	struct digest_file hashed = { .fd = fd, .size = file->size, .kind = DIGEST_SHA256 };
	_Atomic uint64_t done = 0;

	if (fd < 0)
		return fd;
	digest_files(&hashed, 1, &done);
	memcpy(hex, hashed.hex, sizeof(hashed.hex));
	return hashed.result;
}

static void tell_locked(struct session *session, struct plan_model *model)
{
	int error = 0;

	for (size_t i = 0; i < model->count && error == 0; i++) {
		const struct plan_file *file = &model->files[i];
		bool is_git = file->kind == DIGEST_GIT_SHA1;
		char etag[SHA256_HEX + 1], hex[SHA256_HEX + 1];
		struct record record;

		plan_etag(file, etag);
		memcpy(hex, etag, sizeof(hex));
		if (is_git)
			error = sha256_of(model, file, etag, hex);
		if (error == 0 && !locked_make(&record, model->index, file->path, file->size, hex,
		                               is_git ? etag : ""))
			error = -ENAMETOOLONG;
		if (error != 0)
			break;
		memcpy(record.commit, model->commit, sizeof(model->commit));
		error = session->job->send(session->job->send_context, &record);
	}
	if (error != 0)
		session_fail(session, model, volume_finding(error), NULL, NULL,
		             "the files of %s cannot be read again: %s", model->model->repo,
		             strerror(-error));
}

/* false: another fetch is giving names, and it is asked again later. */
static bool publish_ready(struct session *session)
{
	bool all = true;

	for (size_t i = 0; i < session->model_count; i++) {
		struct plan_model *model = &session->models[i];

		if (!model->listed || model->failed || model->unchanged || model->left > 0)
			continue;
		if (session->job->locking) {
			tell_locked(session, model);
			model->listed = false;
			continue;
		}
		if (!take_turn(session, model)) {
			all = false;
			continue;
		}
		publish(session, model);
		model->listed = false; /* once */
	}
	return all;
}

static int bring(struct session *session)
{
	bool any;

	do {
		any = downloads_step(session);
		any = !publish_ready(session) || any;
		if (any && network_run(&session->network, (int)LOCK_POLL_MS) < 0)
			return -EIO;
	} while (any);
	return 0;
}

/* A place that cannot be written is said of each of its models. */
static void fail_all(struct session *session, int error)
{
	const struct fetch_job *job = session->job;

	for (size_t i = 0; i < job->policy->model_count; i++) {
		struct plan_model model = { .model = &job->policy->models[i], .index = (int)i };
		const char *fix = volume_fix(error);

		if (model.model->path != NULL && error == -ENOTDIR)
			fix = "let path name a directory: a fetch fills one, and files says what is wanted of the repository";
		if (job->want[i] != WANT_NOTHING)
			session_fail(session, &model, volume_finding(error), job->path, fix,
			             "%s cannot be written: %s", job->path, volume_words(error));
	}
}

int fetch_run(const struct fetch_job *job, const struct store *store, int error)
{
	struct session *session = calloc(1, sizeof(*session));

	if (session == NULL)
		return -ENOMEM;
	session_init(session, job, store);
	if (error == 0)
		error = session_begin(session);
	if (error == 0) {
		say_volume(session);
		for (size_t i = 0; i < job->policy->model_count; i++)
			if (job->want[i] != WANT_NOTHING)
				plan(session, (int)i);
		look_for_room(session);
		error = bring(session);
	} else if (error != -ENOMEM) {
		fail_all(session, error);
		error = 0;
	}
	session_release(session);
	free(session);
	return error;
}
