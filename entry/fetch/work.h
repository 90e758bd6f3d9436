/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is fetched in one go: the models of one place, their files, and the transfers that are under
 * way. plan.c fills it from manifests and the hub's listings, download.c brings file by file, fetch.c
 * puts them into their places.
 */
#ifndef AWEIGH_WORK_H
#define AWEIGH_WORK_H

#include "base/arena.h"
#include "fetch/fetch.h"
#include "fetch/http/request.h"
#include "fetch/store/partial.h"
#include "fetch/store/store.h"
#include "fetch/threads/hasher.h"
#include "fetch/threads/writer.h"
#include "hub/digest.h"

enum file_state {
	FILE_WANTED,
	FILE_DOUBTED, /* there, but the model is damaged: hashed before it is believed */
	FILE_SAME, /* another file of the model has the same content */
	FILE_COMING,
	FILE_THERE, /* the blob is */
	FILE_PLACED, /* a real file in the snapshot or directory is */
};

struct plan_file {
	const char *path;
	uint64_t size;
	unsigned char digest[SHA256_HEX / 2];
	uint8_t kind; /* enum digest_kind; NONE: the hub did not say */
	uint8_t state; /* enum file_state */
};

struct plan_model {
	const struct model *model;
	int index; /* in the policy */
	bool damaged, failed, listed, unchanged;
	bool is_aboard; /* the commit is that of the ref in the cache */
	struct repo_store repo;
	char commit[COMMIT_HEX + 1];
	struct plan_file *files;
	size_t count, room, next; /* next: the first that was not started */
	size_t left; /* files that are not there yet */
	uint64_t wanted_bytes, fetched_bytes,
	        kept_bytes; /* kept: of partial files, on the disk already */
	size_t wanted_files, fetched_files;
	bool illegal; /* the listing has a name that no repository may have */
	char illegal_path[256];
};

struct download;
/* A request for a part of a file. */
struct part {
	struct request request;
	struct download *download; /* NULL: free */
	uint64_t at, end; /* of the file; `at` has not arrived yet */
	unsigned char *
	        buffer; /* WRITE_BYTES; the last `buffered` bytes before `at` are not written yet */
	size_t buffered;
	unsigned source;
	bool alone; /* begun when no other was allowed beside it */
	bool hurried; /* begun beside others: given up early, to be gone on with later */
	bool used_address; /* went straight to where an earlier part was sent */
};

enum phase { PHASE_FREE, PHASE_LOCK, PHASE_VERIFY, PHASE_FETCH };

struct download {
	enum phase phase;
	struct plan_model *model;
	struct plan_file *file;
	char etag[SHA256_HEX + 1];
	int lock_fd;
	struct partial partial;
	struct hash_job job;
	struct work *work;
	size_t unwritten; /* pieces that the writer has */
	bool sealed; /* whole: the hasher has the descriptor, and nobody can write */
	int write_error; /* the first one; a negative errno */
	unsigned tried,
	        hurried; /* a bit for each source: begun with; given up early, as others were there */
	bool patient; /* no other is left: each is asked as often as the policy says */
	unsigned parts, source, damaged, refreshed, shorts, restarts;
	bool ranges; /* the server gives parts */
	bool single; /* one connection at a time: it does not, or not to several */
	bool restart; /* it does not: from the first byte again, without asking for a part */
	char address[MAX_URL_BYTES]; /* where the bytes are, once the endpoint has said so */
	uint64_t lock_due_ns, told_ns;
};

struct work {
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

/* Whoever does not answer is asked last from then on. */
void source_failed(struct work *work, unsigned source, const struct failure *failure);
/* The next to ask of those whose bit is not in `tried`: who answers before who did not; source_count(): none. */
unsigned source_next(const struct work *work, unsigned tried);
/* plan.c: commit and files of a model; false: model->failed, and a finding was sent. */
bool plan_model(struct work *work, struct plan_model *model);
/* Looks what is there already. */
void plan_compare(struct plan_model *model);
void plan_etag(const struct plan_file *file, char etag[static SHA256_HEX + 1]);
bool plan_same_content(const struct plan_file *a, const struct plan_file *b);
/* By digest: files of the same content stand together. */
void plan_sort(struct plan_model *model);

/* download.c: begins what can be begun, takes what is over. false: nothing is left. */
bool downloads_step(struct work *work);
void downloads_release(struct work *work);

/* fetch.c */
/* What a negative errno of a volume means; static, or strerror()'s. */
const char *volume_words(int error);
void fetch_fail(struct work *work, struct plan_model *model, enum finding_id id, const char *path,
                const char *format, ...) __attribute__((format(printf, 5, 6)));
void fetch_tell_file(struct work *work, const struct download *download, uint64_t arrived);

/* Endpoints in their order, a mirror before them for contents: the address of a file. */
unsigned source_count(const struct work *work);
const char *source_address(const struct work *work, unsigned source, const struct plan_model *model,
                           const char *path, char out[static MAX_URL_BYTES]);

#endif
