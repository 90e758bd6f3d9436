/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be fetched: a revision's commit, its files with sizes and digests, and which of them are there. */
#include <string.h>

#include "base/glob.h"
#include "base/scan.h"
#include "fetch/hub/listing.h"
#include "fetch/work.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "util.h"

/* Addresses */

static bool is_typed(const char *repo)
{
	return strncmp(repo, "datasets/", 9) == 0 || strncmp(repo, "spaces/", 7) == 0;
}

static const char *repo_of(const struct plan_model *model)
{
	return model->model->repo;
}

unsigned source_count(const struct work *work)
{
	return (unsigned)work->settings->endpoint_count + (work->settings->mirror != NULL);
}

/* {repo}, {commit} and {path} of a mirror's template. */
static void add_template(struct text *text, const char *template, const struct plan_model *model,
                         const char *path)
{
	while (*template != '\0') {
		if (strncmp(template, "{repo}", 6) == 0) {
			text_add(text, repo_of(model));
			template += 6;
		} else if (strncmp(template, "{commit}", 8) == 0) {
			text_add(text, model->commit);
			template += 8;
		} else if (strncmp(template, "{path}", 6) == 0) {
			url_add_encoded(text, path, true);
			template += 6;
		} else {
			text_add_bytes(text, template ++, 1);
		}
	}
}

/* Returns the endpoint, whose server may see the token; NULL for a mirror. */
const char *source_address(const struct work *work, unsigned source, const struct plan_model *model,
                           const char *path, char out[static MAX_URL_BYTES])
{
	struct text text = text_over(out, MAX_URL_BYTES);
	const char *endpoint = NULL;

	if (work->settings->mirror != NULL && source == 0) {
		add_template(&text, work->settings->mirror, model, path);
	} else {
		endpoint = work->settings->endpoints[source - (work->settings->mirror != NULL)];
		text_addf(&text, "%s/%s/resolve/%s/", endpoint, repo_of(model), model->commit);
		url_add_encoded(&text, path, true);
	}
	if (text.cut)
		out[0] = '\0';
	return endpoint;
}

static void api_address(const char *endpoint, const char *repo, const char *what,
                        const char *revision, const char *query, char out[static MAX_URL_BYTES])
{
	struct text text = text_over(out, MAX_URL_BYTES);

	text_addf(&text, "%s/api/%s%s/%s/", endpoint, is_typed(repo) ? "" : "models/", repo, what);
	url_add_encoded(&text, revision, false);
	text_add(&text, query);
	if (text.cut)
		out[0] = '\0';
}

/* Files */

struct collector {
	struct work *work;
	struct plan_model *model;
	struct manifest_writer *writer; /* NULL: it is there */
	bool incomplete; /* a file without size or digest: no manifest can be made of it */
	int error;
};

static bool take_name(struct work *work, const char *path, const char **out)
{
	size_t length = strlen(path);

	work->names_bytes += length + sizeof(struct plan_file);
	if (work->names_bytes > MAX_LISTING_BYTES)
		return false;
	*out = arena_copy(work->names, path, length);
	return *out != NULL;
}

static void from_hex(unsigned char *out, const char *hex)
{
	for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
		unsigned high = (unsigned)(hex[0] <= '9' ? hex[0] - '0' : hex[0] - 'a' + 10);
		unsigned low = (unsigned)(hex[1] <= '9' ? hex[1] - '0' : hex[1] - 'a' + 10);

		*out++ = (unsigned char)(high << 4 | low);
	}
}

void plan_etag(const struct plan_file *file, char etag[static SHA256_HEX + 1])
{
	hex_encode(etag, file->digest, (file->kind == DIGEST_SHA256 ? SHA256_HEX : COMMIT_HEX) / 2);
}

static void set_digest(struct plan_file *file, const char *hex)
{
	file->kind = (uint8_t)digest_kind_of(hex);
	if (file->kind != DIGEST_NONE)
		from_hex(file->digest, hex);
}

static bool add_file(struct plan_model *model, struct work *work, const struct manifest_file *from)
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
	if (!take_name(work, from->path, &file->path))
		return false;
	model->count++;
	return true;
}

static bool collect(void *context, const struct manifest_file *file)
{
	struct collector *collector = context;
	struct plan_model *model = collector->model;
	const struct list *files = &model->model->files;

	if (strlen(file->path) != file->path_length ||
	    !repo_path_is_legal(file->path, file->path_length)) {
		struct text text = TEXT_OVER(model->illegal_path);

		model->illegal = true;
		text_add_bytes(&text, file->path, strnlen(file->path, 200));
		return false;
	}
	if (!file->has_size || file->blob_id[0] == '\0')
		collector->incomplete = true;
	if (collector->writer != NULL && !collector->incomplete)
		collector->error = manifest_writer_add(collector->writer, file);
	if (collector->error == 0 && (files->count == 0 || glob_any(files, file->path)) &&
	    !glob_any(&model->model->exclude, file->path) &&
	    !add_file(model, collector->work, file))
		collector->error = -E2BIG;
	return collector->error == 0;
}

/* One question to the hub, and its answer */

struct question {
	struct request request;
	bool over, well;
	bool (*feed)(struct question *question, const void *bytes, size_t length);
	void *parser;
	char next[MAX_URL_BYTES];
};

static bool on_answer(struct request *request, const void *bytes, size_t length)
{
	struct question *question = request->context;

	/* What does not parse any more is not read any further. */
	return question->feed == NULL || question->feed(question, bytes, length);
}

static void on_answered(struct request *request, bool well)
{
	struct question *question = request->context;

	question->over = true;
	question->well = well;
}

/* The answer is parsed from its first byte, so a try that broke off must not be gone on with. */
static enum next_step no_second_start(struct request *request)
{
	request->failure.broken = request->received > 0;
	return request->failure.broken ? STEP_GIVE_UP : STEP_GO;
}

static bool ask(struct work *work, struct question *question, const char *endpoint, const char *url)
{
	struct request *request = &question->request;

	request->context = question;
	request->few_tries = work->elsewhere;
	request->limit = MAX_API_BYTES;
	request->prepare = no_second_start;
	request->body = on_answer;
	request->done = on_answered;
	question->over = question->well = false;
	request_start(&work->network, request, endpoint, url);
	while (!question->over)
		if (network_run(&work->network, 1000) < 0)
			return false;
	return question->well;
}

static bool feed_info(struct question *question, const void *bytes, size_t length)
{
	struct revision_info *info = question->parser;

	return json_feed(&info->json, bytes, length) || info->stopped;
}

static bool feed_tree(struct question *question, const void *bytes, size_t length)
{
	struct tree_page *page = question->parser;

	return json_feed(&page->json, bytes, length) || page->stopped;
}

static struct question *new_question(const char *what, const struct plan_model *model,
                                     const char *revision)
{
	struct question *question = calloc(1, sizeof(*question));
	struct text text;

	if (question == NULL)
		return NULL;
	text = TEXT_OVER(question->request.what);
	text_addf(&text, "%s %.60s of %.80s", what, revision, repo_of(model));
	return question;
}

static void free_question(struct question *question)
{
	if (question != NULL)
		request_release(&question->request);
	free(question);
}

static void keep_failure(struct failure *failure, const struct question *question, const char *what,
                         const struct plan_model *model)
{
	struct text text;

	*failure = question->request.failure;
	if (failure->broken || (!question->well && !question->request.refused))
		return;
	/* It came, and is not what was asked for. */
	failure->id = FINDING_FETCH_PROTOCOL;
	failure->http = 0;
	text = TEXT_OVER(failure->message);
	text_addf(&text, "%s: the answer about %s is no %s", question->request.server.host,
	          repo_of(model), what);
}

/* The commit of a branch or tag; with `collector`, the files too, and with the query their sizes and digests. */
static bool ask_revision(struct work *work, struct plan_model *model, const char *endpoint,
                         const char *revision, const char *query, struct collector *collector,
                         struct failure *failure)
{
	struct question *question = new_question("revision", model, revision);
	struct revision_info *info = calloc(1, sizeof(*info));
	char url[MAX_URL_BYTES];
	bool well = false;

	if (question == NULL || info == NULL)
		goto out;
	api_address(endpoint, repo_of(model), "revision", revision, query, url);
	revision_info_begin(info, collector != NULL ? collect : NULL, collector);
	question->feed = feed_info;
	question->parser = info;
	well = ask(work, question, endpoint, url);
	if (!revision_info_end(info))
		well = false;
	if (well)
		memcpy(model->commit, info->commit, sizeof(model->commit));
	else
		keep_failure(failure, question, "revision with a commit", model);
out:
	free_question(question);
	free(info);
	return well;
}

/* A page's successor lies on the endpoint, whatever server the hub calls itself. */
static bool next_page(const struct question *question, const char *endpoint,
                      char out[static MAX_URL_BYTES])
{
	const char *next = question->request.headers.next;
	struct text text = text_over(out, MAX_URL_BYTES);
	struct url from, own;

	if (next[0] == '\0')
		return false;
	if (url_parse(next, &from) && url_parse(endpoint, &own) && !url_same_server(&from, &own)) {
		const char *path = strstr(next, "/api/");

		text_addf(&text, "%s%s", endpoint, path == NULL ? "" : path);
	} else if (!url_resolve(question->request.url, next, out)) {
		return false;
	}
	return out[0] != '\0';
}

static bool ask_tree(struct work *work, struct plan_model *model, const char *endpoint,
                     struct collector *collector, struct failure *failure)
{
	struct question *question = new_question("files at", model, model->commit);
	struct tree_page *page = calloc(1, sizeof(*page));
	char url[MAX_URL_BYTES];
	bool well = question != NULL && page != NULL, repeats = false;

	api_address(endpoint, repo_of(model), "tree", model->commit, "?recursive=true&expand=false",
	            url);
	for (unsigned pages = 0; well; pages++) {
		tree_page_begin(page, collect, collector);
		question->feed = feed_tree;
		question->parser = page;
		well = ask(work, question, endpoint, url);
		if (!tree_page_end(page) || pages >= MAX_LISTING_PAGES)
			well = false;
		if (!well || !next_page(question, endpoint, url))
			break;
		repeats = strcmp(url, question->request.start) == 0;
		well = !repeats;
	}
	if (!well && question != NULL)
		keep_failure(failure, question, "list of files", model);
	if (repeats) /* mirrors that know no cursor (olah 0.5.4): there is no list by pages */
		failure->http = 404;
	free_question(question);
	free(page);
	return well;
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
static bool ask_siblings(struct work *work, struct plan_model *model, const char *endpoint,
                         struct collector *collector, struct failure *failure)
{
	static const char *const queries[] = { "?blobs=true", "" };
	char commit[COMMIT_HEX + 1];
	bool well = false;

	memcpy(commit, model->commit, sizeof(commit));
	for (size_t i = 0; i < LENGTH_OF(queries) && !well && has_no_tree(failure); i++) {
		forget_files(model);
		well = ask_revision(work, model, endpoint, commit, queries[i], collector, failure);
	}
	return well && strcmp(commit, model->commit) == 0;
}

static bool fail_manifest(const struct work *work, struct failure *failure, enum finding_id id,
                          int error)
{
	struct text text = TEXT_OVER(failure->message);

	failure->id = id;
	text_addf(&text, "the manifest in %s cannot be written: %s", work->store.path,
	          volume_words(error));
	return false;
}

/* What the list itself is refused for. */
static bool fail_list(const struct work *work, const struct plan_model *model, int error,
                      struct failure *failure)
{
	struct text text = TEXT_OVER(failure->message);

	if (!model->illegal && error != -E2BIG)
		return fail_manifest(work, failure, FINDING_FETCH_DISK, error);
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

static bool list_from(struct work *work, struct plan_model *model, const char *endpoint,
                      struct failure *failure)
{
	struct manifest_writer writer = { .directory_fd = -1 };
	struct collector collector = { .work = work, .model = model, .writer = &writer };
	int error = manifest_writer_begin(&writer, &model->repo, model->commit);
	bool well;

	if (error != 0)
		return fail_manifest(work, failure,
		                     error == -ENOSPC || error == -EDQUOT ? FINDING_FETCH_DISK :
		                                                            FINDING_FETCH_FOLDER,
		                     error);
	well = ask_tree(work, model, endpoint, &collector, failure);
	if (!well && has_no_tree(failure) && !model->illegal && collector.error == 0) {
		/* Pages that came before the list turned out to be none are forgotten. */
		manifest_writer_cancel(&writer);
		error = manifest_writer_begin(&writer, &model->repo, model->commit);
		collector.incomplete = false;
		well = error == 0 && ask_siblings(work, model, endpoint, &collector, failure);
	}
	if (well && !collector.incomplete)
		collector.error = manifest_writer_end(&writer);
	else
		manifest_writer_cancel(&writer);
	return model->illegal || collector.error != 0 ?
	               fail_list(work, model, collector.error, failure) :
	               well;
}

static bool list_from_manifest(struct work *work, struct plan_model *model)
{
	struct collector collector = { .work = work, .model = model };
	CLEANUP(cleanup_fd) int fd = repo_store_open_manifest(&model->repo, model->commit);

	if (fd < 0 || !manifest_read(fd, NULL, NULL))
		return false;
	if (manifest_read(fd, collect, &collector) && !model->illegal && collector.error == 0)
		return true;
	forget_files(model);
	return false;
}

/* What the hub did not state is read from a file's own headers. */
static bool on_nothing(struct request *request, const void *bytes, size_t length)
{
	(void)bytes;
	(void)length;
	(void)request;
	return true;
}

static bool ask_file(struct work *work, struct plan_model *model, struct plan_file *file,
                     size_t index, struct failure *failure)
{
	struct question *question = new_question("file", model, file->path);
	const struct headers *headers;
	const char *endpoint;
	char url[MAX_URL_BYTES];
	bool well;

	if (question == NULL)
		return false;
	endpoint = source_address(work, (unsigned)index + (work->settings->mirror != NULL), model,
	                          file->path, url);
	question->request.head = true;
	question->request.body = on_nothing;
	well = ask(work, question, endpoint, url);
	headers = &question->request.hub;
	if (well && headers->etag[0] != '\0')
		set_digest(file, headers->etag);
	if (well && file->size == UINT64_MAX)
		file->size =
		        headers->linked_size != UINT64_MAX ? headers->linked_size : headers->length;
	if (file->kind == DIGEST_NONE || file->size > MAX_FETCH_BYTES) {
		keep_failure(failure, question, "statement of its size and digest", model);
		well = false;
	}
	free_question(question);
	return well;
}

static bool complete_listing(struct work *work, struct plan_model *model, size_t index,
                             struct failure *failure)
{
	for (size_t i = 0; i < model->count; i++)
		if ((model->files[i].kind == DIGEST_NONE || model->files[i].size == UINT64_MAX) &&
		    !ask_file(work, model, &model->files[i], index, failure))
			return false;
	return true;
}

/* By the endpoint of this index. */
static bool resolve_and_list(struct work *work, struct plan_model *model, size_t index,
                             struct failure *failure)
{
	const char *endpoint = work->settings->endpoints[index];
	const char *revision = model->model->revision;
	enum want want = work->job->want[model->index];
	char aboard[COMMIT_HEX + 1] = "";
	bool online = work->job->policy->mode == MODE_ONLINE;

	forget_files(model);
	if (revision_is_commit(revision)) {
		memcpy(model->commit, revision, sizeof(model->commit));
	} else if (repo_store_ref(&model->repo, revision, aboard) && !online &&
	           !work->store.is_directory) {
		/* What was begun is completed: a newer commit would be another model. */
		model->is_aboard = true;
		memcpy(model->commit, aboard, sizeof(model->commit));
	} else if (!ask_revision(work, model, endpoint, revision, "", NULL, failure)) {
		return false;
	}
	if (want == WANT_LOOKUP && strcmp(model->commit, aboard) == 0) {
		model->unchanged = true;
		return true;
	}
	if (list_from_manifest(work, model))
		return true;
	return list_from(work, model, endpoint, failure) &&
	       complete_listing(work, model, index, failure);
}

static void pause_for(struct work *work, uint64_t ms)
{
	uint64_t until = clock_now_ns() + ms * 1000000u;
	int left;

	while ((left = clock_left_ms(until)) > 0 && network_run(&work->network, left) >= 0)
		;
}

/* An answer that broke off is asked for again from its beginning, as often as a request is. */
static bool resolve_from(struct work *work, struct plan_model *model, size_t index,
                         struct failure *failure)
{
	for (uint64_t tries = 0;; tries++) {
		memset(failure, 0, sizeof(*failure));
		if (resolve_and_list(work, model, index, failure))
			return true;
		if (!failure->broken || !failure->temporary || tries >= work->settings->retries)
			return false;
		pause_for(work, work->settings->retry_delay_ms);
	}
}

/* Whoever did not answer is asked after the others from here on, by other models and files, too. */
void source_failed(struct work *work, unsigned source, const struct failure *failure)
{
	if (failure->http == 0 && failure->temporary && !failure->broken)
		work->silent |= 1u << source;
}

unsigned source_next(const struct work *work, unsigned tried)
{
	unsigned count = source_count(work);

	for (unsigned silent = 0; silent < 2; silent++)
		for (unsigned source = 0; source < count; source++)
			if ((tried >> source & 1) == 0 && (work->silent >> source & 1) == silent)
				return source;
	return count;
}

static void fail_plan(struct work *work, struct plan_model *model, const struct failure *failure)
{
	const char *message = failure->message[0] != '\0' ? failure->message : "out of memory";

	/* Somebody has squashed or force-pushed the branch. */
	if (failure->http == 404 && model->is_aboard)
		fetch_fail(
		        work, model, failure->id, NULL,
		        "%s; the cache's refs/%.100s names it: set mode = online for what the hub has now, or remove that file",
		        message, model->model->revision);
	else
		fetch_fail(work, model, failure->id, NULL, "%s", message);
}

/* By each source whose bit is not in `tried`; false: *hurried has a bit for those that were given up early. */
static bool list_by_any(struct work *work, struct plan_model *model, unsigned tried,
                        unsigned *hurried, struct failure *failure)
{
	unsigned first = work->settings->mirror != NULL, source;

	while ((source = source_next(work, tried)) < source_count(work)) {
		tried |= 1u << source;
		if (resolve_from(work, model, source - first, failure))
			return true;
		source_failed(work, source, failure);
		if (failure->http == 0 && failure->temporary)
			*hurried |= 1u << source;
	}
	return false;
}

bool plan_model(struct work *work, struct plan_model *model)
{
	unsigned mirror = work->settings->mirror != NULL, hurried = 0; /* a mirror has no lists */
	struct failure failure = { 0 };

	/* Once each, and once none has answered, those that were not asked often enough. */
	work->elsewhere = work->settings->endpoint_count > 1;
	model->listed = list_by_any(work, model, mirror, &hurried, &failure);
	if (!model->listed && work->elsewhere && hurried != 0) {
		work->elsewhere = false;
		model->listed = list_by_any(work, model, ~hurried, &hurried, &failure);
	}
	if (!model->listed)
		fail_plan(work, model, &failure);
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

	plan_etag(file, etag);
	if (repo_store_has(&model->repo, etag, file->size))
		return model->damaged ? FILE_DOUBTED : FILE_THERE;
	if (!repo_store_has_file(&model->repo, model->commit, file->path, file->size))
		return FILE_WANTED;
	/* A real file in the place of a link says nothing of its digest; a plain directory's metadata does. */
	if (model->damaged || (model->repo.store->is_directory &&
	                       !repo_store_metadata_fits(&model->repo, file->path, etag)))
		return FILE_DOUBTED;
	return FILE_PLACED;
}

void plan_compare(struct plan_model *model)
{
	plan_sort(model);
	for (size_t i = 0; i < model->count; i++) {
		struct plan_file *file = &model->files[i], *before = i == 0 ? NULL : file - 1;

		if (before != NULL && before->state != FILE_PLACED &&
		    plan_same_content(before, file))
			file->state = FILE_SAME;
		else
			file->state = (uint8_t)state_of(model, file);
		if (file->state == FILE_WANTED || file->state == FILE_DOUBTED)
			model->left++;
		if (file->state == FILE_WANTED) {
			model->wanted_files++;
			model->wanted_bytes += file->size;
		}
	}
	if (model->count > 1)
		qsort(model->files, model->count, sizeof(model->files[0]), by_size);
}
