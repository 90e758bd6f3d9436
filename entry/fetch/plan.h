/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be fetched: a revision's commit, its files with sizes and digests, and which of them are there. */
#ifndef AWEIGH_PLAN_H
#define AWEIGH_PLAN_H

#include "bounds.h"
#include "fetch/store/store.h"
#include "hub/digest.h"
#include "policy.h"

enum file_state {
	FILE_WANTED,
	FILE_DOUBTED, /* there, but the model is damaged: hashed before it is believed */
	FILE_SAME, /* another file of the model has the same content */
	FILE_COMING,
	FILE_THERE, /* the blob is */
	FILE_STATED, /* while locking: the hub has stated its SHA-256, and that is all that is wanted */
	FILE_PLACED, /* a real file in the snapshot or directory is */
};

struct plan_file {
	const char *path;
	uint64_t size;
	unsigned char digest[SHA256_HEX / 2];
	const struct lock_file *locked; /* NULL: the lock file says nothing of it */
	uint8_t kind; /* enum digest_kind; NONE: the hub did not say */
	uint8_t state; /* enum file_state */
};

struct plan_model {
	const struct model *model;
	const struct lock_model *locked; /* NULL: the lock file says nothing of it */
	int index; /* in the policy */
	bool damaged, failed, listed, unchanged;
	bool is_aboard; /* the commit is that of the ref in the cache */
	struct repo_store repo;
	char commit[COMMIT_HEX + 1];
	struct plan_file *files;
	size_t count, room, next; /* next: the first that was not started */
	size_t left; /* files that are not there yet */
	uint64_t
	        turn_due_ns; /* when names are given without waiting for another fetch any longer; 0: nobody was waited for */
	uint64_t wanted_bytes, fetched_bytes,
	        kept_bytes; /* kept: of partial files, on the disk already */
	size_t wanted_files, fetched_files;
	bool illegal; /* the listing has a name that no repository may have */
	char illegal_path[256];
};

struct session;
/* Commit and files of a model; false: model->failed, and a finding was sent. */
bool plan_model(struct session *session, struct plan_model *model);
/* On a volume that ignores case: false where two of the names are one there, and a finding was sent. */
bool plan_names_differ(struct session *session, struct plan_model *model);
/* As much as fits: what a hub states may be anything. */
uint64_t plan_add_bytes(uint64_t a, uint64_t b);
/* Looks what is there already. */
void plan_compare(const struct session *session, struct plan_model *model);
void plan_etag(const struct plan_file *file, char etag[static SHA256_HEX + 1]);
bool plan_same_content(const struct plan_file *a, const struct plan_file *b);
/* By digest: files of the same content stand together. */
void plan_sort(struct plan_model *model);

#endif
