/* SPDX-License-Identifier: Apache-2.0 */
/* What aweigh's own processes, inspector and fetcher, give up once they have what they need: files, network, calls. */
#ifndef AWEIGH_WORKER_H
#define AWEIGH_WORKER_H

#include "base/text.h"
#include "confine/landlock.h"

/*
 * For good; wants no_new_privs. `sockets` are SOCKETS_ of filter.h. What the kernel or the platform refuses is left
 * out, and `weaker` gets a sentence about `who`; it stays empty where all holds.
 */
void worker_restrict(const char *who, const struct landlock_grant *grant, unsigned sockets,
                     struct text *weaker);

#endif
