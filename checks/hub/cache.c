/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/cache.h"

#include <fcntl.h>
#include <string.h>

#include "base/dir.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

static const char *type_of(const char **id)
{
	static const char *const types[] = { "datasets", "spaces", "kernels" };

	for (size_t i = 0; i < LENGTH_OF(types); i++) {
		size_t length = strlen(types[i]);

		if (strncmp(*id, types[i], length) == 0 && (*id)[length] == '/') {
			*id += length + 1;
			return types[i];
		}
	}
	return "models";
}

static const char *part_fault(const char *part, size_t length)
{
	if (length == 0)
		return "has an empty part";
	if (length > MAX_REPO_PART_BYTES)
		return "has a part longer than 96 characters";
	if (part[0] == '-' || part[0] == '.' || part[length - 1] == '-' || part[length - 1] == '.')
		return "has a part that begins or ends with '-' or '.'";
	for (size_t i = 0; i < length; i++) {
		if (!scan_is_name(part[i]) && part[i] != '-' && part[i] != '.')
			return "has a character other than letters, digits, '-', '_' and '.'";
		if (i > 0 && part[i] == part[i - 1] && (part[i] == '-' || part[i] == '.'))
			return "has '--' or '..' in it";
	}
	return NULL;
}

const char *repo_id_fault(const char *id)
{
	const char *slash, *fault;
	size_t length;

	(void)type_of(&id);
	slash = strchr(id, '/');
	length = strlen(id);
	if (length >= 4 && strcmp(id + length - 4, ".git") == 0)
		return "ends in '.git'";
	if (slash == NULL)
		return part_fault(id, length);
	if (strchr(slash + 1, '/') != NULL)
		return "has more than one '/'";
	fault = part_fault(id, (size_t)(slash - id));
	return fault != NULL ? fault : part_fault(slash + 1, strlen(slash + 1));
}

bool repo_path_is_legal(const char *path, size_t length)
{
	size_t start = 0;

	if (length == 0 || length >= MAX_PATH_BYTES)
		return false;
	for (size_t i = 0; i <= length; i++) {
		size_t part = i - start;

		if (i < length && (unsigned char)path[i] < 0x20)
			return false;
		if (i < length && path[i] != '/' && path[i] != '\\')
			continue;
		if ((part == 0 && (i == length || path[i] == '/')) ||
		    (part == 1 && path[start] == '.') ||
		    (part == 2 && path[start] == '.' && path[start + 1] == '.') ||
		    part >= MAX_NAME_BYTES)
			return false;
		start = i + 1;
	}
	return true;
}

const char *revision_fault(const char *revision)
{
	size_t length = strlen(revision);

	if (length > MAX_REVISION_BYTES)
		return "is longer than 255 characters";
	if (!repo_path_is_legal(revision, length) || strpbrk(revision, " ~^:?*[\\") != NULL)
		return "is not the name of a branch, tag or commit";
	return NULL;
}

bool revision_is_commit(const char *revision)
{
	return scan_is_hex(revision, strlen(revision), COMMIT_HEX);
}

bool repo_directory_name(const char *id, char *out, size_t size)
{
	struct text text = text_over(out, size);

	text_add(&text, type_of(&id));
	text_add(&text, "--");
	for (; *id != '\0'; id++)
		if (*id == '/')
			text_add(&text, "--");
		else
			text_add_bytes(&text, id, 1);
	return !text.cut;
}

bool repo_path(const char *hub_cache, const char *id, char *out, size_t size)
{
	char directory[MAX_NAME_BYTES];

	return repo_directory_name(id, directory, sizeof(directory)) &&
	       path_join(out, size, hub_cache, directory);
}

static bool is_in_repository(const char *beneath)
{
	static const char *const kept[] = { "/snapshots", "/blobs", "/refs", "/.no_exist",
		                            "/trees" };
	size_t length = beneath[0] == '\0' ? 0 : 1 + strcspn(beneath + 1, "/");

	for (size_t i = 0; i < LENGTH_OF(kept); i++)
		if (strlen(kept[i]) == length && strncmp(beneath, kept[i], length) == 0)
			return true;
	return false;
}

bool cache_path_read(const char *path, struct cache_path *out)
{
	const char *commit, *slash;

	memset(out, 0, sizeof(*out));
	for (const char *at = path; (at = strstr(at, "/models--")) != NULL; at++) {
		size_t length = strcspn(at + 1, "/");

		if (!is_in_repository(at + 1 + length))
			continue;
		out->cache = (size_t)(at - path);
		out->repository = at + 1;
		out->repository_length = length;
		out->beneath = at + 1 + length;
		break;
	}
	if (out->repository == NULL || strncmp(out->beneath, "/snapshots/", 11) != 0)
		return out->repository != NULL;
	commit = out->beneath + 11;
	slash = strchr(commit, '/');
	if (!scan_is_hex(commit, slash == NULL ? strlen(commit) : (size_t)(slash - commit),
	                 COMMIT_HEX))
		return false;
	memcpy(out->commit, commit, COMMIT_HEX);
	out->file = slash == NULL || slash[1] == '\0' ? NULL : slash + 1;
	return true;
}

static int open_ref(const struct tree *tree, const struct model_place *place, const char *revision)
{
	char name[MAX_REVISION_BYTES + 8];
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (!path_join(name, sizeof(name), "refs", revision))
		return -ENAMETOOLONG;
	fd = tree_open_beneath(tree, place->repo_fd, name, O_PATH);
	if (fd < 0)
		return fd;
	/* A branch `a/b` makes `refs/a` a directory; a FIFO would not answer. */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return -ENOENT;
	return tree_open_beneath(tree, place->repo_fd, name, O_RDONLY);
}

void hub_cache_ref_text(const struct tree *tree, const struct model_place *place,
                        const char *revision, char *out, size_t size)
{
	CLEANUP(cleanup_fd) int fd = open_ref(tree, place, revision);
	ssize_t got = fd < 0 ? 0 : read(fd, out, size - 1);

	out[got < 0 ? 0 : got] = '\0';
}

/* The library joins the text of the ref to a path as it is: exactly 40 hexadecimal digits, no newline. */
static enum cache_outcome read_ref(const struct tree *tree, struct model_place *place,
                                   const char *revision)
{
	CLEANUP(cleanup_fd) int fd = open_ref(tree, place, revision);
	char text[COMMIT_HEX + 2], name[MAX_REVISION_BYTES + 8];
	ssize_t got;

	if (fd < 0) {
		place->error = -fd;
		if (fd == -ENOENT || fd == -ENOTDIR)
			return CACHE_NO_REF;
		if (!path_join(name, sizeof(name), "refs", revision) ||
		    !path_join(place->path, sizeof(place->path), place->repo_path, name))
			place->path[0] = '\0';
		return CACHE_REFUSED;
	}
	got = read(fd, text, sizeof(text));
	if (got < 0) {
		place->error = errno;
		return CACHE_REFUSED;
	}
	if (!scan_is_hex(text, (size_t)got, COMMIT_HEX))
		return CACHE_BAD_REF;
	memcpy(place->commit, text, COMMIT_HEX);
	place->commit[COMMIT_HEX] = '\0';
	return CACHE_OK;
}

static enum cache_outcome open_snapshot(const struct tree *tree, struct model_place *place)
{
	char name[sizeof("snapshots/") + COMMIT_HEX];

	if (!path_join(name, sizeof(name), "snapshots", place->commit) ||
	    !path_join(place->path, sizeof(place->path), place->repo_path, name)) {
		place->error = ENAMETOOLONG;
		return CACHE_REFUSED;
	}
	place->dir_fd = tree_open_beneath(tree, place->repo_fd, name, O_RDONLY | O_DIRECTORY);
	if (place->dir_fd < 0) {
		place->error = -place->dir_fd;
		return place->error == ENOENT || place->error == ENOTDIR ? CACHE_NO_SNAPSHOT :
		                                                           CACHE_REFUSED;
	}
	place->kind = PLACE_CACHE;
	return CACHE_OK;
}

enum cache_outcome hub_cache_locate(const struct tree *tree, const char *hub_cache,
                                    const char *repo, const char *revision,
                                    struct model_place *place)
{
	enum cache_outcome outcome;
	struct stat st;

	if (!repo_path(hub_cache, repo, place->repo_path, sizeof(place->repo_path))) {
		place->error = ENAMETOOLONG;
		return CACHE_REFUSED;
	}
	place->repo_fd = tree_open(tree, place->repo_path, O_PATH | O_DIRECTORY);
	if (place->repo_fd < 0) {
		place->error = -place->repo_fd;
		if (place->error == EACCES || (place->error != ENOENT && place->error != ENOTDIR))
			return CACHE_REFUSED;
		return tree_stat(tree, hub_cache, &st) == 0 ? CACHE_NO_REPO : CACHE_NO_HUB;
	}
	if (revision_is_commit(revision)) {
		memcpy(place->commit, revision, COMMIT_HEX + 1);
	} else {
		outcome = read_ref(tree, place, revision);
		if (outcome != CACHE_OK)
			return outcome;
	}
	return open_snapshot(tree, place);
}

bool shared_blob_is_target(const char *target)
{
	static const char start[] = "../../blobs/";
	const char *hash = target + strlen(start) + 3;

	return strncmp(target, start, strlen(start)) == 0 &&
	       strlen(target) == strlen(start) + 3 + SHA256_HEX && hash[-1] == '/' &&
	       scan_is_hex(hash, SHA256_HEX, SHA256_HEX) && strncmp(hash, hash - 3, 2) == 0;
}

bool shared_blob_read(int repo_fd, const char *etag, char target[static MAX_SHARED_TARGET])
{
	char blob[MAX_NAME_BYTES];
	ssize_t length = path_join(blob, sizeof(blob), "blobs", etag) ?
	                         readlinkat(repo_fd, blob, target, MAX_SHARED_TARGET) :
	                         -1;

	target[length < 0 || length == (ssize_t)MAX_SHARED_TARGET ? 0 : length] = '\0';
	if (shared_blob_is_target(target))
		return true;
	target[0] = '\0';
	return false;
}

int shared_blob_open(const struct tree *tree, const struct model_place *place, const char *etag,
                     char target[static MAX_SHARED_TARGET])
{
	char cache[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(cache);
	const char *slash = strrchr(place->repo_path, '/');
	CLEANUP(cleanup_fd) int hub_fd = -1;

	if (!shared_blob_read(place->repo_fd, etag, target) || slash == NULL)
		return -EXDEV;
	text_add_bytes(&text, place->repo_path, (size_t)(slash - place->repo_path));
	hub_fd = tree_open(tree, cache[0] == '\0' ? "/" : cache, O_PATH | O_DIRECTORY);
	return hub_fd < 0 ? hub_fd :
	                    tree_open_beneath(tree, hub_fd, SHARED_BLOB_BENEATH(target),
	                                      O_RDONLY | O_NOFOLLOW);
}

bool manifest_is_named(const char *name)
{
	return strlen(name) == COMMIT_HEX + 5 && scan_is_hex(name, COMMIT_HEX, COMMIT_HEX) &&
	       strcmp(name + COMMIT_HEX, ".json") == 0;
}

bool directory_commit(int trees_fd, char commit[static COMMIT_HEX + 1])
{
	CLEANUP(dir_close) struct dir directory = dir_over(trees_fd, MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;
	unsigned count = 0;

	while (count < 2 && (entry = dir_next(&directory)) != NULL)
		if (manifest_is_named(entry->d_name) && count++ == 0)
			memcpy(commit, entry->d_name, COMMIT_HEX);
	commit[count == 1 ? COMMIT_HEX : 0] = '\0';
	return count == 1;
}
