/* SPDX-License-Identifier: Apache-2.0 */
/* Becoming another user for good, and verifying that it is for good. */
#ifndef AWEIGH_IDENTITY_H
#define AWEIGH_IDENTITY_H

#include "engine/inspection.h"

/* Who the process is: uid, gid and groups. */
void identity_current(struct identity *identity);
/* Whether the process already is this user, groups included. */
bool identity_is_current(const struct identity *identity);
/* Whether it is current but for groups that cannot be dropped. */
bool identity_keeps_more(const struct identity *identity);
/* The first supplementary group that it wants and the process lacks; false: none, or none is asked for. */
bool identity_lacks_group(const struct identity *identity, gid_t *group);
/* Whether the process may become another user, by its capabilities. */
bool identity_may_change(void);
/* Groups, then group, then user, each verified. 0, or a negative errno with the step's name in *step. */
int identity_assume(const struct identity *identity, const char **step);

#endif
