/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is fetched in one go: the models of one place, their files, and the transfers that are under way. plan.c fills
 * it from manifests and the hub's listings, download.c brings file by file, fetch.c puts them into their places.
 */
#ifndef AWEIGH_SESSION_H
#define AWEIGH_SESSION_H

#include "base/arena.h"
#include "fetch/download.h"
#include "fetch/fetch.h"
#include "fetch/http/request.h"
#include "fetch/part.h"
#include "fetch/plan.h"
#include "fetch/store/store.h"
#include "fetch/threads/hasher.h"
#include "fetch/threads/writer.h"

struct session {
	const struct fetch_job *job;
	const struct fetch_settings *settings;
	struct network network;
	struct hasher hasher;
	struct writer writer;
	struct store store;
	struct arena *names;
	size_t names_bytes;
	struct plan_model *models;
	size_t model_count;
	struct part *parts; /* as many as connections */
	size_t parts_allowed; /* at once: fewer than connections where the server does not take more */
	size_t parts_ended_well;
	struct download *downloads;
	size_t download_count;
	bool full; /* the volume is: nothing more is begun */
	bool elsewhere; /* another endpoint can be asked what this one does not answer */
	unsigned silent; /* a bit for each source that did not answer: asked last */
};

/* Takes the store over. Then session_begin(): threads and network; 0 or a negative errno. Release it in either case. */
void session_init(struct session *session, const struct fetch_job *job, const struct store *store);
int session_begin(struct session *session);
void session_release(struct session *session);

/* What is said of a volume that answers with this negative errno: FETCH_FOLDER where it refuses, else FETCH_DISK. */
enum finding_id volume_finding(int error);

/* Records to the gate. */
void session_fail(struct session *session, struct plan_model *model, enum finding_id id,
                  const char *path, const char *fix, const char *format, ...)
        __attribute__((format(printf, 6, 7)));
void session_note(struct session *session, enum finding_id id, const char *format, ...)
        __attribute__((format(printf, 3, 4)));
void session_tell_file(struct session *session, const struct download *download, uint64_t arrived);
void session_tell_model(struct session *session, const struct plan_model *model,
                        enum record_type type);

/* Sources: the endpoints in their order, a mirror before them for contents. */
unsigned source_count(const struct session *session);
/* The address of a file. Returns the endpoint, whose server may see the token; NULL for a mirror. */
const char *source_address(const struct session *session, unsigned source,
                           const struct plan_model *model, const char *path,
                           char out[static MAX_URL_BYTES]);
/* Whoever does not answer is asked last from then on. */
void source_failed(struct session *session, unsigned source, const struct failure *failure);
/* The next to ask of those whose bit is not in `tried`: who answers before who did not; source_count(): none. */
unsigned source_next(const struct session *session, unsigned tried);

#endif
