/* SPDX-License-Identifier: Apache-2.0 */
/* A service that smoke has watched, in one sentence: when it was ready, what it did and how it ended. */
#ifndef AWEIGH_WATCHED_H
#define AWEIGH_WATCHED_H

#include "base/text.h"
#include "report/report.h"

void watched_add(struct text *text, const struct report_service *service);
/* ", which reached out to HOST and 2 more", where it did. */
void watched_add_reach(struct text *text, const struct report_service *service);

#endif
