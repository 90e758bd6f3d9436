/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AWEIGH_DOWNLOAD_H
#define AWEIGH_DOWNLOAD_H

#include "fetch/part.h"
#include "fetch/plan.h"
#include "fetch/store/partial.h"
#include "fetch/threads/hasher.h"

/*
 * One file on its way. Words: a *part* is one request for a run of bytes; a *piece* is what of a part has arrived and is
 * handed to the writer; a *chunk* is the unit in which a partial file remembers what is there; a *run* is the missing
 * chunks that one part asks for.
 *
 *     FREE ---> LOCK ---> VERIFY ---> FREE        it is there: its digest is right
 *                 |          v
 *                 +-----> FETCH ----> FREE        hashed as it arrives, sealed when it is whole, named by its digest
 *                           ^ |
 *                           +-+  restart          the digest is wrong, or the server gives no parts: from the first byte
 *
 * From FETCH it goes back behind LOCK when another fetch, of a machine that no lock of ours reaches, took it over, and
 * when the volume fails with a file that an earlier run left: what is begun then is a file of its own.
 *
 * What holds after every step, and tests/unit/download.c asks of every step:
 * - a part belongs to a download in FETCH that is not sealed, and the download counts it;
 * - a sealed file has no part and no unwritten piece, and nothing can write through its partial;
 * - the hasher is never given a last byte that somebody may still write;
 * - a blob has its name only after its digest was right, and nothing is written to it from then on.
 */
enum phase { PHASE_FREE, PHASE_LOCK, PHASE_VERIFY, PHASE_FETCH };

struct download {
	enum phase phase;
	struct plan_model *model;
	struct plan_file *file;
	char etag[SHA256_HEX + 1];
	int lock_fd;
	struct partial partial;
	struct hash_job job;
	struct session *session;
	size_t unwritten; /* pieces that the writer has */
	bool sealed; /* whole: the hasher has the descriptor, and nobody can write */
	int write_error; /* the first one; a negative errno */
	unsigned tried,
	        hurried; /* a bit for each source: begun with; given up early, as others were there */
	bool patient; /* no other is left: each is asked as often as the policy says */
	unsigned parts, source, damaged, refreshed, shorts, restarts, losses;
	bool ranges; /* the server gives parts */
	bool single; /* one connection at a time: it does not, or not to several */
	bool restart; /* it does not: from the first byte again, without asking for a part */
	char address[MAX_URL_BYTES]; /* where the bytes are, once the endpoint has said so */
	uint64_t lock_due_ns, told_ns, kept_ns;
};

/* Begins what can be begun, takes what is over. false: nothing is left. */
bool downloads_step(struct session *session);
void downloads_release(struct session *session);

#endif
