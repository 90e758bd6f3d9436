/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every path from a policy, and every name from a repository, is opened through here.
 *
 * A path of the policy is resolved beneath the tree's root: the file system as it is, or the directory
 * of --root, which no link leaves (openat2(2) RESOLVE_IN_ROOT). A name inside a repository is
 * resolved beneath the repository's directory; a link that leads out of it is -EXDEV
 * (RESOLVE_BENEATH). Where the kernel has no openat2 (before 5.6, gVisor, a seccomp profile that
 * forbids it) the same walk is made here, component by component.
 *
 * Functions return a descriptor or 0, or a negative errno.
 */
#ifndef AWEIGH_TREE_H
#define AWEIGH_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bounds.h"

struct tree {
	int root_fd; /* -1: no --root */
	bool by_hand; /* openat2 is not to be had */
};

/* `root` NULL: the file system as it is. */
int tree_init(struct tree *tree, const char *root);
void tree_release(struct tree *tree);

/* Opens an absolute path of the policy. O_CLOEXEC, O_NONBLOCK and O_NOCTTY are added. */
int tree_open(const struct tree *tree, const char *path, int flags);
int tree_stat(const struct tree *tree, const char *path, struct stat *st);
/* Opens `name` beneath `directory_fd`, which no link leaves. */
int tree_open_beneath(const struct tree *tree, int directory_fd, const char *name, int flags);
/*
 * Opens, or with O_CREAT makes, what root writes where others may put links: a link that belongs neither to
 * root nor to aweigh's user is -EPERM, wherever on the way it lies. As another user it is open(2): such
 * a process cannot do more than who made the link.
 */
int tree_open_trusted(const char *path, int flags);
/*
 * Called for each link that lies on the way to an absolute path, or at its end; not 0 ends the walk, which returns it.
 * Links of /proc, which the kernel alone can follow, end it with 0.
 */
typedef int tree_link(void *context, int link_fd);
int tree_visit_links(const char *path, tree_link *visit, void *context);
/*
 * Whether a magic link such as /proc/PID/root lies on the way, so that it cannot be gone without the right to look at PID.
 * Where the kernel cannot tell (openat2(2), Linux 5.6) the path itself must be a link to one.
 */
bool tree_leads_through_proc(const char *path);
/* Tries write and search access to a directory, as the process's effective user. */
int tree_access(const struct tree *tree, const char *path, int mode);
/* Reads a regular file of at most `limit` bytes; *data is the caller's to free, terminated by a NUL. */
int tree_read(const struct tree *tree, const char *path, size_t limit, char **data, size_t *length);

/* The first component of a path that refuses, as the process's user. */
struct refusal {
	int error; /* errno */
	char path[MAX_PATH_BYTES]; /* the component, beneath the tree's root */
	bool has_stat;
	struct stat st;
	bool is_directory_on_the_way; /* it lacks search permission; otherwise it is the end itself */
};
/* Walks to `path` and opens it for reading; false: nothing refuses. */
bool tree_explain(const struct tree *tree, const char *path, struct refusal *refusal);

#endif
