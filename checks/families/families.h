/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Families of models: what tells one, what it needs, and how sure that is. A family is a row of families.def
 * and a function, in named.c or in a file of its own. What a model's own manifest or index demands is proof, and
 * an error; what "should" be there is a warning.
 */
#ifndef AWEIGH_FAMILIES_H
#define AWEIGH_FAMILIES_H

#include "engine/inspection.h"

struct family {
	const char *name;
	const char *marks; /* files or directories, any of which tells it; blanks between */
	void (*check)(struct inspection *inspection); /* what it needs */
};
extern const struct family families[];
extern const size_t family_count;

/* Whether any of the family's marks is there. */
bool family_is(const struct inspection *inspection, const struct family *family);

/* Shared by the families' functions: */

/* Whether something stands for weights: files of weights, or files of formats that nobody here knows. */
bool family_has_weights(const struct inspection *inspection);
/* Whether a directory has the file; "" is the model's own. */
bool family_directory_has_file(const struct inspection *inspection, const char *directory,
                               const char *name);
/* Anything but hidden files and what people read. */
bool family_directory_has_files(const struct inspection *inspection, const char *directory);
/*
 * Whether parts or an index at `path` count for nothing: loaders open another set of the same directory before it, or the
 * model's own at the top, where this lies in a directory of a checkpoint beneath.
 */
bool family_is_spare(const struct inspection *inspection, const char *path);
/* Whether the directory has a file of weights directly in it. */
bool family_directory_has_weights(const struct inspection *inspection, const char *directory);
/* The same for a file whose name begins so. */
bool family_directory_has_name(const struct inspection *inspection, const char *directory,
                               const char *begin);
/* A file that `manifest` names, with this size (0: it does not say): wanted and not there, or of another size, is an error. */
void family_require_file(struct inspection *inspection, const char *manifest, const char *name,
                         uint64_t bytes);
/* One that belongs to the file `beside`, of which `why` says so: wanted and not there is an error. */
void family_require_beside(struct inspection *inspection, const char *name, const char *beside,
                           const char *why);
/* Says that a model told by `mark` has no weights, unless the policy's `require` or the commit's manifest knows better. */
void family_report_no_weights(struct inspection *inspection, const char *mark);
/* A repository, NAME or NAME@REVISION, that the model names and that the loader will look for: aboard, or one of the policy's models? */
bool family_repository_is_aboard(const struct inspection *inspection, const char *repo);
void family_report_repository(struct inspection *inspection, const char *repo,
                              const char *named_by);
/* One without which nothing loads: an error, unless it is in `cache`, a second one that the library has; NULL: none. */
void family_report_needed(struct inspection *inspection, const char *repo, const char *named_by,
                          const char *cache);
/* Copies the string of a top-level key of a JSON file; false: not there. */
bool family_json_string(const struct inspection *inspection, const char *file, const char *key,
                        char *out, size_t size);

/* What the table names. */
#define FAMILY(function, name, marks) void function##_check(struct inspection *inspection);
#include "families/families.def"

#endif
