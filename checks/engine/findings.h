/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue by id, and the one maker of findings. Checks call inspection_report(); the gate and the
 * fetcher make their records with finding_make() and know themselves where to send them.
 */
#ifndef AWEIGH_FINDINGS_H
#define AWEIGH_FINDINGS_H

#include <stdarg.h>

#include "base/text.h"
#include "base/tree.h"
#include "engine/inspection.h"
#include "finding.h"
#include "policy.h"

extern const struct finding_kind finding_kinds[FINDING_COUNT];
/* The finding that has this code, or FINDING_COUNT. */
enum finding_id finding_find(const char *code);
/* All codes, as words_nearest() wants them. */
const char *finding_code_at(const void *nothing, size_t index);
/* Whether it is about fetching: raised by the fetcher, or by the gate about it. */
bool finding_is_of_fetch(enum finding_id id);
/* As the policy's [severity] has it, the kind's own where that has no row. */
enum severity finding_severity(const struct policy *policy, enum finding_id id);
/* Whether no policy may give it another severity: it says that something was not judged at all. */
bool finding_is_fixed(enum finding_id id);

/* What a finding is about. Empty: the run as a whole, with the finding's usual fix. */
struct report_at {
	const char *path; /* file, directory or variable */
	const struct origin *said; /* the line of the policy; NULL: the model's, or none */
	uint32_t line; /* of the policy, where it is known by itself */
	const char *fix; /* NULL: the usual one */
	enum severity severity; /* where it is worse than its kind; 0: it is not */
};

/* A whole record; `model` NULL: about none. What does not fit is cut, with a mark. */
void finding_make(struct record *record, enum finding_id id, const struct model *model, int index,
                  struct report_at at, const char *format, va_list arguments)
        __attribute__((format(printf, 6, 0)));
/* What a lock file is to have of a file (RECORD_LOCKED); `git_sha1` "": git's name is not known. false: its path is too long. */
bool locked_make(struct record *record, int model, const char *path, uint64_t size,
                 const char *sha256, const char *git_sha1);

/* What lets the service's user reach `path` in spite of the refusal: the least that does. */
void fix_refusal(const struct inspection *inspection, const char *path,
                 const struct refusal *refusal, struct text *out);

/* Sends a finding about the model that is being inspected; beyond FINDINGS_PER_KIND only counted. */
void inspection_report(struct inspection *inspection, enum finding_id id, struct report_at at,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Whether such a finding about this model was reported, and refuses: the policy makes no less of it. */
bool inspection_refuses(const struct inspection *inspection, enum finding_id id);
/* Whether a wanted file that cannot be opened refuses the model already: what follows from it is not told besides. */
bool model_is_broken(const struct inspection *inspection);
/* For what was only counted: one line says how many. */
void inspection_report_rest(struct inspection *inspection);

#endif
