/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The policy's lines: inih does the INI. What it would do in silence is an error here: lines longer than
 * it keeps, section names that it cuts, indented rows that it takes for more of the value above, text
 * behind a section's bracket, bytes that are not UTF-8.
 */
#ifndef AWEIGH_INI_H
#define AWEIGH_INI_H

#include <stddef.h>

#include "policy.h"

struct ini_events {
	void *context;
	void (*section)(void *context, const char *name, unsigned line);
	/* A whole value: the lines that it was said on are joined by '\n'. Not called before the first section. */
	void (*value)(void *context, const char *key, const char *value, unsigned line);
};

/* Errors are the policy's; none ends the reading early but a file that is not text. 0 or -ENOMEM. */
int ini_read(struct policy *policy, const char *text, size_t length,
             const struct ini_events *events);

#endif
