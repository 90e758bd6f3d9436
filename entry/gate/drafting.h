/* SPDX-License-Identifier: Apache-2.0 */
/* A policy for what lies in folders: `aweigh draft`. Names and sizes are looked at here; contents by an inspector, as ever. */
#ifndef AWEIGH_DRAFTING_H
#define AWEIGH_DRAFTING_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/text.h"
#include "base/tree.h"
#include "bounds.h"

struct arena;
struct identified;
struct model;
struct drafted_file {
	const char *path; /* beneath the model's directory */
	uint64_t size;
	bool excluded; /* another set of weights goes before it */
};
struct drafted_model {
	const char *name; /* of its section */
	const char *repo, *commit; /* NULL: a plain folder */
	const char *path; /* of a plain folder, absolute; NULL: it is in the cache */
	const char *
	        code; /* what its own code is needed for: the sentence of a finding; NULL: nothing */
	struct drafted_file *files;
	size_t count, room;
	uint64_t
	        there; /* bytes that lie there; more than those of `files` where not all are wanted */
	unsigned round; /* of the draft, in which its files were looked at */
	bool undigested; /* nothing states a digest of any of its files */
	bool partly; /* what is in files is all that is wanted of it */
	bool named; /* by files of it */
	bool of_many_formats; /* a file of it is of none that `formats` may name */
	const char *export; /* NULL: it is not loaded by its path */
};
struct draft {
	struct arena *arena;
	struct tree tree; /* that all paths are of: this machine's, or an unpacked image's */
	const struct signals *signals; /* NULL: nobody asks to stop */
	int stop; /* the signal that asked to */
	const char *hub_cache; /* absolute; NULL: none was met */
	struct drafted_model *models; /* by the bytes of their names */
	size_t count, room;
	const char *left_out; /* of the first repository that cannot be drafted, why; NULL: none */
	size_t left_out_count;
	const char *
	        beside; /* a model's folder, or weights, beside a hub cache that was taken alone; NULL: none */
	const struct model *as; /* only the files that it selects count; NULL: all */
	unsigned round, last_round; /* what follows counts in it: 0 is that all counts */
	const char *only; /* only this file of a model counts; NULL: all */
	const struct identified *opened; /* only these files count; NULL: all */
	size_t opened_count;
	bool is_owned, is_mixed; /* by the owner below, or by several */
	uid_t uid;
	gid_t gid;
	bool named; /* folders or a manifest were, besides */
	bool ran; /* a service, of which it tells */
	const char *ready; /* what the service was ready by; NULL: nobody said */
	const char **notes; /* what a reader should know besides */
	size_t note_count, note_room;
};

/* Of what lies beneath `root`, NULL: on this machine. false: a sentence in `why`. Release it in either case. */
bool draft_begin(struct draft *draft, const char *root, struct text *why);
/*
 * What a word names: its path in the tree without links. Of a file whose own name alone tells its format, as in a cache's
 * snapshot, the last link is not followed. A word that is relative begins at the root of an image.
 */
bool draft_find(const struct draft *draft, const char *word, char real[static PATH_MAX],
                struct stat *st, struct text *why);
/* A hub cache, a repository of one, a snapshot of that, or a folder with a model's files or with several such folders, as draft_find() names it; the name is spent. */
bool draft_take(struct draft *draft, char real[static PATH_MAX], struct text *why);
/*
 * Its part with a repository, models--ORG--NAME; `commit` NULL: that of refs/main, or of the only snapshot. What counts joins
 * what counted before.
 */
bool draft_take_repository(struct draft *draft, const char *cache, const char *directory,
                           const char *commit, struct text *why);
/* A folder with weights, by an absolute path; HAS_A_CACHE: it lies above a hub cache, and nothing of it is taken. */
enum taken { TAKEN, WITHOUT_WEIGHTS, HAS_A_CACHE, NOT_TAKEN };
enum taken draft_take_folder(struct draft *draft, const char *path, struct text *why);
/* One file of weights; of a snapshot it stands for its repository, of which no other file is wanted but those named so. */
bool draft_take_file(struct draft *draft, const char *path, const struct stat *st,
                     struct text *why);
/* Another selection of files counts from here on, and between the two calls alone. */
void draft_select(struct draft *draft);
void draft_select_all(struct draft *draft);
void draft_note(struct draft *draft, const char *sentence);
void draft_finish(struct draft *draft);
/* A copy that lives as long as the draft. */
const char *draft_keep(struct draft *draft, const char *text);
void draft_release(struct draft *draft);
/* A name that means itself in a policy and a Dockerfile; as an element: as a pattern in a list between commas and bars, too. */
bool draft_is_plain(const char *path);
bool draft_is_element(const char *path);
/* The policy; `lock`: it has a lock file beside it. */
void draft_write(const struct draft *draft, bool lock, FILE *out);

#endif
