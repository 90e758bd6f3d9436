/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A finding is about the world that was inspected. A check, the gate or the fetcher makes it, a record
 * carries it to the gate, the report prints it. findings.def is the one list; a code keeps its meaning
 * once released.
 */
#ifndef AWEIGH_FINDING_H
#define AWEIGH_FINDING_H

#include <assert.h>
#include <limits.h>
#include <stdint.h>

#include "bounds.h"
#include "names.h"
#include "status.h"

enum finding_id {
#define FINDING(id, code, severity, status, remedy, basis, meaning, fix) FINDING_##id,
#include "findings.def"
#undef FINDING
	FINDING_COUNT
};

/* What a fetch does about a finding of a model. */
enum remedy {
	REMEDY_NOTHING,
	REMEDY_FETCHED, /* what is missing arrives */
	REMEDY_REFETCHED, /* what is there is not believed: its content is compared */
};

/* Proof: a byte, a name that the model itself demands, an access that was tried. Guess: what is usual. */
enum basis { BASIS_PROOF, BASIS_GUESS };

struct finding_kind {
	const char *code; /* two words, as the policy's [severity] spells it */
	enum severity severity : 8; /* unless the policy says otherwise */
	enum status status : 16; /* the exit status when it is an error */
	enum remedy remedy : 4;
	enum basis basis : 4;
	const char *meaning; /* one sentence, for `aweigh checks` */
	const char *fix; /* the usual fix, also printed where a finding brings none */
};

enum record_type {
	RECORD_FINDING = 1,
	RECORD_MODEL,
	RECORD_PROGRESS,
	RECORD_FETCH_MODEL, /* files and bytes that are to be fetched, path: repository, commit */
	RECORD_FETCH_FILE, /* path, bytes of it, files: bytes that have arrived */
	RECORD_FETCH_RETRY, /* message: why, files: which try comes, bytes: milliseconds until then */
	RECORD_FETCH_DONE, /* the model is there: files and bytes that were fetched */
	RECORD_LOCKED, /* path of a file and its bytes; message: its SHA-256, fix: git's SHA-1 or "", in hexadecimal */
	RECORD_DONE
};
enum policy_source { SOURCE_POLICY, SOURCE_MANIFEST, SOURCE_COUNT };

#define RECORD_MAGIC 0x77656967u /* "weig" */
#define NO_MODEL (-1)

/*
 * What crosses the pipe: at most PIPE_BUF bytes, so that one record never fills it half.
 * The sender may have been taken over by the bytes that it parsed: record_is_sound() looks at every
 * field before the gate believes it.
 */
struct record {
	uint32_t magic;
	uint16_t type; /* enum record_type */
	uint16_t kind; /* enum finding_id */
	int32_t model; /* index in the policy, or NO_MODEL */
	uint16_t source; /* enum policy_source */
	uint16_t level; /* RECORD_MODEL: enum level that was reached */
	uint16_t severity; /* RECORD_FINDING: enum severity at least; 0: the kind's own */
	uint16_t young; /* RECORD_MODEL: 1, where a file has come or changed a moment ago */
	uint32_t line; /* of the policy or models file; 0: none */
	uint64_t
	        files; /* RECORD_MODEL; RECORD_PROGRESS: bytes hashed; RECORD_FINDING: how many more it stands for */
	uint64_t bytes; /* RECORD_MODEL; RECORD_PROGRESS: bytes in all */
	uint64_t
	        verified; /* RECORD_MODEL: files of which something states a digest, at level digest */
	char commit[COMMIT_HEX + 8];
	char path[1024];
	char message[1280];
	char fix[1280];
};

static_assert(sizeof(struct record) <= PIPE_BUF, "a record fits into a pipe's smallest buffer");

#endif
