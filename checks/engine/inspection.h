/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a check is and all that it is given. A check knows: it prints nothing, forks nothing, reads no
 * environment and no clock of its own. It looks, and reports what it saw as findings.
 */
#ifndef AWEIGH_CHECK_H
#define AWEIGH_CHECK_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "finding.h"
#include "policy.h"

struct tree;
struct user_files;
struct digest_queue;

/* An environment: pointers to NAME=VALUE, NULL at the end. */
struct environment {
	const char *const *rows;
	size_t count;
};
/* The value of `name`, or NULL. The last of several rows wins, as in a shell's export. */
const char *environment_get(const struct environment *environment, const char *name);

struct identity {
	uid_t uid;
	gid_t gid;
	gid_t groups[MAX_GROUPS];
	size_t group_count;
	char name[MAX_NAME_BYTES]; /* "" where the passwd file has no entry */
	char home[MAX_PATH_BYTES]; /* "" where it has none */
	bool keep_groups; /* those of the process, whatever they are */
	bool change; /* false: whoever aweigh was started as */
	bool exact; /* the inspector really is this user */
};

enum scope {
	SCOPE_RUN, /* once */
	SCOPE_PLACE, /* a model, before its files: where is it? */
	SCOPE_FILE, /* each wanted file of a model */
	SCOPE_MODEL, /* a model, after its files */
};

/* What one look at a file saw; checks of SCOPE_FILE run on it in the order of the registry. */
struct file_view {
	const char *path; /* beneath the model's folder */
	const char *link; /* a link's text; NULL: no link */
	int fd; /* -1: could not be opened, see error */
	int error; /* errno of the failed look, 0: none */
	bool escapes; /* a link leads out of the repository's folder */
	bool absolute; /* a link is absolute, but leads into the repository's folder */
	struct stat st; /* of what the name leads to; valid unless error */
	const unsigned char *head;
	size_t head_length; /* below level size: 0 */
	bool weights; /* by its name: holds tensors */
	bool pickle; /* by its name or first bytes: executes code when loaded */
	const char *format; /* safetensors, gguf, ... or NULL */
};

enum model_place { PLACE_NONE, PLACE_CACHE, PLACE_FOLDER };

struct model_view {
	const struct model *model;
	int index;
	enum model_place place;
	char repo_path
	        [MAX_PATH_BYTES]; /* the repository's folder in the cache, or the plain folder */
	char path[MAX_PATH_BYTES]; /* the snapshot, or the plain folder */
	char commit[COMMIT_HEX + 1];
	int repo_fd, dir_fd; /* -1: could not be opened */
	int error; /* errno, or 0; why place is NONE */
	int outcome; /* enum cache_outcome of know/hub_cache.h */
	enum level level;
	bool has_manifest;
	uint64_t files, bytes; /* as wanted, links followed */
	uint64_t weight_files, pickle_files, safetensors_files, gguf_files, onnx_files,
	        python_files;
	uint64_t broken_files; /* wanted files that cannot be opened */
	uint64_t files_met, require_met; /* elements of files and require that a file met */
	char first_pickle[256], first_python[256];
	struct digest_queue *digests; /* level digest: what is to be hashed */
	struct seen_files *seen; /* regular files that the walk met, by name */
};

struct look {
	const struct policy *policy;
	const struct tree *tree;
	const struct environment *env; /* what the service will get */
	const struct environment *given; /* what aweigh was started with */
	const struct identity *who;
	const struct user_files *users; /* the image's passwd and group files */
	const char *hub_cache; /* NULL: cannot be told */
	const char *hub_cache_origin;
	const char *working_directory; /* of the service */
	enum mode mode;
	uint64_t memory_limit; /* of the cgroup, bytes; UINT64_MAX: none, or --root */
	struct model_view *model;
	const struct file_view *file;
	uint16_t seen[256]; /* findings of each kind about this model, by catalogue index */
	int (*send)(struct look *look, const struct record *record);
	void *send_context;
	int failed; /* negative errno of a send that failed */
};

struct check {
	const char *name;
	enum scope scope;
	enum level level; /* from which it runs */
	const struct finding_kind *kinds;
	size_t kind_count;
	void (*look)(struct look *look);
};

/*
 * Reports a finding of `kind` about `path` (NULL: none). `fix` NULL: the kind's own. `setting` names
 * the line of the policy; NULL: the model's, or none.
 */
struct report_at {
	const char *path;
	const struct setting *setting;
	uint32_t line;
	const char *fix;
};
void look_report(struct look *look, const struct finding_kind *kind, struct report_at at,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The checks in the order of cost, and the catalogue of every kind, those of entry/ included. */
extern const struct check *const checks[];
extern const size_t check_count;
unsigned catalogue_count(void);
const struct finding_kind *catalogue_at(unsigned index);
unsigned catalogue_index(const struct finding_kind *kind);
const struct finding_kind *catalogue_find(const char *code);

/* Runs every check over everything that the policy selects. */
void inspect(struct look *look);

#endif
