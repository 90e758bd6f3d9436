/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/drafting.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/dir.h"
#include "base/file.h"
#include "base/scan.h"
#include "engine/locate.h"
#include "formats/formats.h"
#include "hub/cache.h"
#include "process/signals.h"
#include "service/observer.h"
#include "util.h"

#define SECTION_NAME_BYTES 43u /* with "model " in front, and a NUL: what inih keeps */
#define NAMELESS "a policy cannot name it as it is; rename it, or a folder above it"

bool draft_begin(struct draft *draft, const char *root, struct text *why)
{
	int error;

	memset(draft, 0, sizeof(*draft));
	draft->arena = arena_new();
	error = tree_init(&draft->tree, root);
	if (error != 0)
		text_addf(why, "--root %s cannot be opened: %s", root, strerror(-error));
	else if (draft->arena == NULL)
		text_add(why, "out of memory");
	return error == 0 && draft->arena != NULL;
}

void draft_release(struct draft *draft)
{
	for (size_t i = 0; i < draft->count; i++)
		free(draft->models[i].files);
	free(draft->models);
	free(draft->notes);
	arena_free(draft->arena);
	tree_release(&draft->tree);
}

const char *draft_keep(struct draft *draft, const char *text)
{
	const char *copy = arena_copy(draft->arena, text, strlen(text));

	return copy == NULL ? "" : copy;
}

void draft_note(struct draft *draft, const char *sentence)
{
	if (ARRAY_MAKE_ROOM(draft->notes, draft->note_count, draft->note_room))
		draft->notes[draft->note_count++] = draft_keep(draft, sentence);
}

/* Files */

struct listing {
	struct draft *draft;
	struct drafted_model *model;
	const char *commit; /* of the snapshot that was looked at; NULL: none */
	size_t dangling; /* links that lead nowhere */
	const char
	        *cache; /* a repository's directory of a hub cache that lies within; NULL: none */
};

static void take_owner(struct draft *draft, const struct stat *st)
{
	if (!draft->is_owned)
		draft->uid = st->st_uid, draft->gid = st->st_gid;
	else if (draft->uid != st->st_uid || draft->gid != st->st_gid)
		draft->is_mixed = true;
	draft->is_owned = true;
}

static bool is_stopped(struct draft *draft)
{
	if (draft->signals != NULL && draft->stop == 0)
		draft->stop = signals_stop_request(draft->signals);
	return draft->stop != 0;
}

/* Or another part of the same split GGUF. */
static bool is_same(const char *one, const char *other)
{
	char first[MAX_PATH_BYTES], others[MAX_PATH_BYTES];

	return strcmp(one, other) == 0 || (split_first(one, first) && split_first(other, others) &&
	                                   strcmp(first, others) == 0);
}

static enum dir_step take_file(void *context, const char *path, const struct stat *st)
{
	struct listing *listing = context;
	struct drafted_model *model = listing->model;

	if (is_stopped(listing->draft))
		return DIR_END;
	if (strcmp(path, ".git") == 0 || strcmp(path, ".cache") == 0)
		return DIR_PASS_BY;
	if (S_ISDIR(st->st_mode) && strncmp(path_name(path), "models--", 8) == 0) {
		listing->cache = draft_keep(listing->draft, path);
		return DIR_END;
	}
	listing->dangling += S_ISLNK(st->st_mode);
	if (!S_ISREG(st->st_mode))
		return DIR_ON;
	model->there += (uint64_t)st->st_size;
	if ((listing->draft->as != NULL && !model_selects(listing->draft->as, path)) ||
	    (listing->draft->only != NULL && !is_same(listing->draft->only, path)) ||
	    (listing->draft->opened != NULL &&
	     !identified_has(listing->draft->opened, listing->draft->opened_count, st)))
		return DIR_ON;
	if (model->count >= MAX_FILES_PER_MODEL ||
	    !ARRAY_MAKE_ROOM(model->files, model->count, model->room))
		return DIR_END;
	model->files[model->count++] =
	        (struct drafted_file){ .path = draft_keep(listing->draft, path),
		                       .size = (uint64_t)st->st_size };
	take_owner(listing->draft, st);
	return DIR_ON;
}

/* Models */

static struct drafted_model *add_model(struct draft *draft)
{
	if (!ARRAY_MAKE_ROOM(draft->models, draft->count, draft->room))
		return NULL;
	draft->models[draft->count] = (struct drafted_model){ .name = "" };
	return &draft->models[draft->count++];
}

/* models--ORG--NAME -> "ORG/NAME"; false: it is the name of no repository of models. */
static bool repo_of(const char *directory, char *out, size_t size)
{
	struct text text = text_over(out, size);
	const char *at = directory + strlen("models--");

	if (strncmp(directory, "models--", 8) != 0)
		return false;
	for (const char *dashes; (dashes = strstr(at, "--")) != NULL; at = dashes + 2) {
		text_add_bytes(&text, at, (size_t)(dashes - at));
		text_add(&text, "/");
	}
	text_add(&text, at);
	return !text.cut && repo_id_fault(out) == NULL;
}

/* The first that the directory has is `first`. */
static size_t count_snapshots(int repo_fd, char first[static COMMIT_HEX + 1])
{
	CLEANUP(dir_close) struct dir dir = dir_open(repo_fd, "snapshots", MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;
	size_t count = 0;

	while ((entry = dir_next(&dir)) != NULL)
		if (revision_is_commit(entry->d_name) && count++ == 0)
			memcpy(first, entry->d_name, COMMIT_HEX + 1);
	return count;
}

/* The commit of refs/main, or of the only snapshot. */
static bool commit_of(const struct draft *draft, int repo_fd, char commit[static COMMIT_HEX + 1])
{
	const struct model_place place = { .repo_fd = repo_fd };
	char ref[COMMIT_HEX + 2]; /* one more byte is too many: no library takes it */

	commit[0] = '\0';
	hub_cache_ref_text(&draft->tree, &place, "main", ref, sizeof(ref));
	if (!revision_is_commit(ref))
		return count_snapshots(repo_fd, commit) == 1;
	memcpy(commit, ref, COMMIT_HEX + 1);
	return true;
}

/* A model of which no file counts is none. */
static void drop_last(struct draft *draft)
{
	free(draft->models[--draft->count].files);
}

/* `commit` NULL: of any. NULL: it was not taken yet. */
static struct drafted_model *find_taken(const struct draft *draft, const char *repo,
                                        const char *commit)
{
	for (size_t i = 0; i < draft->count; i++)
		if (draft->models[i].repo != NULL && strcmp(draft->models[i].repo, repo) == 0 &&
		    (commit == NULL || strcmp(draft->models[i].commit, commit) == 0))
			return &draft->models[i];
	return NULL;
}

static bool has_file(const struct drafted_model *model, const char *path)
{
	for (size_t i = 0; i < model->count; i++)
		if (strcmp(model->files[i].path, path) == 0)
			return true;
	return false;
}

void draft_select(struct draft *draft)
{
	draft->round = ++draft->last_round;
}

void draft_select_all(struct draft *draft)
{
	draft->round = 0;
	draft->only = NULL;
	draft->as = NULL;
	draft->opened = NULL;
}

/* Whether only some files count, and each of them does. */
static bool is_partial(const struct draft *draft)
{
	return draft->opened != NULL || draft->only != NULL ||
	       (draft->as != NULL && draft->as->files.count > 0);
}

static bool set_cache(struct draft *draft, const char *cache, struct text *why)
{
	if (!draft_is_plain(cache)) {
		text_addf(why, "%s: " NAMELESS, cache);
		return false;
	}
	if (draft->hub_cache != NULL && strcmp(draft->hub_cache, cache) != 0) {
		text_addf(why, "%s and %s are two caches; a policy has one", draft->hub_cache,
		          cache);
		return false;
	}
	draft->hub_cache = draft_keep(draft, cache);
	return true;
}

static void take_snapshot(struct listing *listing, const char *repository, const char *commit)
{
	char snapshots[MAX_PATH_BYTES], snapshot[MAX_PATH_BYTES];

	if (!path_join(snapshots, sizeof(snapshots), repository, "snapshots") ||
	    !path_join(snapshot, sizeof(snapshot), snapshots, commit))
		return;
	listing->commit = commit;
	listing->model->there = 0;
	listing->model->commit = draft_keep(listing->draft, commit);
	dir_walk(&listing->draft->tree, snapshot, take_file, listing);
}

/* Of two commits that have as much: `main`, "" where there is none, or else the first by name. */
static bool goes_before(const char *one, const char *other, const char *main)
{
	if (strcmp(one, main) == 0 || strcmp(other, main) == 0)
		return strcmp(one, main) == 0;
	return strcmp(one, other) < 0;
}

/* The one that has most of what was opened: refs/main, or else the first by name, where several have as much. */
static void choose_opened(struct listing *listing, const char *repository, int fd,
                          char commit[static COMMIT_HEX + 1])
{
	CLEANUP(dir_close)
	struct dir dir = dir_open(fd, "snapshots", MAX_DIRECTORY_ENTRIES);
	char main[COMMIT_HEX + 1];
	struct dirent *entry;
	size_t best = 0;

	if (!commit_of(listing->draft, fd, main))
		main[0] = '\0';
	commit[0] = '\0';
	while (!is_stopped(listing->draft) && (entry = dir_next(&dir)) != NULL) {
		size_t count;

		if (!revision_is_commit(entry->d_name))
			continue;
		take_snapshot(listing, repository, entry->d_name);
		count = listing->model->count;
		listing->model->count = 0;
		if (count > best ||
		    (count > 0 && count == best && goes_before(entry->d_name, commit, main))) {
			memcpy(commit, entry->d_name, COMMIT_HEX + 1);
			best = count;
		}
	}
}

/* Of what was opened by a blob's own name, the one that has most of it. */
static bool find_commit(struct listing *listing, const char *repository,
                        char commit[static COMMIT_HEX + 1])
{
	CLEANUP(cleanup_fd)
	int fd = tree_open(&listing->draft->tree, repository, O_RDONLY | O_DIRECTORY);
	struct drafted_model tried = { .name = "" };

	if (fd < 0)
		return false;
	if (listing->draft->opened == NULL)
		return commit_of(listing->draft, fd, commit);
	listing->model = &tried;
	choose_opened(listing, repository, fd, commit);
	listing->model = NULL;
	free(tried.files);
	return commit[0] != '\0';
}

static bool has_snapshot(int repo_fd, const char *commit)
{
	char path[sizeof("snapshots/") + COMMIT_HEX];
	struct text text = TEXT_OVER(path);

	text_addf(&text, "snapshots/%s", commit);
	return has_name(repo_fd, path);
}

/* The first is told, and how many more there are. */
static void leave_out(struct draft *draft, const char *repository, const struct listing *listing)
{
	CLEANUP(cleanup_fd) int fd = tree_open(&draft->tree, repository, O_RDONLY | O_DIRECTORY);
	char sentence[2 * MAX_PATH_BYTES], first[COMMIT_HEX + 1];
	struct text text = TEXT_OVER(sentence);
	size_t count = count_snapshots(fd, first);

	if (draft->left_out_count++ > 0)
		return;
	text_add(&text, repository);
	if (listing->dangling > 0)
		text_add(
		        &text,
		        " has links to files that are not there: copy the whole hub cache, blobs with it");
	else if (count == 0)
		text_add(&text, " has no snapshot: it was never fetched whole");
	else if (listing->commit != NULL && has_snapshot(fd, listing->commit))
		text_add(&text, " has an empty snapshot");
	else if (listing->commit != NULL)
		text_addf(&text, " has no snapshot %s; name the folder of one, snapshots/COMMIT",
		          listing->commit);
	else
		text_addf(
		        &text,
		        " has %zu snapshots, and no refs/main that says which is meant; name the folder of one, snapshots/COMMIT",
		        count);
	draft->left_out = draft_keep(draft, sentence);
}

/* What counts of it joins what counted before. false: out of memory. */
static bool take_commit(struct listing *listing, const char *path, const char *repo,
                        const char *commit)
{
	struct draft *draft = listing->draft;
	struct drafted_model *model = find_taken(draft, repo, commit);

	if (model == NULL) {
		model = add_model(draft);
		if (model == NULL)
			return false;
		model->repo = draft_keep(draft, repo);
		model->partly = true;
		model->named = draft->only != NULL;
	} else if (model->round == draft->round) {
		listing->model = model;
		return true;
	}
	listing->model = model;
	model->round = draft->round;
	model->partly &= is_partial(draft);
	take_snapshot(listing, path, commit);
	return true;
}

bool draft_take_repository(struct draft *draft, const char *cache, const char *directory,
                           const char *commit, struct text *why)
{
	char path[MAX_PATH_BYTES], repo[MAX_NAME_BYTES], found[COMMIT_HEX + 1];
	struct listing listing = { .draft = draft };

	if (!repo_of(directory, repo, sizeof(repo)) ||
	    !path_join(path, sizeof(path), cache, directory))
		return true;
	if (draft->hub_cache != NULL && !set_cache(draft, cache, why))
		return false;
	/* Another file of it does not say which commit. */
	if (commit == NULL && draft->opened != NULL && find_taken(draft, repo, NULL) != NULL)
		return true;
	if (commit == NULL && find_commit(&listing, path, found))
		commit = found;
	if (commit != NULL && !take_commit(&listing, path, repo, commit)) {
		text_add(why, "out of memory");
		return false;
	}
	if (listing.model != NULL && listing.model->count > 0)
		return set_cache(draft, cache, why);
	if (listing.model != NULL)
		drop_last(draft);
	if (draft->opened == NULL && draft->as == NULL && draft->only == NULL)
		leave_out(draft, path, &listing);
	return true;
}

/* *any: whether anything of it is a repository's directory. */
static bool take_cache(struct draft *draft, const char *cache, bool *any, struct text *why)
{
	CLEANUP(dir_close)
	struct dir dir = dir_over(tree_open(&draft->tree, cache, O_RDONLY | O_DIRECTORY),
	                          MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;

	*any = false;
	while (!is_stopped(draft) && (entry = dir_next(&dir)) != NULL)
		if (strncmp(entry->d_name, "models--", 8) == 0) {
			*any = true;
			if (!draft_take_repository(draft, cache, entry->d_name, NULL, why))
				return false;
		}
	return true;
}

static bool is_of_weights(const char *path)
{
	const struct format *format = format_by_name(path);

	return format != NULL && format->weights;
}

static struct drafted_model *add_folder(struct draft *draft, const char *path, struct text *why)
{
	struct drafted_model *model = add_model(draft);

	if (model == NULL) {
		text_add(why, "out of memory");
		return NULL;
	}
	model->partly = is_partial(draft);
	model->path = draft_keep(draft, path);
	return model;
}

enum taken draft_take_folder(struct draft *draft, const char *path, struct text *why)
{
	struct listing listing = { .draft = draft };
	bool weights = false;

	if (strcmp(path, "/") == 0) {
		text_add(why, "/ is not a model's directory: name the one that has it");
		return NOT_TAKEN;
	}
	for (size_t i = 0; i < draft->count; i++)
		if (draft->models[i].path != NULL && path_is_beneath(path, draft->models[i].path))
			return TAKEN;
	listing.model = add_folder(draft, path, why);
	if (listing.model == NULL)
		return NOT_TAKEN;
	dir_walk(&draft->tree, path, take_file, &listing);
	for (size_t i = 0; i < listing.model->count; i++)
		weights |= is_of_weights(listing.model->files[i].path);
	if (listing.cache != NULL || !weights)
		drop_last(draft);
	if (listing.cache != NULL)
		text_addf(why, "%s has a hub cache in it (%s): name that", path, listing.cache);
	return listing.cache != NULL ? HAS_A_CACHE : weights ? TAKEN : WITHOUT_WEIGHTS;
}

static bool say_taken(enum taken taken, const char *path, struct text *why)
{
	if (taken == WITHOUT_WEIGHTS)
		text_addf(why, "%s holds neither a hub cache nor a model's weights", path);
	return taken == TAKEN;
}

static bool take_file_of_snapshot(struct draft *draft, const char *path,
                                  const struct cache_path *parts, struct text *why)
{
	char cache[PATH_MAX], directory[MAX_NAME_BYTES], repo[MAX_NAME_BYTES];
	struct text in = TEXT_OVER(cache), name = TEXT_OVER(directory);
	const struct drafted_model *model;
	bool well;

	text_add_bytes(&in, path, parts->cache);
	text_add_bytes(&name, parts->repository, parts->repository_length);
	if (in.cut || name.cut || !repo_of(directory, repo, sizeof(repo))) {
		text_addf(why, "%s lies in no repository that a policy can name", path);
		return false;
	}
	draft_select(draft);
	draft->only = parts->file;
	well = draft_take_repository(draft, cache, directory, parts->commit, why);
	draft_select_all(draft);
	model = find_taken(draft, repo, parts->commit);
	if (well && (model == NULL || !has_file(model, parts->file))) {
		text_addf(why, "%s is not among the files of its repository that libraries load",
		          path);
		return false;
	}
	return well;
}

bool draft_take_file(struct draft *draft, const char *path, const struct stat *st, struct text *why)
{
	struct listing listing = { .draft = draft };
	struct cache_path parts;

	if (!is_of_weights(path)) {
		text_addf(why, "%s is not a file of weights", path);
		return false;
	}
	if (cache_path_read(path, &parts) && parts.file != NULL)
		return take_file_of_snapshot(draft, path, &parts, why);
	for (size_t i = 0; i < draft->count; i++)
		if (draft->models[i].path != NULL && strcmp(draft->models[i].path, path) == 0)
			return true;
	listing.model = add_folder(draft, path, why);
	return listing.model != NULL && take_file(&listing, path_name(path), st) == DIR_ON;
}

static bool has_name_in(const struct draft *draft, const char *folder, const char *name)
{
	char path[MAX_PATH_BYTES];
	struct stat st;

	return path_join(path, sizeof(path), folder, name) &&
	       tree_stat(&draft->tree, path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Folders of models beside each other: none of what makes a model lies in the folder itself, but a config.json in one beneath. */
static bool is_shelf(const struct draft *draft, const char *folder)
{
	CLEANUP(dir_close)
	struct dir dir = dir_over(tree_open(&draft->tree, folder, O_RDONLY | O_DIRECTORY),
	                          MAX_DIRECTORY_ENTRIES);
	char path[MAX_PATH_BYTES];
	struct dirent *entry;
	bool any = false;

	while ((entry = dir_next(&dir)) != NULL) {
		if (is_of_weights(entry->d_name) || path_ends(entry->d_name, ".json"))
			return false;
		any |= path_join(path, sizeof(path), folder, entry->d_name) &&
		       has_name_in(draft, path, "config.json");
	}
	return any;
}

/* Those without weights are none of models. */
static enum taken take_shelf(struct draft *draft, const char *folder, struct text *why)
{
	CLEANUP(dir_close)
	struct dir dir = dir_over(tree_open(&draft->tree, folder, O_RDONLY | O_DIRECTORY),
	                          MAX_DIRECTORY_ENTRIES);
	size_t before = draft->count;
	char path[MAX_PATH_BYTES];
	struct dirent *entry;
	struct stat st;

	while (!is_stopped(draft) && (entry = dir_next(&dir)) != NULL) {
		if (fstatat(dir_fd(&dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISDIR(st.st_mode) || entry->d_name[0] == '.' ||
		    !path_join(path, sizeof(path), folder, entry->d_name))
			continue;
		if (!draft_is_plain(path)) {
			text_addf(why, "%s: " NAMELESS, path);
			return NOT_TAKEN;
		}
		if (draft_take_folder(draft, path, why) >= HAS_A_CACHE)
			return NOT_TAKEN;
	}
	return draft->count > before ? TAKEN : WITHOUT_WEIGHTS;
}

static bool is_plain(const char *path, const char *others)
{
	for (const char *at = path; *at != '\0';) {
		size_t length = scan_utf8((const unsigned char *)at, strlen(at));

		if (length == 0 || (unsigned char)*at < 0x20 || strchr(others, *at) != NULL)
			return false;
		at += length;
	}
	return path[0] != ' ' && path[0] != '\0' && path[strlen(path) - 1] != ' ';
}

bool draft_is_plain(const char *path)
{
	return is_plain(path, "*?[;#\"$");
}

bool draft_is_element(const char *path)
{
	return is_plain(path, "*?[;#\"$,|");
}

static int open_word(const struct draft *draft, const char *word)
{
	char path[MAX_PATH_BYTES];
	int fd;

	if (draft->tree.root_fd >= 0)
		return path_join(path, sizeof(path), "/", word) ?
		               tree_open(&draft->tree, path, O_PATH) :
		               -ENAMETOOLONG;
	fd = open(word, O_PATH | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static bool find(const struct draft *draft, const char *word, char real[static PATH_MAX],
                 struct stat *st, struct text *why)
{
	CLEANUP(cleanup_fd) int fd = open_word(draft, word);
	char root[PATH_MAX] = "";

	if (fd < 0 || fstat(fd, st) != 0) {
		text_addf(why, "%s cannot be opened: %s", word, strerror(fd < 0 ? -fd : errno));
		return false;
	}
	descriptor_name(fd, real, PATH_MAX);
	if (real[0] != '/') {
		text_addf(why, "%s: its name is unknown without /proc", word);
		return false;
	}
	if (draft->tree.root_fd >= 0)
		descriptor_name(draft->tree.root_fd, root, sizeof(root));
	if (strcmp(root, "/") != 0 && path_is_beneath(real, root))
		memmove(real, real + strlen(root), strlen(real + strlen(root)) + 1);
	if (real[0] == '\0')
		memcpy(real, "/", 2);
	return true;
}

/* Beneath the folder that it is named in. */
static bool name_by_itself(const struct draft *draft, const char *word, char real[static PATH_MAX],
                           struct text *why)
{
	char parent[PATH_MAX], folder[PATH_MAX];
	struct text text = TEXT_OVER(parent);
	struct stat st;

	text_add_bytes(&text, word, (size_t)(path_name(word) - word));
	return !text.cut && find(draft, text.length == 0 ? "." : parent, folder, &st, why) &&
	       path_join(real, PATH_MAX, folder, path_name(word));
}

bool draft_find(const struct draft *draft, const char *word, char real[static PATH_MAX],
                struct stat *st, struct text *why)
{
	if (!find(draft, word, real, st, why))
		return false;
	if (S_ISREG(st->st_mode) && format_by_name(real) == NULL && format_by_name(word) != NULL &&
	    !name_by_itself(draft, word, real, why))
		return false;
	if (st->st_nlink == 0)
		text_addf(why, "%s is not there any more", word);
	else if (!draft_is_plain(real))
		text_addf(why, "%s: " NAMELESS, real);
	return why->length == 0;
}

/* HF_HOME, or whatever has a hub in it: the cache alone was meant, perhaps. */
static void note_beside(struct draft *draft, const char *folder)
{
	CLEANUP(dir_close)
	struct dir dir = dir_over(tree_open(&draft->tree, folder, O_RDONLY | O_DIRECTORY),
	                          MAX_DIRECTORY_ENTRIES);
	char path[MAX_PATH_BYTES];
	struct dirent *entry;

	while (draft->beside == NULL && (entry = dir_next(&dir)) != NULL)
		if (path_join(path, sizeof(path), folder, entry->d_name) &&
		    (is_of_weights(path) || has_name_in(draft, path, "config.json")))
			draft->beside = draft_keep(draft, path);
}

bool draft_take(struct draft *draft, char real[static PATH_MAX], struct text *why)
{
	char hub[PATH_MAX], *name = strrchr(real, '/');
	struct cache_path parts;
	bool any;

	if (cache_path_read(real, &parts) && parts.commit[0] != '\0' && parts.file == NULL) {
		real[parts.cache] = real[parts.cache + 1 + parts.repository_length] = '\0';
		return draft_take_repository(draft, real, real + parts.cache + 1, parts.commit,
		                             why);
	}
	if (strncmp(name + 1, "models--", 8) == 0) {
		*name = '\0';
		return draft_take_repository(draft, real, name + 1, NULL, why);
	}
	if (!take_cache(draft, real, &any, why))
		return false;
	/* HF_HOME, whose cache is hub. */
	if (!any && path_join(hub, sizeof(hub), real, "hub") && !take_cache(draft, hub, &any, why))
		return false;
	if (any) {
		note_beside(draft, real);
		return true;
	}
	return say_taken(is_shelf(draft, real) ? take_shelf(draft, real, why) :
	                                         draft_take_folder(draft, real, why),
	                 real, why);
}

/* Names and choices */

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct drafted_file *)a)->path,
	              ((const struct drafted_file *)b)->path);
}

/* What it is called by nobody but itself. */
static const char *whole_name(const struct drafted_model *model)
{
	return model->repo != NULL ? model->repo : model->path + 1;
}

static int by_whole_name(const void *a, const void *b)
{
	const struct drafted_model *one = a, *other = b;
	int order = strcmp(whole_name(one), whole_name(other));

	return order != 0 || one->commit == NULL || other->commit == NULL ?
	               order :
	               strcmp(one->commit, other->commit);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct drafted_model *)a)->name,
	              ((const struct drafted_model *)b)->name);
}

/* Letters, digits and what a section's name may have besides; no longer than a section's name may be. */
static const char *section_name(struct draft *draft, const char *from, size_t number)
{
	char name[SECTION_NAME_BYTES];
	struct text text = TEXT_OVER(name);

	for (; *from != '\0' && text.length + sizeof("-1000") < sizeof(name); from++)
		text_add_bytes(&text,
		               scan_is_name(*from) || strchr("-./", *from) != NULL ? from : "_", 1);
	if (number > 1)
		text_addf(&text, "-%zu", number);
	return draft_keep(draft, text.length == 0 ? "model" : name);
}

static bool is_taken(const struct draft *draft, const struct drafted_model *model, const char *name)
{
	for (const struct drafted_model *other = draft->models;
	     other < draft->models + draft->count; other++)
		if (other != model && strcmp(path_name(whole_name(other)), name) == 0)
			return true;
	return false;
}

static bool has(const struct drafted_model *model, const char *ending)
{
	for (size_t i = 0; i < model->count; i++)
		if (format_has_ending(model->files[i].path, ending))
			return true;
	return false;
}

/* Where safetensors lie beside the same weights of other frameworks, these are left out. */
static void choose(struct drafted_model *model)
{
	bool safetensors = has(model, ".safetensors");

	for (size_t i = 0; safetensors && i < model->count; i++) {
		const char *name = path_name(model->files[i].path);

		model->files[i].excluded = strcmp(name, "pytorch_model.bin") == 0 ||
		                           strcmp(name, "tf_model.h5") == 0 ||
		                           strcmp(name, "flax_model.msgpack") == 0 ||
		                           strcmp(name, "rust_model.ot") == 0;
	}
}

static bool is_named(const struct draft *draft, const char *name)
{
	for (size_t i = 0; i < draft->count; i++)
		if (strcmp(draft->models[i].name, name) == 0)
			return true;
	return false;
}

/* By its last part, by the whole where two have that, and by a number where even this is cut short. */
static void name_model(struct draft *draft, struct drafted_model *model)
{
	const char *whole = whole_name(model), *last = path_name(whole);
	const char *from = is_taken(draft, model, last) ? whole : last;
	const char *name = section_name(draft, from, 1);

	for (size_t number = 2; is_named(draft, name) && number < 1000; number++)
		name = section_name(draft, strlen(from) < SECTION_NAME_BYTES ? from : last, number);
	model->name = name;
}

static bool is_exported(const struct draft *draft, const char *name)
{
	for (size_t i = 0; i < draft->count; i++)
		if (draft->models[i].export != NULL && strcmp(draft->models[i].export, name) == 0)
			return true;
	return false;
}

/*
 * No variable that means anything to anybody else, whatever the repository is called: MODEL_NAME_PATH, with a number
 * where another model has that. For llama.cpp, CTranslate2 and whoever loads from a folder.
 */
static void name_export(struct draft *draft, struct drafted_model *model)
{
	char name[2 * SECTION_NAME_BYTES];

	if (model->path == NULL && !has(model, ".gguf"))
		return;
	for (size_t number = 0; model->export == NULL && number < 1000; number++) {
		struct text text = TEXT_OVER(name);

		text_add(&text, "MODEL_");
		for (const char *at = path_name(model->name); *at != '\0'; at++) {
			char c = (char)(*at >= 'a' && *at <= 'z' ? *at - ('a' - 'A') : *at);

			text_add_bytes(&text, scan_is_name(*at) ? &c : "_", 1);
		}
		if (number > 0)
			text_addf(&text, "_%zu", number);
		text_add(&text, "_PATH");
		if (!is_exported(draft, name))
			model->export = draft_keep(draft, name);
	}
}

/* Each once: several may have asked for it. */
static void sort_files(struct drafted_model *model)
{
	size_t kept = 0;

	if (model->count > 1)
		qsort(model->files, model->count, sizeof(model->files[0]), by_path);
	for (size_t i = 0; i < model->count; i++)
		if (kept == 0 || strcmp(model->files[kept - 1].path, model->files[i].path) != 0)
			model->files[kept++] = model->files[i];
	model->count = kept;
}

void draft_finish(struct draft *draft)
{
	if (draft->count > 1)
		qsort(draft->models, draft->count, sizeof(draft->models[0]), by_whole_name);
	for (size_t i = 0; i < draft->count; i++) {
		struct drafted_model *model = &draft->models[i];

		name_model(draft, model);
		sort_files(model);
		if (!model->partly)
			choose(model);
	}
	if (draft->count > 1)
		qsort(draft->models, draft->count, sizeof(draft->models[0]), by_name);
	for (size_t i = 0; i < draft->count; i++)
		name_export(draft, &draft->models[i]);
}
