/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict as data: all that a format of the report is given. */
#ifndef AWEIGH_REPORT_H
#define AWEIGH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/text.h"
#include "environment.h"
#include "finding.h"
#include "policy.h"
#include "user.h"

struct report_finding {
	enum finding_id id;
	enum severity severity; /* as the policy has it */
	int model; /* or NO_MODEL */
	uint16_t source;
	uint32_t line;
	const char *path, *message, *fix;
	uint64_t more; /* 0; or it says of so many others that they are like those before it */
	size_t next; /* of the same model, + 1; 0: the last */
};

/* The findings of one model, or of one subject, in the order of their arrival. */
struct report_list {
	size_t first, last; /* + 1; 0: none */
	enum severity worst; /* of those beyond MAX_FINDINGS, too */
};

/* What a finding that is about no model is about, by its code. */
enum subject { SUBJECT_POLICY, SUBJECT_ENVIRONMENT, SUBJECT_SERVICE, SUBJECT_COUNT };
enum subject finding_subject(enum finding_id id);

struct report_model {
	uint64_t files, bytes;
	uint64_t verified; /* files whose digest was compared */
	char commit[COMMIT_HEX + 1];
	uint8_t level;
	bool seen; /* the inspector has told about it */
	bool found; /* there is a directory */
	bool young; /* a file has come or changed a moment ago */
	struct report_list findings;
};

/* What of [confine] the kernel and the platform let aweigh enforce upon the service. */
struct confinement {
	bool looked_at;
	bool tcp, others; /* of egress: is enforced */
	enum models_kept models;
};

/* What smoke saw of the service. */
struct report_service {
	bool looked_at, ready;
	uint64_t first_output_ms, ready_ms, stop_ms,
	        end_ms; /* since its start; stop_ms: from the request on; 0: never */
	int status; /* as waitpid(2) gives it */
	uint64_t memory_bytes, lines;
	bool observed;
	const struct report_attempt {
		const char *host, *program;
		uint64_t first_ms, count;
		uint16_t port; /* 0: a name that was asked for */
		bool refused;
	} * attempts;
	size_t attempt_count;
	/* Files of its models, where all that it did was seen. */
	const struct report_used {
		const char *model;
		size_t opened, unopened, absent; /* the last: looked for, and not there */
		uint64_t unopened_bytes;
		/* Beneath the model, the first of them; NULL: no more. Of the unopened the largest. */
		const char *largest[9], *missed[9];
	} * used;
	size_t used_count;
	size_t uncovered; /* files that it opened, or looked for in vain, which no [model] section covers */
	const char *programs[17]; /* that it started besides; NULL: no more */
	uint16_t ports[17]; /* that it listened on; 0: no more */
	const char *last[8]; /* the last lines, where something is wrong; NULL: no more */
};

struct report {
	const struct policy *policy;
	const struct identity *who;
	const char *hub_cache, *hub_cache_origin;
	const struct environment *env;
	struct report_finding *findings;
	size_t count, room, dropped; /* dropped: beyond MAX_FINDINGS */
	struct report_list rest[SUBJECT_COUNT]; /* findings about no model */
	struct report_model *models;
	const char *location
	        [SOURCE_COUNT]; /* of the policy's files, as a reader of the repository names them; NULL: none */
	struct arena *arena;
	const char *landlock; /* NULL: enforced; otherwise why not */
	struct confinement confinement;
	struct report_service service;
	bool exact; /* looked at with the service's own user */
	enum status status; /* of the findings, whether enforced or not */
	enum status lost; /* of errors beyond MAX_FINDINGS, which no list has */
	bool enforced;
	uint64_t elapsed_ns;
};

/* A copy that lives as long as the report; "" where there is no memory for it. */
const char *report_keep(struct report *report, const char *text);
/*
 * A finding's path as its sentence needs it: "" where the message names it or the model's own line does, and without
 * the model's directory or the cache in front.
 */
const char *report_path(const struct report *report, const struct report_finding *finding);
/* "path: message". */
#define REPORT_SENTENCE_BYTES                                                                      \
	(sizeof(((struct record *)NULL)->message) + sizeof(((struct record *)NULL)->path) + 256)
void report_sentence(const struct report *report, const struct report_finding *finding,
                     struct text *out);
/* "refused (65): 1 of 3 models", "pass with 2 warnings: 1 model". */
void report_verdict(const struct report *report, struct text *out);
/* Whether the report says anything of this model, of this subject: of the environment always. */
bool report_has_model(const struct report *report, size_t index);
bool report_has_subject(const struct report *report, enum subject subject);
/* Its word, or another where a model has that for a name. */
const char *report_subject(const struct report *report, enum subject subject);
/* The model's name, or the subject's. */
const char *report_about(const struct report *report, const struct report_finding *finding);
/* The model's hint, which goes with each of its findings; NULL: none. */
const char *report_hint(const struct report *report, const struct report_finding *finding);
/* Where model `index` was found; "" where it was not. */
void report_model_path(const struct report *report, size_t index, char *out, size_t size);
/* "3 files, 176 bytes, verified: structure", and of how many files a digest was compared where it should have been. */
void report_add_verified(const struct report *report, size_t index, struct text *out);

#endif
