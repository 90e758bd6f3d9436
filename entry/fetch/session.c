/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/session.h"

#include <string.h>

#include "engine/findings.h"
#include "fetch/http/url.h"
#include "system/cgroup.h"
#include "util.h"

/* Beside those that are on their way: files that are being hashed, or wait for the disk or a lock. */
#define FILES_AT_ONCE 32u

static void send_record(struct session *session, struct record *record)
{
	record->magic = RECORD_MAGIC;
	(void)session->job->send(session->job->send_context, record);
}

static void tell_retry(void *context, const struct request *request, uint64_t wait_ns)
{
	struct session *session = context;
	struct record record = { .type = RECORD_FETCH_RETRY,
		                 .model = request->model,
		                 .files = request->attempts + 1,
		                 .bytes = wait_ns / 1000000u };
	struct text path = TEXT_OVER(record.path), why = TEXT_OVER(record.message);

	text_add(&path, request->what);
	text_add(&why, request->failure.message);
	send_record(session, &record);
}

static void wake(void *network)
{
	network_wake(network);
}

void session_init(struct session *session, const struct fetch_job *job, const struct store *store)
{
	memset(session, 0, sizeof(*session));
	session->job = job;
	session->settings = job->settings;
	session->store = *store;
}

int session_begin(struct session *session)
{
	const struct fetch_job *job = session->job;
	unsigned cores = cores_allowed();
	int error = store_prepare(&session->store);
	if (error != 0)
		return error;
	session->names = arena_new();
	session->models = calloc(job->policy->model_count + 1, sizeof(*session->models));
	session->parts = calloc(session->settings->connections, sizeof(*session->parts));
	session->parts_allowed = session->settings->connections;
	session->download_count = session->settings->connections + FILES_AT_ONCE;
	session->downloads = calloc(session->download_count, sizeof(*session->downloads));
	if (session->names == NULL || session->models == NULL || session->parts == NULL ||
	    session->downloads == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < session->settings->connections; i++) {
		session->parts[i].buffer = malloc(WRITE_BYTES);
		if (session->parts[i].buffer == NULL)
			return -ENOMEM;
	}
	for (size_t i = 0; i < session->download_count; i++) {
		session->downloads[i].lock_fd = -1;
		session->downloads[i].partial = PARTIAL_INIT;
	}
	error = network_init(&session->network, session->settings);
	session->network.retrying = tell_retry;
	session->network.retrying_context = session;
	if (error == 0)
		error = writer_init(&session->writer, wake, &session->network);
	if (error == 0)
		error = hasher_init(&session->hasher, cores + 2, wake, &session->network);
	return error;
}

void session_release(struct session *session)
{
	if (session->downloads != NULL)
		downloads_release(session);
	writer_release(&session->writer);
	if (session->hasher.thread_count > 0)
		hasher_release(&session->hasher);
	for (size_t i = 0; i < session->model_count; i++) {
		repo_store_release(&session->models[i].repo);
		free(session->models[i].files);
	}
	network_release(&session->network);
	store_release(&session->store);
	arena_free(session->names);
	free(session->models);
	free(session->parts);
	free(session->downloads);
}

enum finding_id volume_finding(int error)
{
	return volume_refuses(error) ? FINDING_FETCH_FOLDER : FINDING_FETCH_DISK;
}

/* Records */

static void __attribute__((format(printf, 6, 0)))
send_finding(struct session *session, const struct plan_model *model, enum finding_id id,
             const char *path, const char *fix, const char *format, va_list arguments)
{
	struct record record;

	finding_make(&record, id, model == NULL ? NULL : model->model,
	             model == NULL ? 0 : model->index,
	             (struct report_at){ .path = path, .fix = fix }, format, arguments);
	send_record(session, &record);
}

void session_fail(struct session *session, struct plan_model *model, enum finding_id id,
                  const char *path, const char *fix, const char *format, ...)
{
	va_list arguments;

	model->failed = true;
	/* What is aboard is complete: that there may be something newer refuses nothing. */
	if (session->job->want[model->index] == WANT_LOOKUP)
		id = FINDING_FETCH_LOOKUP;
	va_start(arguments, format);
	send_finding(session, model, id, path, fix, format, arguments);
	va_end(arguments);
}

void session_note(struct session *session, enum finding_id id, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_finding(session, NULL, id, session->store.path, NULL, format, arguments);
	va_end(arguments);
}

void session_tell_file(struct session *session, const struct download *download, uint64_t arrived)
{
	struct record record = { .type = RECORD_FETCH_FILE,
		                 .model = download->model->index,
		                 .files = arrived,
		                 .bytes = download->file->size };
	struct text path = TEXT_OVER(record.path);

	text_add(&path, download->file->path);
	text_mark_cut(&path);
	send_record(session, &record);
}

void session_tell_model(struct session *session, const struct plan_model *model,
                        enum record_type type)
{
	struct record record = { .type = (uint16_t)type, .model = model->index };
	struct text path = TEXT_OVER(record.path);
	bool begins = type == RECORD_FETCH_MODEL;

	record.files = begins ? model->wanted_files : model->fetched_files;
	record.bytes = begins ? model->wanted_bytes : model->fetched_bytes;
	text_add(&path, model->model->repo);
	memcpy(record.commit, model->commit, sizeof(model->commit));
	send_record(session, &record);
}

/* Sources */

unsigned source_count(const struct session *session)
{
	return (unsigned)session->settings->endpoint_count + (session->settings->mirror != NULL);
}

/* {repo}, {commit} and {path} of a mirror's template. */
static void add_template(struct text *text, const char *template, const struct plan_model *model,
                         const char *path)
{
	while (*template != '\0') {
		if (strncmp(template, "{repo}", 6) == 0) {
			text_add(text, model->model->repo);
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
const char *source_address(const struct session *session, unsigned source,
                           const struct plan_model *model, const char *path,
                           char out[static MAX_URL_BYTES])
{
	struct text text = text_over(out, MAX_URL_BYTES);
	const char *endpoint = NULL;

	if (session->settings->mirror != NULL && source == 0) {
		add_template(&text, session->settings->mirror, model, path);
	} else {
		endpoint =
		        session->settings->endpoints[source - (session->settings->mirror != NULL)];
		text_addf(&text, "%s/%s/resolve/%s/", endpoint, model->model->repo, model->commit);
		url_add_encoded(&text, path, true);
	}
	if (text.cut)
		out[0] = '\0';
	return endpoint;
}

/* Whoever did not answer is asked after the others from here on, by other models and files, too. */
void source_failed(struct session *session, unsigned source, const struct failure *failure)
{
	if (failure->temporary && !failure->broken)
		session->silent |= 1u << source;
}

unsigned source_next(const struct session *session, unsigned tried)
{
	unsigned count = source_count(session);

	for (unsigned silent = 0; silent < 2; silent++)
		for (unsigned source = 0; source < count; source++)
			if ((tried >> source & 1) == 0 && (session->silent >> source & 1) == silent)
				return source;
	return count;
}
