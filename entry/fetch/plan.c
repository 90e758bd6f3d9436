/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/plan.h"

#include <string.h>
#include <strings.h>

#include "base/scan.h"
#include "engine/locate.h"
#include "fetch/hub/ask.h"
#include "fetch/session.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "util.h"

static const char *repo_of(const struct plan_model *model)
{
	return model->model->repo;
}

/* Files */

#define LISTED_BEFORE_LOOK 4096u /* files of a list between two looks at the free space */

struct collector {
	struct session *session;
	struct plan_model *model;
	struct manifest_writer *writer; /* NULL: it is there */
	bool incomplete; /* a file without size or digest: no manifest can be made of it */
	int error;
	uint64_t listed, listed_bytes; /* files and their names, whether wanted or not */
};

static bool take_name(struct session *session, const char *path, const char **out)
{
	size_t length = strlen(path);

	session->names_bytes += length + sizeof(struct plan_file);
	if (session->names_bytes > MAX_LISTING_BYTES)
		return false;
	*out = arena_copy(session->names, path, length);
	return *out != NULL;
}

void plan_etag(const struct plan_file *file, char etag[static SHA256_HEX + 1])
{
	hex_encode(etag, file->digest, (file->kind == DIGEST_SHA256 ? SHA256_HEX : COMMIT_HEX) / 2);
}

static void set_digest(struct plan_file *file, const char *hex)
{
	file->kind = (uint8_t)digest_kind_of(hex);
	if (file->kind != DIGEST_NONE)
		(void)hex_decode(file->digest, hex, strlen(hex));
}

static bool add_file(struct plan_model *model, struct session *session,
                     const struct manifest_file *from)
{
	struct plan_file *file;

	if (model->count == model->room) {
		size_t room = model->room == 0 ? 64 : model->room * 2;

		file = room > MAX_FILES_PER_MODEL ? NULL :
		                                    realloc(model->files, room * sizeof(*file));
		if (file == NULL)
			return false;
		model->files = file;
		model->room = room;
	}
	file = &model->files[model->count];
	memset(file, 0, sizeof(*file));
	file->size = from->has_size ? from->size : UINT64_MAX;
	set_digest(file, from->sha256[0] != '\0' ? from->sha256 : from->blob_id);
	if (!take_name(session, from->path, &file->path))
		return false;
	model->count++;
	return true;
}

/* A list may name a million files that nobody wants: what it takes is no more than the volume can spare. */
static bool has_room(const struct session *session)
{
	uint64_t bytes, inodes;

	return store_free(&session->store, &bytes, &inodes) != 0 ||
	       bytes > session->settings->keep_free_bytes + LISTED_BEFORE_LOOK * 512ul;
}

static bool collect(void *context, const struct manifest_file *file)
{
	struct collector *collector = context;
	struct plan_model *model = collector->model;
	bool wanted = collector->session->job->locking || model_selects(model->model, file->path);

	if (strlen(file->path) != file->path_length ||
	    !repo_path_is_legal(file->path, file->path_length)) {
		struct text text = TEXT_OVER(model->illegal_path);

		if (!wanted) /* nor does the manifest that is written here name it */
			return true;
		model->illegal = true;
		text_add_bytes(&text, file->path, strnlen(file->path, 200));
		return false;
	}
	if (!file->has_size || file->blob_id[0] == '\0')
		collector->incomplete = true;
	collector->listed_bytes += file->path_length;
	if (++collector->listed > MAX_FILES_PER_MODEL || collector->listed_bytes > MAX_INDEX_BYTES)
		collector->error = -E2BIG;
	else if (collector->writer != NULL && !collector->incomplete)
		collector->error = collector->listed % LISTED_BEFORE_LOOK == 0 &&
		                                   !has_room(collector->session) ?
		                           -ENOSPC :
		                           manifest_writer_add(collector->writer, file);
	if (collector->error == 0 && wanted && !add_file(model, collector->session, file))
		collector->error = -E2BIG;
	return collector->error == 0;
}

/* A mirror without listings answers 404 or the like without saying what is missing. */
static bool has_no_tree(const struct failure *failure)
{
	return failure->http == 404 || failure->http == 405 || failure->http == 400 ||
	       failure->http == 501;
}

static void forget_files(struct plan_model *model)
{
	model->count = 0;
	model->illegal = false;
}

/* By the revision's own answer: with sizes and digests, or with names alone (Artifactory). */
static bool ask_siblings(const struct asked *asked, struct collector *collector,
                         struct failure *failure)
{
	static const char *const queries[] = { "?blobs=true", "" };
	struct plan_model *model = collector->model;
	char commit[COMMIT_HEX + 1];
	bool well = false;

	for (size_t i = 0; i < LENGTH_OF(queries) && !well && has_no_tree(failure); i++) {
		forget_files(model);
		well = ask_revision(asked, model->commit, queries[i], collect, collector, commit,
		                    failure);
	}
	return well && strcmp(commit, model->commit) == 0;
}

static bool fail_manifest(const struct session *session, struct failure *failure,
                          enum finding_id id, int error)
{
	struct text text = TEXT_OVER(failure->message);

	failure->id = id;
	text_addf(&text, "the manifest in %s cannot be written: %s", session->store.path,
	          volume_words(error));
	return false;
}

/* What the list itself is refused for. */
static bool fail_list(const struct session *session, const struct plan_model *model, int error,
                      struct failure *failure)
{
	struct text text = TEXT_OVER(failure->message);

	if (!model->illegal && error == -ENOSPC && session->settings->keep_free_bytes > 0) {
		failure->id = FINDING_FETCH_DISK;
		failure->broken = false;
		text_addf(
		        &text,
		        "the list of %s alone would leave less than %s free on the volume of %s (No space left for it within fetch.keep_free)",
		        repo_of(model), size_text(session->settings->keep_free_bytes).text,
		        session->store.path);
		return false;
	}
	if (!model->illegal && error != -E2BIG)
		return fail_manifest(session, failure, FINDING_FETCH_DISK, error);
	failure->id = FINDING_FETCH_PROTOCOL;
	failure->broken = false;
	if (model->illegal)
		text_addf(&text, "the list of %s names a file '%s', which no repository may have",
		          repo_of(model), model->illegal_path);
	else
		text_addf(&text, "the list of %s is longer than %u files or %lu MB", repo_of(model),
		          MAX_FILES_PER_MODEL, MAX_LISTING_BYTES >> 20);
	return false;
}

static bool list_from(struct session *session, struct plan_model *model, const struct asked *asked,
                      struct failure *failure)
{
	struct manifest_writer writer = { .directory_fd = -1 };
	struct collector collector = { .session = session, .model = model, .writer = &writer };
	int error = manifest_writer_begin(&writer, &model->repo, model->commit);
	bool well;

	if (error != 0)
		return fail_manifest(session, failure, volume_finding(error), error);
	well = ask_tree(asked, model->commit, collect, &collector, failure);
	if (!well && has_no_tree(failure) && !model->illegal && collector.error == 0) {
		/* Pages that came before the list turned out to be none are forgotten. */
		manifest_writer_cancel(&writer);
		error = manifest_writer_begin(&writer, &model->repo, model->commit);
		collector.incomplete = false;
		collector.listed = collector.listed_bytes = 0;
		well = error == 0 && ask_siblings(asked, &collector, failure);
	}
	if (well && !collector.incomplete)
		collector.error = manifest_writer_end(&writer);
	else
		manifest_writer_cancel(&writer);
	return model->illegal || collector.error != 0 ?
	               fail_list(session, model, collector.error, failure) :
	               well;
}

static bool list_from_manifest(struct session *session, struct plan_model *model)
{
	struct collector collector = { .session = session, .model = model };
	CLEANUP(cleanup_fd) int fd = repo_store_open_manifest(&model->repo, model->commit);

	if (fd < 0 || !manifest_read(fd, NULL, NULL))
		return false;
	if (manifest_read(fd, collect, &collector) && !model->illegal && collector.error == 0)
		return true;
	forget_files(model);
	return false;
}

/* What the list does not state is read from the file's own headers. */
static bool complete_file(struct session *session, struct plan_model *model, struct plan_file *file,
                          size_t index, const struct asked *asked, struct failure *failure)
{
	struct headers said;
	char url[MAX_URL_BYTES];

	(void)source_address(session, (unsigned)index + (session->settings->mirror != NULL), model,
	                     file->path, url);
	if (!ask_file(asked, url, file->path, &said, failure))
		return false;
	/* Another server's ETag may be the digest of anything, such as the content's SHA-1 (Artifactory). */
	if (said.etag_is_linked || said.commit[0] != '\0')
		set_digest(file, said.etag);
	if (file->size == UINT64_MAX)
		file->size = said.linked_size != UINT64_MAX ? said.linked_size : said.length;
	if (file->kind != DIGEST_NONE && file->size <= MAX_FETCH_BYTES)
		return true;
	ask_misfit(asked, "statement of its size and digest", failure);
	return false;
}

static bool complete_listing(struct session *session, struct plan_model *model, size_t index,
                             const struct asked *asked, struct failure *failure)
{
	for (size_t i = 0; i < model->count; i++)
		if ((model->files[i].kind == DIGEST_NONE || model->files[i].size == UINT64_MAX) &&
		    !complete_file(session, model, &model->files[i], index, asked, failure))
			return false;
	return true;
}

/* By the lock file */

static void __attribute__((format(printf, 2, 3)))
differ(struct failure *failure, const char *format, ...)
{
	struct text text;
	va_list arguments;

	if (failure == NULL)
		return;
	text = TEXT_OVER(failure->message);
	failure->id = FINDING_LOCK_DIFFERS;
	failure->broken = failure->temporary = false;
	va_start(arguments, format);
	text_addv(&text, format, arguments);
	va_end(arguments);
}

/* Whether a listed file is what the lock file says of it: by SHA-256, or by git's SHA-1 where the list has that. */
static bool is_as_locked(const struct plan_file *file, const struct lock_file *locked)
{
	if (locked->size != LOCK_NO_SIZE && file->size != locked->size)
		return false;
	if (file->kind == DIGEST_SHA256)
		return memcmp(file->digest, locked->sha256, sizeof(locked->sha256)) == 0;
	return !locked->has_git_sha1 ||
	       memcmp(file->digest, locked->git_sha1, sizeof(locked->git_sha1)) == 0;
}

/* The list says what the lock file says, as far as the policy wants it; notes what is to arrive. */
static bool fits_lock(struct plan_model *model, struct failure *failure)
{
	size_t locked = 0, met = 0;

	for (size_t i = 0; i < model->locked->count; i++)
		locked += model_selects(model->model, model->locked->files[i].path);
	for (size_t i = 0; i < model->count; i++) {
		struct plan_file *file = &model->files[i];

		file->locked = lock_find_file(model->locked, file->path);
		met += file->locked != NULL;
		if (file->locked != NULL && is_as_locked(file, file->locked))
			continue;
		differ(failure,
		       file->locked == NULL ?
		               "%s is in the list of %s at the commit %s, and not in the lock file" :
		               "%s of %s at the commit %s is not what the lock file says",
		       file->path, repo_of(model), model->commit);
		return false;
	}
	if (met < locked)
		differ(failure, "the list of %s at the commit %s lacks %zu files of the lock file",
		       repo_of(model), model->commit, locked - met);
	return met == locked;
}

/* git's name of the pointer that stands for a file in LFS (git-lfs, docs/spec.md). */
static void pointer_id(const struct lock_file *file, char out[static COMMIT_HEX + 1])
{
	char sha256[SHA256_HEX + 1], pointer[256], hex[SHA256_HEX + 1];
	struct text text = TEXT_OVER(pointer);

	hex_encode(sha256, file->sha256, sizeof(file->sha256));
	text_addf(&text, "version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %llu\n",
	          sha256, (unsigned long long)file->size);
	digest_bytes(pointer, text.length, DIGEST_GIT_SHA1, hex);
	memcpy(out, hex, COMMIT_HEX + 1);
}

static bool collect_locked(struct collector *collector, const struct lock_file *locked)
{
	struct manifest_file file = { .path = locked->path,
		                      .path_length = strlen(locked->path),
		                      .size = locked->size,
		                      .has_size = true };
	struct plan_model *model = collector->model;
	size_t count = model->count;

	if (locked->has_git_sha1)
		hex_encode(file.blob_id, locked->git_sha1, sizeof(locked->git_sha1));
	else
		pointer_id(locked, file.blob_id);
	if (!locked->has_git_sha1)
		hex_encode(file.sha256, locked->sha256, sizeof(locked->sha256));
	if (!collect(collector, &file))
		return false;
	if (model->count > count)
		model->files[count].locked = locked;
	return true;
}

/*
 * A mirror has no lists, and needs none: what is to arrive stands in the lock file. Where that has names of git's,
 * whatever has none is in LFS, and the commit's manifest can be written from it.
 */
static bool list_from_lock(struct session *session, struct plan_model *model,
                           struct failure *failure)
{
	struct manifest_writer writer = { .directory_fd = -1 };
	struct collector collector = { .session = session, .model = model };
	bool has_names = false;
	int error = 0;

	forget_files(model);
	memcpy(model->commit, model->locked->commit, sizeof(model->commit));
	for (size_t i = 0; i < model->locked->count; i++)
		has_names = has_names || model->locked->files[i].has_git_sha1;
	if (has_names && !list_from_manifest(session, model)) {
		error = manifest_writer_begin(&writer, &model->repo, model->commit);
		if (error != 0)
			return fail_manifest(session, failure, volume_finding(error), error);
		collector.writer = &writer;
	}
	forget_files(model);
	for (size_t i = 0; collector.error == 0 && i < model->locked->count; i++)
		if (!collect_locked(&collector, &model->locked->files[i]))
			break;
	if (collector.writer != NULL && collector.error == 0)
		collector.error = manifest_writer_end(&writer);
	else
		manifest_writer_cancel(&writer);
	return collector.error == 0 || fail_list(session, model, collector.error, failure);
}

/* By the endpoint of this index. */
static bool resolve_and_list(struct session *session, struct plan_model *model, size_t index,
                             struct failure *failure)
{
	const struct asked asked = { .network = &session->network,
		                     .endpoint = session->settings->endpoints[index],
		                     .repo = repo_of(model),
		                     .model = model->index,
		                     .elsewhere = session->elsewhere };
	const char *revision =
	        model->locked != NULL ? model->locked->commit : model->model->revision;
	enum want want = session->job->want[model->index];
	char aboard[COMMIT_HEX + 1] = "";
	bool online = session->job->policy->mode == MODE_ONLINE;

	forget_files(model);
	if (revision_is_commit(revision)) {
		memcpy(model->commit, revision, sizeof(model->commit));
	} else if (repo_store_ref(&model->repo, revision, aboard) && !online &&
	           !session->store.is_directory) {
		/* What was begun is completed: a newer commit would be another model. */
		model->is_aboard = true;
		memcpy(model->commit, aboard, sizeof(model->commit));
	} else if (!ask_revision(&asked, revision, "", NULL, NULL, model->commit, failure)) {
		return false;
	}
	if (want == WANT_LOOKUP && strcmp(model->commit, aboard) == 0) {
		model->unchanged = true;
		return true;
	}
	if (list_from_manifest(session, model) && (model->locked == NULL || fits_lock(model, NULL)))
		return true;
	forget_files(model);
	return list_from(session, model, &asked, failure) &&
	       complete_listing(session, model, index, &asked, failure) &&
	       (model->locked == NULL || session->job->locking || fits_lock(model, failure));
}

static void pause_for(struct session *session, uint64_t ms)
{
	uint64_t until = clock_now_ns() + ms * 1000000u;
	int left;

	while ((left = clock_left_ms(until)) > 0 && network_run(&session->network, left) >= 0)
		;
}

/* An answer that broke off is asked for again from its beginning, as often as a request is. */
static bool resolve_from(struct session *session, struct plan_model *model, size_t index,
                         struct failure *failure)
{
	for (uint64_t tries = 0;; tries++) {
		memset(failure, 0, sizeof(*failure));
		if (resolve_and_list(session, model, index, failure))
			return true;
		if (!failure->broken || !failure->temporary || tries >= session->settings->retries)
			return false;
		pause_for(session, session->settings->retry_delay_ms);
	}
}

static void fail_plan(struct session *session, struct plan_model *model,
                      const struct failure *failure)
{
	const char *message = failure->message[0] != '\0' ? failure->message : "out of memory";

	/* Somebody has squashed or force-pushed the branch. */
	if (failure->http == 404 && model->is_aboard)
		session_fail(
		        session, model, failure->id, NULL, NULL,
		        "%s; the cache's refs/%.100s names it: set mode = online for what the hub has now, or remove that file",
		        message, model->model->revision);
	else
		session_fail(session, model, failure->id, NULL, failure->fix, "%s", message);
}

/* By each source whose bit is not in `tried`; false: *hurried has a bit for those that were given up early. */
static bool list_by_any(struct session *session, struct plan_model *model, unsigned tried,
                        unsigned *hurried, struct failure *failure)
{
	unsigned first = session->settings->mirror != NULL, source;

	while ((source = source_next(session, tried)) < source_count(session)) {
		tried |= 1u << source;
		if (resolve_from(session, model, source - first, failure))
			return true;
		source_failed(session, source, failure);
		if (failure->temporary)
			*hurried |= 1u << source;
	}
	return false;
}

bool plan_model(struct session *session, struct plan_model *model)
{
	unsigned mirror = session->settings->mirror != NULL,
	         hurried = 0; /* a mirror has no lists */
	struct failure failure = { 0 };

	if (model->locked != NULL && mirror == 1 && !session->job->locking) {
		model->listed = list_from_lock(session, model, &failure);
		if (!model->listed)
			fail_plan(session, model, &failure);
		return model->listed;
	}
	/* Once each, and once none has answered, those that were not asked often enough. */
	session->elsewhere = session->settings->endpoint_count > 1;
	model->listed = list_by_any(session, model, mirror, &hurried, &failure);
	if (!model->listed && session->elsewhere && hurried != 0) {
		session->elsewhere = false;
		model->listed = list_by_any(session, model, ~hurried, &hurried, &failure);
	}
	if (!model->listed)
		fail_plan(session, model, &failure);
	return model->listed;
}

bool plan_same_content(const struct plan_file *a, const struct plan_file *b)
{
	return a->kind == b->kind && memcmp(a->digest, b->digest, sizeof(a->digest)) == 0;
}

static int by_digest(const void *a, const void *b)
{
	const struct plan_file *left = a, *right = b;
	int order = memcmp(left->digest, right->digest, sizeof(left->digest));

	return order != 0 ? order : strcmp(left->path, right->path);
}

void plan_sort(struct plan_model *model)
{
	if (model->count > 1)
		qsort(model->files, model->count, sizeof(model->files[0]), by_digest);
}

static int by_folded_name(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

bool plan_names_differ(struct session *session, struct plan_model *model)
{
	const char **names = calloc(model->count + 1, sizeof(*names)); /* at least one */
	bool differ = true;

	for (size_t i = 0; names != NULL && i < model->count; i++)
		names[i] = model->files[i].path;
	if (names != NULL)
		qsort(names, model->count, sizeof(*names), by_folded_name);
	for (size_t i = 1; names != NULL && differ && i < model->count; i++)
		if (strcasecmp(names[i - 1], names[i]) == 0) {
			differ = false;
			session_fail(
			        session, model, FINDING_FETCH_DISK, names[i],
			        "leave one of the two out by 'exclude', or use a volume that tells case apart",
			        "the volume of %s ignores case, and the repository has both %.200s and %.200s",
			        session->store.path, names[i - 1], names[i]);
		}
	free(names);
	return differ;
}

static int by_size(const void *a, const void *b)
{
	const struct plan_file *left = a, *right = b;

	if (left->size != right->size)
		return left->size > right->size ? -1 : 1;
	return strcmp(left->path, right->path);
}

static enum file_state state_of(const struct plan_model *model, const struct plan_file *file)
{
	char etag[SHA256_HEX + 1];

	/* Neither a name nor a list proves what the lock file states as a SHA-256. */
	bool unproven = file->locked != NULL && file->kind != DIGEST_SHA256;

	plan_etag(file, etag);
	if (repo_store_has(&model->repo, etag, file->size))
		return model->damaged || unproven ? FILE_DOUBTED : FILE_THERE;
	if (!repo_store_has_file(&model->repo, model->commit, file->path, file->size))
		return FILE_WANTED;
	/* A real file in the place of a link says nothing of its digest; a plain directory's metadata does. */
	if (model->damaged || unproven ||
	    (model->repo.store->is_directory &&
	     !repo_store_metadata_fits(&model->repo, file->path, etag)))
		return FILE_DOUBTED;
	return FILE_PLACED;
}

uint64_t plan_add_bytes(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void plan_compare(const struct session *session, struct plan_model *model)
{
	plan_sort(model);
	for (size_t i = 0; i < model->count; i++) {
		struct plan_file *file = &model->files[i], *before = i == 0 ? NULL : file - 1;

		if (session->job->locking && file->kind == DIGEST_SHA256)
			file->state = FILE_STATED;
		else if (before != NULL && before->state != FILE_PLACED &&
		         plan_same_content(before, file))
			file->state = FILE_SAME;
		else
			file->state = (uint8_t)state_of(model, file);
		if (file->state == FILE_WANTED || file->state == FILE_DOUBTED)
			model->left++;
		if (file->state == FILE_WANTED) {
			model->wanted_files++;
			model->wanted_bytes = plan_add_bytes(model->wanted_bytes, file->size);
		}
	}
	if (model->count > 1)
		qsort(model->files, model->count, sizeof(model->files[0]), by_size);
}
