/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store/publish.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "base/tree.h"
#include "hub/cache.h"
#include "util.h"

/*
 * In the directory of partial files while files take their places in a plain directory, one after the other: the check
 * model.interrupted knows the ending.
 */
#define DIRECTORY_MARKER "aweigh.incomplete"

static int write_metadata(const struct repo_store *repo, const char *commit, const char *path,
                          const char *etag)
{
	char name[MAX_PATH_BYTES], content[256];
	struct text join = TEXT_OVER(name), text = TEXT_OVER(content);
	CLEANUP(cleanup_fd) int fd = -1;
	int64_t ahead = repo->store->volume.clock_ahead_s;
	struct timespec now;
	const char *last;

	/* Not before the file's own time, or it would count as touched since. */
	(void)clock_gettime(CLOCK_REALTIME, &now);
	now.tv_sec += ahead > 0 ? ahead : 0;
	text_addf(&join, "%s.metadata", path);
	text_addf(&text, "%s\n%s\n%lld.%06ld\n", commit, etag, (long long)now.tv_sec,
	          now.tv_nsec / 1000);
	if (join.cut)
		return -ENAMETOOLONG;
	fd = make_parent(repo->blobs_fd, name, &last);
	return fd < 0 ? fd : replace_file(fd, last, content);
}

int publication_begin(struct publication *publication, const struct repo_store *repo,
                      const char *commit)
{
	char path[sizeof("snapshots/") + COMMIT_HEX];
	struct text text = TEXT_OVER(path), staging = TEXT_OVER(publication->staging);
	struct stat st;

	publication->repo = repo;
	if (repo->has_temporaries)
		repo_store_sweep(repo, repo->blobs_fd);
	memcpy(publication->commit, commit, COMMIT_HEX + 1);
	if (repo->store->is_directory) {
		publication->directory_fd = fcntl(repo->fd, F_DUPFD_CLOEXEC, 3);
		return publication->directory_fd < 0 ? -errno : 0;
	}
	text_addf(&text, "snapshots/%s", commit);
	if (fstatat(repo->fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		repo_store_staging(&staging, commit);
	publication->directory_fd =
	        make_directories(repo->fd, staging.length > 0 ? publication->staging : path, false);
	return publication->directory_fd < 0 ? publication->directory_fd : 0;
}

static int replace_link(int temporary_fd, int directory_fd, const char *name, const char *target)
{
	struct replacement replacement;

	replacement_begin(&replacement, directory_fd, name);
	replacement.temporary_fd = temporary_fd;
	if (symlinkat(target, temporary_fd, replacement.temporary) != 0)
		return -errno;
	return replacement_end(&replacement, 0);
}

/* ../../blobs/ETAG, with one more step up for each directory of the path. */
static int put_link(const struct repo_store *repo, int directory_fd, const char *name,
                    const struct published *file)
{
	char target[MAX_PATH_BYTES], now[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(target);
	ssize_t length;
	int error;

	text_add(&text, "../../");
	for (const char *at = file->path; (at = strchr(at, '/')) != NULL; at++)
		text_add(&text, "../");
	text_addf(&text, "blobs/%s", file->etag);
	if (text.cut)
		return -ENAMETOOLONG;
	if (symlinkat(target, directory_fd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	length = readlinkat(directory_fd, name, now, sizeof(now));
	if (length == (ssize_t)text.length && memcmp(now, target, text.length) == 0)
		return 0;
	/* Made among the blobs: what a kill leaves beside it would be a file of the model to libraries. */
	error = replace_link(repo->blobs_fd, directory_fd, name, target);
	return error == -EXDEV ? replace_link(directory_fd, directory_fd, name, target) : error;
}

static int copy_bytes(int from, int to)
{
	char buffer[65536];
	ssize_t got;

	while ((got = read(from, buffer, sizeof(buffer))) != 0) {
		int error;

		if (got < 0 && errno == EINTR)
			continue;
		error = got < 0 ? -errno : write_whole(to, buffer, (size_t)got);
		if (error != 0)
			return error;
	}
	return sync_file(to);
}

/* Closes `from`; made at first in the other directory, which is of the same volume. */
static int copy_file(int from_fd, int temporary_fd, int directory_fd, const char *name)
{
	struct replacement replacement;
	CLEANUP(cleanup_fd) int from = from_fd, to = -1;

	if (from < 0)
		return from;
	replacement_begin(&replacement, directory_fd, name);
	replacement.temporary_fd = temporary_fd;
	to = replacement_create(&replacement);
	return to < 0 ? to : replacement_end(&replacement, copy_bytes(from, to));
}

/*
 * Among names that no model has, so that a kill leaves nothing among its files. What is made ready is swept at the end, and
 * rclone 1.60 brings a file that went to another directory at once back to where it was.
 */
static int temporary_place(const struct publication *publication, int directory_fd)
{
	return publication->staging[0] != '\0' ? directory_fd : publication->repo->blobs_fd;
}

/* Where there are no links the file itself takes the place; a copy where another path wants it too. */
static int put_file(const struct publication *publication, int directory_fd, const char *name,
                    const struct published *file)
{
	const struct repo_store *repo = publication->repo;

	if (file->keep)
		return copy_file(open_regular(repo->blobs_fd, file->etag),
		                 temporary_place(publication, directory_fd), directory_fd, name);
	return renameat(repo->blobs_fd, file->etag, directory_fd, name) != 0 ? -errno : 0;
}

/* Another fetch has put the file into its place meanwhile, or one that was killed has on its way there. */
static int take_placed(const struct publication *publication, int directory_fd, const char *name,
                       const struct published *file)
{
	const struct repo_store *repo = publication->repo;
	const char *commit = publication->commit;
	char staged[MAX_PATH_BYTES];

	if (is_file_of(directory_fd, name, file->size))
		return 0;
	if (!repo->store->is_directory &&
	    repo_store_place(repo, 0, commit, file->path, staged, sizeof(staged)) &&
	    is_file_of(repo->fd, staged, file->size) &&
	    renameat(repo->fd, staged, directory_fd, name) == 0)
		return 0;
	return repo_store_has_file(repo, commit, file->path, file->size) ? 0 : -ENOENT;
}

/* From the first file that takes its place in a plain directory until the last has: see DIRECTORY_MARKER. */
static int set_marker(const struct repo_store *repo)
{
	CLEANUP(cleanup_fd)
	int fd = openat(repo->blobs_fd, DIRECTORY_MARKER,
	                O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);

	return fd < 0 ? -errno : 0;
}

static int put(const struct publication *publication, int directory_fd, const char *name,
               const struct published *file)
{
	const struct repo_store *repo = publication->repo;
	/* Of a blob that has just come the volume is not asked again, so that a link is one call. */
	bool has_blob = (repo->store->volume.has_links && file->equal == NULL) ||
	                repo_store_has(repo, file->etag, file->size);
	int error;

	if (repo->store->volume.has_links && has_blob)
		return put_link(repo, directory_fd, name, file);
	/* Where there are no locks another fetch may have put it there, and may be done: it is left alone. */
	if (repo->store->is_directory && has_blob && !file->doubted &&
	    repo_store_metadata_fits(repo, file->path, file->etag))
		return !file->keep && unlinkat(repo->blobs_fd, file->etag, 0) != 0 ? -errno : 0;
	error = !has_blob ? -ENOENT : repo->store->is_directory ? set_marker(repo) : 0;
	if (error == 0)
		error = put_file(publication, directory_fd, name, file);
	if (error == -ENOENT)
		error = take_placed(publication, directory_fd, name, file);
	if (error == -ENOENT && file->equal != NULL)
		error = copy_file(repo_store_open_file(repo, publication->commit, file->equal),
		                  temporary_place(publication, directory_fd), directory_fd, name);
	return error;
}

int publication_add(struct publication *publication, const struct published *file)
{
	const struct repo_store *repo = publication->repo;
	const char *name;
	CLEANUP(cleanup_fd) int fd = -1;
	int error = 0;

	publication->has_hidden |= replacement_is_named(path_name(file->path));
	if (file->is_placed && repo->store->volume.has_links)
		return 0;
	fd = make_parent(publication->directory_fd, file->path, &name);
	if (fd < 0)
		return fd;
	error = file->is_placed ? take_placed(publication, fd, name, file) :
	                          put(publication, fd, name, file);
	if (error == 0 && repo->store->is_directory &&
	    !repo_store_metadata_fits(repo, file->path, file->etag))
		error = write_metadata(repo, publication->commit, file->path, file->etag);
	/* Straight into its place, where nobody walks at the end. */
	if (error == 0 && publication->staging[0] == '\0' && strchr(file->path, '/') != NULL)
		error = sync_directory(fd);
	return error;
}

static int move_entries(const struct publication *publication, int from_fd, int to_fd,
                        unsigned depth);

/* A link is made anew where it cannot be renamed. */
static int move_link(int from_fd, int to_fd, const char *name)
{
	char target[MAX_PATH_BYTES];
	ssize_t length = readlinkat(from_fd, name, target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	target[length] = '\0';
	if (symlinkat(target, to_fd, name) != 0 && errno != EEXIST)
		return -errno;
	return unlinkat(from_fd, name, 0) != 0 ? -errno : 0;
}

/* Each name goes into the snapshot by itself: somebody else has made it meanwhile, or no directory can be renamed. */
static int move_entry(const struct publication *publication, int from_fd, int to_fd,
                      const char *name, unsigned depth, bool *moved)
{
	CLEANUP(cleanup_fd) int from = -1, to = -1;
	struct stat st;
	int error = EMFILE;

	if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || !publication->piecemeal) {
		*moved = renameat(from_fd, name, to_fd, name) == 0;
		error = errno;
	}
	if (*moved)
		return 0;
	if (S_ISLNK(st.st_mode) && volume_renames_no_directory(error)) {
		error = move_link(from_fd, to_fd, name);
		*moved = error == 0;
		return error;
	}
	if (S_ISREG(st.st_mode) && error == EXDEV) {
		error = copy_file(open_regular(from_fd, name), to_fd, to_fd, name);
		*moved = error == 0 && unlinkat(from_fd, name, 0) == 0;
		return error;
	}
	if (S_ISDIR(st.st_mode) && volume_renames_no_directory(error)) {
		if (mkdirat(to_fd, name, 0777) != 0 && errno != EEXIST)
			return -errno;
	} else if (error != EEXIST && error != ENOTEMPTY && error != EISDIR) {
		return -error;
	}
	from = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	to = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 || to < 0)
		return -EEXIST;
	return move_entries(publication, from, to, depth + 1);
}

/* Until a pass moves nothing: on some volumes a name that goes shifts others past whoever reads the directory. */
static int move_entries(const struct publication *publication, int from_fd, int to_fd,
                        unsigned depth)
{
	int error = depth > MAX_DEPTH_DIRECTORIES ? -ELOOP : 0;
	bool any = true;

	while (error == 0 && any) {
		CLEANUP(dir_close)
		struct dir directory = dir_open(from_fd, ".", MAX_FILES_PER_MODEL);
		struct dirent *entry;

		any = false;
		while (error == 0 && (entry = dir_next(&directory)) != NULL) {
			bool moved = false;

			error = move_entry(publication, from_fd, to_fd, entry->d_name, depth,
			                   &moved);
			any |= moved;
		}
		if (error == 0)
			error = -directory.error;
	}
	return error != 0 ? error : sync_directory(to_fd);
}

/* Only directories: what stands in one was put there by another fetch just now, which goes on with it. */
static void remove_empty_directories(int parent_fd, const char *name, unsigned depth)
{
	CLEANUP(dir_close) struct dir directory = dir_open(parent_fd, name, MAX_FILES_PER_MODEL);
	struct dirent *entry;

	while (depth < MAX_DEPTH_DIRECTORIES && (entry = dir_next(&directory)) != NULL)
		remove_empty_directories(dir_fd(&directory), entry->d_name, depth + 1);
	if (dir_fd(&directory) >= 0)
		(void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* All at once: the directory that was made ready becomes the snapshot. */
static int name_snapshot(struct publication *publication, int fd)
{
	const struct repo_store *repo = publication->repo;
	CLEANUP(cleanup_fd)
	int snapshots = make_directories(repo->fd, "snapshots", false), there = -1;
	int error;

	if (snapshots < 0)
		return snapshots;
	if (repo->store->volume.renames_directories &&
	    renameat(repo->fd, publication->staging, snapshots, publication->commit) == 0)
		return sync_directory(snapshots);
	error = repo->store->volume.renames_directories ? errno : EMFILE;
	publication->piecemeal = volume_renames_no_directory(error);
	if (publication->piecemeal && mkdirat(snapshots, publication->commit, 0777) != 0 &&
	    errno != EEXIST)
		return -errno;
	if (!publication->piecemeal && error != EEXIST && error != ENOTEMPTY && error != ENOENT)
		return -error;
	there = openat(snapshots, publication->commit,
	               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (there < 0)
		return -errno;
	if (error == ENOENT) /* another fetch has named it: the two had the same directory */
		return 0;
	error = move_entries(publication, fd, there, 0);
	remove_empty_directories(repo->fd, publication->staging, 0);
	/* What is left behind is missing from the snapshot, which no ref may name then. */
	if (error == 0 && has_name(repo->fd, publication->staging))
		error = -ENOENT;
	return error != 0 ? error : sync_directory(snapshots);
}

/* What they list does not stand in the directory any more, and with one alone the directory's commit is known. */
static void forget_other_manifests(const struct repo_store *repo, const char *commit)
{
	int fd = make_directories(repo->fd, DIRECTORY_TREES, false);
	CLEANUP(dir_close) struct dir directory = dir_over(fd, MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;

	while ((entry = dir_next(&directory)) != NULL)
		if (manifest_is_named(entry->d_name) &&
		    strncmp(entry->d_name, commit, COMMIT_HEX) != 0)
			(void)unlinkat(dir_fd(&directory), entry->d_name, 0);
}

/* What a fetch that was killed while it moved names into the snapshot has left beside it. */
static int take_staged(struct publication *publication, int snapshot_fd)
{
	const struct repo_store *repo = publication->repo;
	char staging[64];
	struct text text = TEXT_OVER(staging);
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	repo_store_staging(&text, publication->commit);
	fd = openat(repo->fd, staging, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return 0;
	publication->piecemeal = !repo->store->volume.renames_directories;
	error = move_entries(publication, fd, snapshot_fd, 0);
	remove_empty_directories(repo->fd, staging, 0);
	return error;
}

/*
 * On disk before a ref names it: every directory that got a name. `sweep`: what a killed fetch left of a copy goes; a
 * living one without turns begins again.
 */
static int sync_tree(int parent_fd, const char *name, bool sweep, unsigned depth)
{
	CLEANUP(dir_close) struct dir directory = dir_open(parent_fd, name, MAX_FILES_PER_MODEL);
	struct dirent *entry;
	int error = directory.error == ENOTDIR || directory.error == ELOOP ? 0 : -directory.error;

	while (error == 0 && depth < MAX_DEPTH_DIRECTORIES &&
	       (entry = dir_next(&directory)) != NULL)
		if (sweep && replacement_is_named(entry->d_name))
			(void)unlinkat(dir_fd(&directory), entry->d_name, 0);
		else if (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)
			error = sync_tree(dir_fd(&directory), entry->d_name, sweep, depth + 1);
	return error != 0 || dir_fd(&directory) < 0 ? error : sync_directory(dir_fd(&directory));
}

int publication_end(struct publication *publication)
{
	const struct repo_store *repo = publication->repo;
	CLEANUP(cleanup_fd) int fd = take_fd(&publication->directory_fd);
	int error = sync_directory(repo->blobs_fd);

	if (error == 0)
		error = publication->staging[0] != '\0' ?
		                sync_tree(fd, ".", !publication->has_hidden, 0) :
		                sync_directory(fd);
	if (error != 0)
		return error;
	if (repo->store->is_directory) {
		forget_other_manifests(repo, publication->commit);
		return unlinkat(repo->blobs_fd, DIRECTORY_MARKER, 0) != 0 && errno != ENOENT ?
		               -errno :
		               0;
	}
	if (publication->staging[0] != '\0')
		return name_snapshot(publication, fd);
	return take_staged(publication, fd);
}

void publication_release(struct publication *publication)
{
	cleanup_fd(&publication->directory_fd);
}
