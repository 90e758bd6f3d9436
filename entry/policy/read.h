/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a policy whole: the file, its models file, every value. All errors are gathered, none ends the
 * reading early; a policy with errors must not be acted on.
 */
#ifndef AWEIGH_POLICY_READ_H
#define AWEIGH_POLICY_READ_H

#include "base/tree.h"
#include "environment.h"
#include "base/text.h"
#include "policy.h"

struct signals;
struct policy_input {
	const char *file; /* as the user named it */
	const struct tree *tree; /* where the file lies */
	const struct tree *models_tree; /* where policy.manifest lies, if it is absolute */
	const struct signals *signals; /* that end a reading that hangs; NULL: none */
	const struct environment *environment; /* for ${NAME} */
	const char *only; /* --only; NULL: policy.only */
	int level; /* --verify; -1: policy.verify */
	const char *user; /* --user; NULL: policy.user */
	/* Gets up to MAX_POLICY_ERRORS findings; NULL: errors are only counted. */
	void (*report)(void *context, const struct record *error);
	void *report_context;
};

/* 0, with policy->error_count errors; -ENOMEM; -ETIMEDOUT: a volume does not answer. Release the policy in either case. */
int policy_read(struct policy *policy, const struct policy_input *input);
void policy_release(struct policy *policy);

/* What policy_read() does with bytes that are already in memory. */
int policy_parse(struct policy *policy, const struct policy_input *input, const char *text,
                 size_t length);

/* The directory of a file as it is named, with its slash; nothing where it names none. */
void policy_directory(const char *file, struct text *out);

#endif
