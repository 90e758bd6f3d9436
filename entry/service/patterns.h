/* SPDX-License-Identifier: Apache-2.0 */
/* The patterns of log_expect, log_forbid and ready = log:PATTERN, against one line of a service. */
#ifndef AWEIGH_PATTERNS_H
#define AWEIGH_PATTERNS_H

#include <stdbool.h>

/* Whether a part of the line is as the pattern (glob(7)) says. */
bool pattern_holds(const char *line, const char *pattern);
/* The reason why the line meets the element, a pattern or the word huggingface; NULL: it does not. */
const char *pattern_meets(const char *line, const char *element);

#endif
