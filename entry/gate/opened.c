/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/opened.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/dir.h"
#include "formats/formats.h"
#include "hub/cache.h"
#include "util.h"

#define MAX_NOTES 64u /* of each kind */
#define MAX_LEVELS_UP 4u /* from weights in a component to the model that has it */

/* Hub caches */

struct place {
	struct cache_path parts;
	char real[PATH_MAX], cache[PATH_MAX], directory[MAX_NAME_BYTES];
};

/* Of the directory that a file is named in, without links. */
static bool real_parent(const char *path, char real[static PATH_MAX])
{
	char parent[PATH_MAX];
	struct text text = TEXT_OVER(parent);

	text_add_bytes(&text, path, (size_t)(path_name(path) - path));
	return !text.cut && realpath(parent, real) != NULL;
}

/* By its own name, or where a link to a snapshot leads. */
static bool place_of_path(struct place *place, const char *path)
{
	struct text cache = TEXT_OVER(place->cache), directory = TEXT_OVER(place->directory);
	char real[PATH_MAX];

	if (!cache_path_read(path, &place->parts)) {
		if (!real_parent(path, real) ||
		    !path_join(place->real, sizeof(place->real), real, path_name(path)) ||
		    !cache_path_read(place->real, &place->parts))
			return false;
		path = place->real;
	}
	text_add_bytes(&cache, path, place->parts.cache);
	text_add_bytes(&directory, place->parts.repository, place->parts.repository_length);
	return !cache.cut && !directory.cut;
}

/* First those by their snapshot: another file of a repository does not say which. */
static bool take_repositories(struct draft *draft, const struct observer *observer, bool by_commit,
                              struct text *why)
{
	for (size_t i = 0; i < observer->file_count; i++) {
		struct place place;
		char real[PATH_MAX];
		struct stat st;

		if (!observer->files[i].opened || !place_of_path(&place, observer->files[i].path) ||
		    (place.parts.file != NULL) != by_commit ||
		    stat(observer->files[i].path, &st) != 0 || !S_ISREG(st.st_mode) ||
		    realpath(place.cache, real) == NULL)
			continue;
		if (!draft_take_repository(draft, real, place.directory,
		                           by_commit ? place.parts.commit : NULL, why))
			return false;
	}
	return true;
}

/* Folders */

static bool is_in(const char *directory, const char *name)
{
	char path[MAX_PATH_BYTES];
	struct stat st;

	return path_join(path, sizeof(path), directory, name) && stat(path, &st) == 0;
}

static bool lists_components(const char *directory)
{
	return is_in(directory, "modules.json") || is_in(directory, "model_index.json");
}

/* Weights in a component belong to the model whose list of components lies above. */
static void climb(char *directory)
{
	char above[PATH_MAX];

	memcpy(above, directory, strlen(directory) + 1);
	for (unsigned i = 0; i < MAX_LEVELS_UP; i++) {
		char *slash = strrchr(above, '/');

		if (slash == NULL || slash == above)
			return;
		*slash = '\0';
		if (lists_components(above))
			memcpy(directory, above, strlen(above) + 1);
	}
}

struct folders {
	char **at;
	size_t count, room;
};

/* Python's *.pth there are lines of paths (site). */
static bool is_path_configuration(const char *directory)
{
	const char *name = path_name(directory);

	return strcmp(name, "site-packages") == 0 || strcmp(name, "dist-packages") == 0;
}

/* A *.bin or *.pth alone may be anything: there is a configuration beside it, or the format is one of models alone. */
static bool is_certain(const struct format *format, const char *directory)
{
	return format_is_certain(format) || is_in(directory, "config.json") ||
	       lists_components(directory);
}

static void take_weights(struct folders *folders, const char *path)
{
	const struct format *format = format_by_name(path);
	struct place place;
	char real[PATH_MAX], *copy;
	struct stat st;

	if (format == NULL || !format->weights || place_of_path(&place, path) ||
	    stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	if (!real_parent(path, real) || is_path_configuration(real))
		return;
	climb(real);
	if (!is_certain(format, real))
		return;
	copy = strdup(real);
	if (copy != NULL && ARRAY_MAKE_ROOM(folders->at, folders->count, folders->room))
		folders->at[folders->count++] = copy;
	else
		free(copy);
}

/* The folder lies above a hub cache: what was opened in it is taken file by file. */
static bool take_files_in(struct draft *draft, const struct observer *observer, const char *folder,
                          struct text *why)
{
	bool well = true;

	for (size_t i = 0; i < observer->file_count && well; i++) {
		const char *path = observer->files[i].path;
		const struct format *format = format_by_name(path);
		char real[PATH_MAX], own[PATH_MAX];
		struct place place;
		struct stat st;

		if (!observer->files[i].opened || format == NULL || !format->weights ||
		    place_of_path(&place, path) || !real_parent(path, real) ||
		    !path_is_beneath(real, folder) ||
		    !path_join(own, sizeof(own), real, path_name(path)) || stat(own, &st) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (draft_is_plain(own))
			well = draft_take_file(draft, own, &st, why);
		else
			draft_note(draft,
			           "a file that it loads has a name that no policy can have");
	}
	return well;
}

static bool take_folder(struct draft *draft, const struct observer *observer, const char *folder,
                        struct text *why)
{
	size_t said = why->length;
	enum taken taken = draft_take_folder(draft, folder, why);

	if (taken != HAS_A_CACHE)
		return taken != NOT_TAKEN;
	text_shorten(why, said);
	return take_files_in(draft, observer, folder, why);
}

static bool take_folders(struct draft *draft, const struct observer *observer, struct text *why)
{
	struct folders folders = { 0 };
	bool well = true;

	/* What lies above comes first: what is beneath a folder that is taken is a part of that. */
	for (size_t i = 0; i < observer->file_count; i++)
		if (observer->files[i].opened)
			take_weights(&folders, observer->files[i].path);
	if (folders.count > 1)
		qsort(folders.at, folders.count, sizeof(folders.at[0]), text_order);
	for (size_t i = 0; i < folders.count && well; i++)
		if (i > 0 && strcmp(folders.at[i], folders.at[i - 1]) == 0)
			continue;
		else if (strcmp(folders.at[i], "/") != 0 && draft_is_plain(folders.at[i]))
			well = take_folder(draft, observer, folders.at[i], why);
		else
			draft_note(
			        draft,
			        "a folder that it loads from has a name that no policy can have");
	for (size_t i = 0; i < folders.count; i++)
		free(folders.at[i]);
	free(folders.at);
	return well;
}

/* Notes */

static void note_attempts(struct draft *draft, const struct observer *observer)
{
	for (size_t i = 0; i < observer->attempt_count && i < MAX_NOTES; i++) {
		const struct attempt *attempt = &observer->attempts[i];
		char sentence[512];
		struct text text = TEXT_OVER(sentence);

		if (attempt->kind == ATTEMPT_NAME)
			text_addf(&text, "it asked DNS for %s", attempt->host);
		else
			text_addf(&text, "it reached out to %s, port %u", attempt->host,
			          attempt->port);
		draft_note(draft, sentence);
	}
}

/* Of a repository that is not here at all, that; of one that is here, the file. */
static void note_absent(struct draft *draft, const struct observer *observer)
{
	size_t noted = 0;

	for (size_t i = 0; i < observer->file_count && noted < MAX_NOTES; i++) {
		const char *path = observer->files[i].path;
		char sentence[MAX_PATH_BYTES + 64];
		struct text text = TEXT_OVER(sentence);
		struct place place;
		struct stat st;

		if (stat(path, &st) == 0 || !place_of_path(&place, path) ||
		    path_name(place.cache)[0] == '.')
			continue;
		if (!is_in(place.cache, place.directory))
			text_addf(&text, "it looked for %s, which is not in %s", place.directory,
			          place.cache);
		else if (place.parts.file != NULL)
			text_addf(&text, "it looked for %s in %s, which has none", place.parts.file,
			          place.directory);
		else
			continue;
		draft_note(draft, sentence);
		noted++;
	}
}

static void sort_notes(struct draft *draft, size_t from)
{
	size_t kept = from;

	if (draft->note_count - from > 1)
		qsort(draft->notes + from, draft->note_count - from, sizeof(draft->notes[0]),
		      text_order);
	for (size_t i = from; i < draft->note_count; i++)
		if (kept == from || strcmp(draft->notes[kept - 1], draft->notes[i]) != 0)
			draft->notes[kept++] = draft->notes[i];
	draft->note_count = kept;
}

bool draft_take_opened(struct draft *draft, const struct observer *observer, struct text *why)
{
	size_t count, before = draft->note_count;
	struct identified *opened = observer_identify(observer, &count);
	bool well = opened != NULL;

	if (!well)
		text_add(why, "out of memory");
	draft_select(draft);
	draft->opened = opened;
	draft->opened_count = count;
	well = well && take_repositories(draft, observer, true, why) &&
	       take_repositories(draft, observer, false, why) && take_folders(draft, observer, why);
	draft_select_all(draft);
	free(opened);
	note_attempts(draft, observer);
	note_absent(draft, observer);
	if (observer->hidden > 0 || observer->moved || observer->files_left_out > 0)
		draft_note(draft, "some of what it did could not be seen: it may have opened more");
	sort_notes(draft, before);
	return well;
}
