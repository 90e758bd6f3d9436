/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/identity.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "confine/caps.h"
#include "util.h"

void identity_current(struct identity *identity)
{
	int count = getgroups(MAX_GROUPS, identity->groups);

	identity->uid = geteuid();
	identity->gid = getegid();
	identity->group_count = count < 0 ? 0 : (size_t)count;
}

static bool has_group(const gid_t *groups, size_t count, gid_t gid)
{
	for (size_t i = 0; i < count; i++)
		if (groups[i] == gid)
			return true;
	return false;
}

/* The kernel counts the group itself among the supplementary ones or not, as whoever set them liked. */
static bool lacks_group(const struct identity *a, const struct identity *of, gid_t *group)
{
	for (size_t i = 0; i < of->group_count; i++) {
		*group = of->groups[i];
		if (*group != of->gid && !has_group(a->groups, a->group_count, *group))
			return true;
	}
	return false;
}

static bool has_groups_of(const struct identity *a, const struct identity *of)
{
	gid_t group;

	return !lacks_group(a, of, &group);
}

bool identity_is_current(const struct identity *identity)
{
	struct identity now = { 0 };

	identity_current(&now);
	if (getuid() != identity->uid || now.uid != identity->uid || getgid() != identity->gid ||
	    now.gid != identity->gid)
		return false;
	/* Groups that cannot be dropped (Kubernetes' fsGroup, --group-add) are kept; identity_keeps_more() tells. */
	return identity->keep_groups ||
	       (has_groups_of(&now, identity) &&
	        (has_groups_of(identity, &now) || !capability_is_held(CAP_SETGID)));
}

bool identity_keeps_more(const struct identity *identity)
{
	struct identity now = { 0 };

	identity_current(&now);
	return !identity->keep_groups && identity_is_current(identity) &&
	       !has_groups_of(identity, &now);
}

bool identity_lacks_group(const struct identity *identity, gid_t *group)
{
	struct identity now = { 0 };

	identity_current(&now);
	return !identity->keep_groups && lacks_group(&now, identity, group);
}

bool identity_may_change(void)
{
	return capability_is_held(CAP_SETUID) && capability_is_held(CAP_SETGID);
}

int identity_assume(const struct identity *identity, const char **step)
{
	uid_t real, effective, saved;
	gid_t real_group, effective_group, saved_group;

	if (!identity->change || identity_is_current(identity))
		return 0;
	/* 1. Groups and group while CAP_SETGID is there: it goes with the user. */
	*step = "setgroups";
	if (!identity->keep_groups && setgroups(identity->group_count, identity->groups) != 0)
		return -errno;
	*step = "setresgid";
	if (setresgid(identity->gid, identity->gid, identity->gid) != 0)
		return -errno;
	/* 2. The user. */
	*step = "setresuid";
	if (setresuid(identity->uid, identity->uid, identity->uid) != 0)
		return -errno;
	/* 3. Believe what the kernel says, not what was asked for. */
	*step = "verify";
	if (getresuid(&real, &effective, &saved) != 0 ||
	    getresgid(&real_group, &effective_group, &saved_group) != 0)
		return -errno;
	if (real != identity->uid || effective != identity->uid || saved != identity->uid ||
	    real_group != identity->gid || effective_group != identity->gid ||
	    saved_group != identity->gid)
		return -EPERM;
	if (identity->uid != 0 && setuid(0) == 0)
		return -EPERM;
	return 0;
}
