/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and groups from the image's own /etc/passwd and /etc/group, read by hand: a static program
 * has no NSS to rely on, and --root needs the files of another image. Both files may be missing.
 */
#ifndef AWEIGH_PASSWD_H
#define AWEIGH_PASSWD_H

#include "base/text.h"
#include "base/tree.h"
#include "user.h"

struct user_files {
	char *passwd, *group; /* "" where there is none */
};

int user_files_read(struct user_files *files, const struct tree *tree);
void user_files_release(struct user_files *files);

/*
 * Fills uid, gid, groups, name and home from NAME, UID, NAME:GROUP or UID:GID. A bare user has its
 * whole list of groups, an explicit group only that one; a number without an entry has group 0, as
 * the engines do it (libcontainer's GetExecUser). Returns false with a sentence in `why`.
 */
bool identity_parse(struct identity *identity, const struct user_files *files, const char *spec,
                    struct text *why);
/* `groups` of the policy: replace, keep or a list. */
bool identity_parse_groups(struct identity *identity, const struct user_files *files,
                           const char *groups, struct text *why);
/* Name and home of identity->uid, where there is an entry. */
void identity_name(struct identity *identity, const struct user_files *files);
/* OWNER of a file: UID, UID:GID, NAME or NAME:GROUP; *has_gid tells whether a group was given. */
bool owner_parse(const struct user_files *files, const char *spec, uid_t *uid, gid_t *gid,
                 bool *has_gid);

#endif
