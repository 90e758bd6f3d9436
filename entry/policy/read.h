/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a policy whole: the file, its manifest, every value. All errors are gathered, none ends the
 * reading early; a policy with errors must not be acted on.
 */
#ifndef AWEIGH_POLICY_READ_H
#define AWEIGH_POLICY_READ_H

#include "engine/inspection.h"
#include "policy.h"
#include "base/text.h"
#include "base/tree.h"

struct policy_input {
	const char *file; /* as the user named it */
	const struct tree *tree; /* where the file lies */
	const struct tree *manifest_tree; /* where policy.manifest lies */
	const struct environment *environment; /* for ${NAME} */
	const char *only; /* --only; NULL: policy.only */
	int level; /* --verify; -1: policy.verify */
	const char *user; /* --user; NULL: policy.user */
};

/* 0, with policy->error_count errors; -ENOMEM. Release the policy in either case. */
int policy_read(struct policy *policy, const struct policy_input *input);
void policy_release(struct policy *policy);

/* What policy_read() does with bytes that are already in memory. */
int policy_parse(struct policy *policy, const struct policy_input *input, const char *text,
                 size_t length);
/* Lines of a manifest file, each a model. */
void policy_parse_manifest(struct policy *policy, const char *text, size_t length);

void policy_error(struct policy *policy, unsigned raised, enum policy_source source, unsigned line,
                  const char *fix, const char *format, ...) __attribute__((format(printf, 6, 7)));
/* Appends a model with the defaults; NULL: too many, or out of memory. */
struct model *policy_add_model(struct policy *policy, const char *name, size_t length,
                               unsigned line, enum policy_source source);
/* Checks and stores a value; reports what is wrong with it. */
void policy_store(struct policy *policy, struct setting *setting, const struct key *key,
                  const char *text, unsigned line, enum policy_source source);

/* "did you mean" among the words that `next` hands out; NULL: none is near. */
const char *suggest(const char *word, const char *(*next)(const void *context, size_t index),
                    const void *context);

/* ${NAME} and ${NAME:-default}; false: an error was reported. */
bool policy_expand(struct policy *policy, const struct environment *environment, const char *value,
                   unsigned line, struct text *out);

#endif
