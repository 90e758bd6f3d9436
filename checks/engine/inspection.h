/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check is and all that it is given. A check knows: it prints nothing, forks nothing, reads no
 * environment and no clock of its own. It looks, and reports what it saw as findings.
 */
#ifndef AWEIGH_INSPECTION_H
#define AWEIGH_INSPECTION_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "environment.h"
#include "finding.h"
#include "formats/formats.h"
#include "hub/cache.h"
#include "hub/lock.h"
#include "policy.h"
#include "user.h"

struct inspection;
struct tree;
struct user_files;
struct digest_queue;

enum scope {
	SCOPE_RUN, /* once */
	SCOPE_PLACE, /* a model, before its files: where is it? */
	SCOPE_DIRECTORY, /* each directory that its files are in, and those of its repository */
	SCOPE_NAME, /* each name of a locked model that is no directory, wanted or not */
	SCOPE_FILE, /* each wanted file of a model */
	SCOPE_MODEL, /* a model, after its files */
};

/* What one look at a file saw; checks of SCOPE_FILE run on it in the order of checks.def. */
struct file_view {
	const char *path; /* beneath the model's directory */
	bool is_link;
	const char *
	        link; /* a link's text, where it was read; NULL: no link, or it leads where it should */
	int fd; /* -1: could not be opened, see error */
	int error; /* errno of the failed look, 0: none */
	bool escapes; /* a link leads out of the repository's directory */
	bool absolute; /* a link is absolute, but leads into the repository's directory */
	struct stat st; /* of what the name leads to; valid unless error */
	const unsigned char *head;
	size_t head_length; /* below level size: 0 */
	const char *
	        page; /* what a server's answer in its place is (formats/page.h); NULL: none was seen */
	const struct format *format; /* by its name or first bytes; NULL: none of the table */
};

struct model_view {
	const struct model *model;
	int index;
	struct model_place place;
	int outcome; /* enum cache_outcome of hub/cache.h */
	enum level level;
	const struct lock_model *locked; /* what the lock file says of it; NULL: nothing */
	uint64_t files_locked; /* elements of files of which the lock file has something */
	uint64_t extra_files; /* harmless ones that the lock file does not name */
	char first_extra[256];
	bool has_manifest;
	bool manifest_complete; /* and every file that it names is there with its size */
	const char *only; /* path is this one file of its directory; NULL: all files */
	char late_index[4][256]; /* shard indexes that are weighed after the walk */
	size_t late_indexes;
	uint64_t files, bytes; /* as wanted, links followed */
	uint64_t verified; /* files of which something states a digest */
	uint64_t weight_files, python_files;
	uint64_t checkpoint_files; /* of weights, in directories that a trainer made */
	uint64_t paper_files; /* which people read, and no loader does */
	bool young; /* one has come or changed a moment ago */
	uint64_t unknown_files; /* of no format of the table, and no text or picture either */
	char first_unknown[256];
	struct format_files {
		uint64_t files;
		char first[256];
	} of_format[MAX_FORMATS]; /* those of weights, by the place in the table */
	uint64_t broken_files; /* wanted files that cannot be opened */
	struct lists_met {
		uint64_t files, require; /* a bit for each element of files and require */
	} met, broken; /* that a file met, and one that cannot be opened */
	char first_python[256];
	struct digest_queue *digests; /* level digest: what is to be hashed */
	struct seen_files *seen; /* regular files that the walk met, by name */
};

struct inspection {
	const struct check *checks; /* in the order of cost */
	size_t check_count;
	const struct policy *policy;
	const struct tree *tree;
	const struct environment *env; /* what the service will get */
	const struct environment *given; /* what aweigh was started with */
	const struct identity *who;
	const struct user_files *users; /* the image's passwd and group files */
	const char *hub_cache; /* NULL: cannot be told */
	const char *hub_cache_origin;
	const char *working_directory; /* of the service */
	const struct lock *lock; /* NULL: the policy names none */
	const char *lock_path; /* in the tree of the models; NULL: it lies elsewhere */
	enum level deepest; /* no model is looked at beyond it, whatever the policy says */
	bool locking; /* a lock file is made: what is there is hashed and told, whatever states its digest */
	enum mode mode;
	uint64_t memory_limit; /* of the cgroup, bytes; UINT64_MAX: none, or --root */
	/* Directories that lie behind /proc/PID/root, opened while that was still allowed. */
	struct opened_before {
		int model, fd;
		bool is_file; /* the model is a file of it */
	} opened[MAX_OPENED_BEFORE];
	size_t opened_count;
	struct model_view *model;
	const struct file_view *file;
	uint16_t seen[FINDING_COUNT]; /* findings of each kind about this model */
	uint32_t seen_line[FINDING_COUNT]; /* of the policy, of the last of them */
	int (*send)(struct inspection *inspection, const struct record *record);
	void *send_context;
	int failed; /* negative errno of a send that failed */
};

struct check {
	const char *name;
	enum scope scope;
	enum level level; /* from which it runs */
	void (*run)(struct inspection *inspection);
};

#endif
