/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "formats/formats.h"
#include "hub/cache.h"
#include "util.h"

#define DOWNLOAD_DIRECTORY                                                                         \
	".cache/huggingface/download" /* _local_folder.py, get_local_download_paths */
#define MAX_LEFTOVERS 4096u

static const char cachedir_tag[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# This file is a cache directory tag created by aweigh, in the layout of huggingface_hub.\n"
        "# For information about cache directory tags, see:\n"
        "#	https://bford.info/cachedir/\n";

/* The store */

int store_owner(const char *path, struct stat *st)
{
	char directory[MAX_PATH_BYTES];

	if (strlen(path) >= sizeof(directory) || path[0] != '/')
		return -EINVAL;
	memcpy(directory, path, strlen(path) + 1);
	while (stat(directory, st) != 0) {
		char *slash = strrchr(directory, '/');

		if (errno != ENOENT)
			return -errno;
		slash[slash == directory] = '\0';
	}
	return S_ISDIR(st->st_mode) ? 0 : -ENOTDIR;
}

/* That no link of another led root here, or does now. */
static int confirm_place(const char *path, int place_fd)
{
	CLEANUP(cleanup_fd)
	int fd = tree_open_trusted(path, O_PATH | O_DIRECTORY);
	struct stat trusted, here;

	if (fd < 0 || fstat(fd, &trusted) != 0 || fstat(place_fd, &here) != 0)
		return fd < 0 ? fd : -errno;
	return trusted.st_dev == here.st_dev && trusted.st_ino == here.st_ino ? 0 : -EPERM;
}

/* Of weights, which is not there: nobody wants a directory of that name. */
static bool names_file(const char *path)
{
	const struct format *format = format_by_name(path);
	struct stat st;

	return format != NULL && format->weights && stat(path, &st) != 0;
}

int store_open(struct store *store, const char *path, bool is_directory)
{
	CLEANUP(cleanup_fd) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(store, 0, sizeof(*store));
	store->is_directory = is_directory;
	store->fd = -1;
	if (root < 0 || !path_join(store->path, sizeof(store->path), path, ""))
		return root < 0 ? -errno : -ENAMETOOLONG;
	if (is_directory && names_file(path))
		return -ENOTDIR;
	/* The way to the cache is the administrator's: links on it are followed. */
	store->fd = make_directories(root, path, true);
	return store->fd < 0 ? store->fd : confirm_place(store->path, store->fd);
}

int store_prepare(struct store *store)
{
	CLEANUP(cleanup_fd) int own = -1;
	int fd = store->fd;

	if (store->is_directory) {
		own = make_directories(store->fd, ".cache/huggingface", false);
		if (own < 0)
			return own;
		fd = own;
		if (faccessat(fd, ".gitignore", F_OK, 0) != 0)
			(void)replace_file(fd, ".gitignore", "*");
	}
	volume_try(fd, &store->volume);
	store->volume.has_links &=
	        !store->is_directory; /* where files are wanted, none is a link */
	if (faccessat(fd, "CACHEDIR.TAG", F_OK, 0) != 0)
		return replace_file(fd, "CACHEDIR.TAG", cachedir_tag);
	return 0;
}

int store_free(const struct store *store, uint64_t *bytes, uint64_t *inodes)
{
	struct statvfs volume;

	if (fstatvfs(store->fd, &volume) != 0)
		return -errno;
	volume_free(&volume, bytes, inodes);
	return 0;
}

void store_release(struct store *store)
{
	cleanup_fd(&store->fd);
	store->fd = -1;
}

/* A repository */

/* Partial files are looked for once: a directory of blobs may hold thousands of names. */
static void find_leftovers(struct repo_store *repo)
{
	CLEANUP(dir_close)
	struct dir directory = dir_open(repo->blobs_fd, ".", MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;

	while ((entry = dir_next(&directory)) != NULL && repo->leftover_count < MAX_LEFTOVERS) {
		char **larger, *name;

		repo->has_temporaries |= replacement_is_named(entry->d_name);
		if (!path_ends(entry->d_name, ".incomplete"))
			continue;
		larger = realloc(repo->leftovers, (repo->leftover_count + 1) * sizeof(*larger));
		if (larger == NULL)
			break;
		repo->leftovers = larger;
		name = strdup(entry->d_name);
		if (name == NULL)
			break;
		repo->leftovers[repo->leftover_count++] = name;
	}
}

int repo_store_open(struct repo_store *repo, const struct store *store, const char *repo_id)
{
	char name[MAX_NAME_BYTES], locks[MAX_NAME_BYTES + 8], place[MAX_PATH_BYTES];
	int error = -ENAMETOOLONG;

	*repo = (struct repo_store){ .store = store, .fd = -1, .blobs_fd = -1, .locks_fd = -1 };
	if (store->is_directory) {
		repo->fd = fcntl(store->fd, F_DUPFD_CLOEXEC, 3);
		repo->blobs_fd = make_directories(store->fd, DOWNLOAD_DIRECTORY, false);
		repo->locks_fd = make_directories(store->fd, DOWNLOAD_DIRECTORY, false);
	} else {
		if (!repo_directory_name(repo_id, name, sizeof(name)) ||
		    !path_join(locks, sizeof(locks), ".locks", name))
			return -ENAMETOOLONG;
		/* It may be a link of the administrator's, but of nobody else's. */
		repo->fd = make_directories(store->fd, name, true);
		if (repo->fd < 0)
			return repo->fd;
		if (path_join(place, sizeof(place), store->path, name))
			error = confirm_place(place, repo->fd);
		if (error != 0)
			return error;
		repo->blobs_fd = make_directories(repo->fd, "blobs", false);
		repo->locks_fd = make_directories(store->fd, locks, false);
	}
	if (repo->fd < 0)
		return repo->fd;
	if (repo->blobs_fd < 0)
		return repo->blobs_fd;
	/* Another user's .locks, or a link in its place: go on without, as where there are none. */
	if (repo->locks_fd < 0 && repo->locks_fd != -EACCES && repo->locks_fd != -ENOTDIR)
		return repo->locks_fd;
	find_leftovers(repo);
	return 0;
}

uint64_t repo_store_leftover_bytes(const struct repo_store *repo)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < repo->leftover_count; i++)
		/* Another user's, and what may be a living fetch's, are not gone on with. */
		if (fstatat(repo->blobs_fd, repo->leftovers[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_uid == geteuid() &&
		    repo_store_is_abandoned(repo, &st, repo->store->volume.has_locks))
			bytes += (uint64_t)st.st_blocks * 512; /* stat(2) counts in these */
	return bytes;
}

void repo_store_release(struct repo_store *repo)
{
	for (size_t i = 0; i < repo->leftover_count; i++)
		free(repo->leftovers[i]);
	free(repo->leftovers);
	cleanup_fd(&repo->fd);
	cleanup_fd(&repo->blobs_fd);
	cleanup_fd(&repo->locks_fd);
	*repo = (struct repo_store){ .fd = -1, .blobs_fd = -1, .locks_fd = -1 };
}

bool repo_store_ref(const struct repo_store *repo, const char *revision,
                    char commit[static COMMIT_HEX + 1])
{
	char name[MAX_REVISION_BYTES + 8], text[COMMIT_HEX + 2];
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;

	if (repo->store->is_directory)
		return directory_commit(make_directories(repo->fd, DIRECTORY_TREES, false), commit);
	if (!path_join(name, sizeof(name), "refs", revision))
		return false;
	fd = openat(repo->fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    read(fd, text, sizeof(text)) != (ssize_t)COMMIT_HEX ||
	    !scan_is_hex(text, COMMIT_HEX, COMMIT_HEX))
		return false;
	memcpy(commit, text, COMMIT_HEX);
	commit[COMMIT_HEX] = '\0';
	return true;
}

int repo_store_write_ref(const struct repo_store *repo, const char *revision, const char *commit)
{
	char path[MAX_REVISION_BYTES + 8], now[COMMIT_HEX + 1];
	CLEANUP(cleanup_fd) int fd = -1;
	const char *name;
	int error;

	if (repo_store_ref(repo, revision, now) && strcmp(now, commit) == 0)
		return 0;
	if (!path_join(path, sizeof(path), "refs", revision))
		return -ENAMETOOLONG;
	fd = make_parent(repo->fd, path, &name);
	if (fd < 0)
		return fd;
	/* The snapshot's name, and that of refs itself, are on disk before the ref. */
	error = sync_directory(repo->fd);
	/* Libraries take every name here for a ref. */
	repo_store_sweep(repo, fd);
	if (error == 0)
		error = replace_file(fd, name, commit);
	return error != 0 ? error : sync_directory(fd);
}

int repo_store_lock_names(struct repo_store *repo)
{
	if (!repo->store->volume.has_locks)
		return -ENOLCK;
	if (flock(repo->store->is_directory ? repo->blobs_fd : repo->fd, LOCK_EX | LOCK_NB) == 0) {
		repo->in_turn = true;
		return 0;
	}
	return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -ENOLCK;
}

void repo_store_unlock_names(struct repo_store *repo)
{
	if (repo->in_turn)
		(void)flock(repo->store->is_directory ? repo->blobs_fd : repo->fd, LOCK_UN);
	repo->in_turn = false;
}

bool repo_store_is_abandoned(const struct repo_store *repo, const struct stat *st, bool locked)
{
	int64_t now_there = (int64_t)time(NULL) + repo->store->volume.clock_ahead_s;

	return (locked && !repo->store->volume.may_be_shared) ||
	       now_there - (int64_t)st->st_mtim.tv_sec > STALE_PARTIAL_S;
}

void repo_store_sweep(const struct repo_store *repo, int directory_fd)
{
	CLEANUP(dir_close)
	struct dir directory = dir_open(directory_fd, ".", MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;
	struct stat st;

	while ((entry = dir_next(&directory)) != NULL)
		if (replacement_is_named(entry->d_name) &&
		    fstatat(directory_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_uid == geteuid() && repo_store_is_abandoned(repo, &st, repo->in_turn))
			(void)unlinkat(directory_fd, entry->d_name, 0);
}

/* The manifest */

static const char *trees_directory(const struct repo_store *repo)
{
	return repo->store->is_directory ? DIRECTORY_TREES : "trees";
}

int repo_store_open_manifest(const struct repo_store *repo, const char *commit)
{
	char path[128];
	struct text text = TEXT_OVER(path);

	text_addf(&text, "%s/%s.json", trees_directory(repo), commit);
	return open_regular(repo->fd, path);
}

static void print_json(void *context, const char *bytes, size_t length)
{
	(void)fwrite(bytes, 1, length, context);
}

static void put_string(yajl_gen gen, const char *string)
{
	(void)yajl_gen_string(gen, (const unsigned char *)string, strlen(string));
}

static int manifest_writer_close(struct manifest_writer *writer, int error)
{
	if (writer->file != NULL)
		(void)fclose(writer->file);
	if (writer->gen != NULL)
		yajl_gen_free(writer->gen);
	if (writer->directory_fd >= 0)
		error = replacement_end(&writer->replacement, error);
	if (writer->directory_fd >= 0 && error == 0)
		error = sync_directory(writer->directory_fd);
	cleanup_fd(&writer->directory_fd);
	writer->file = NULL;
	writer->gen = NULL;
	writer->directory_fd = -1;
	return error;
}

int manifest_writer_begin(struct manifest_writer *writer, const struct repo_store *repo,
                          const char *commit)
{
	char name[MAX_NAME_BYTES];
	struct text text = TEXT_OVER(name);
	int fd;

	writer->file = NULL;
	writer->gen = NULL;
	text_addf(&text, "%s.json", commit);
	writer->directory_fd = make_directories(repo->fd, trees_directory(repo), false);
	if (writer->directory_fd < 0)
		return writer->directory_fd;
	replacement_begin(&writer->replacement, writer->directory_fd, name);
	fd = replacement_create(&writer->replacement);
	writer->file = fd < 0 ? NULL : fdopen(fd, "w");
	writer->gen = yajl_gen_alloc(NULL);
	if (writer->file == NULL || writer->gen == NULL) {
		int error = fd < 0 ? -fd : ENOMEM;

		if (fd >= 0 && writer->file == NULL)
			(void)close(fd);
		manifest_writer_cancel(writer);
		return -error;
	}
	(void)yajl_gen_config(writer->gen, yajl_gen_beautify, 1);
	(void)yajl_gen_config(writer->gen, yajl_gen_indent_string, " ");
	(void)yajl_gen_config(writer->gen, yajl_gen_print_callback, print_json, writer->file);
	(void)yajl_gen_map_open(writer->gen);
	put_string(writer->gen, "files");
	(void)yajl_gen_map_open(writer->gen);
	return 0;
}

int manifest_writer_add(struct manifest_writer *writer, const struct manifest_file *file)
{
	put_string(writer->gen, file->path);
	(void)yajl_gen_map_open(writer->gen);
	put_string(writer->gen, "blob_id");
	put_string(writer->gen, file->blob_id);
	if (file->sha256[0] != '\0') {
		put_string(writer->gen, "lfs_sha256");
		put_string(writer->gen, file->sha256);
		put_string(writer->gen, "lfs_size");
		(void)yajl_gen_integer(writer->gen, (long long)file->size);
	}
	put_string(writer->gen, "size");
	(void)yajl_gen_integer(writer->gen, (long long)file->size);
	if (file->xet_hash[0] != '\0') {
		put_string(writer->gen, "xet_hash");
		put_string(writer->gen, file->xet_hash);
	}
	(void)yajl_gen_map_close(writer->gen);
	return ferror(writer->file) ? -EIO : 0;
}

int manifest_writer_end(struct manifest_writer *writer)
{
	int error = 0;

	(void)yajl_gen_map_close(writer->gen);
	put_string(writer->gen, "format_version");
	(void)yajl_gen_integer(writer->gen, 1);
	(void)yajl_gen_map_close(writer->gen);
	errno = 0;
	if (fflush(writer->file) != 0 || ferror(writer->file) ||
	    sync_file(fileno(writer->file)) != 0)
		error = errno != 0 ? -errno : -EIO;
	return manifest_writer_close(writer, error);
}

void manifest_writer_cancel(struct manifest_writer *writer)
{
	(void)manifest_writer_close(writer, -ECANCELED);
}

/* Locks */

#define LOCK_OPENS 8u

/* gVisor creates what it has not seen, and another sandbox was first: "File exists", without O_EXCL. Then it is seen. */
static int open_lock(int directory_fd, const char *name)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = -1;

	for (unsigned i = 0; fd < 0 && i < LOCK_OPENS; i++) {
		fd = openat(directory_fd, name, flags | (i % 2 == 0 ? O_CREAT : 0), 0664);
		if (fd < 0 && errno != EEXIST && (i % 2 == 0 || errno != ENOENT))
			break;
	}
	return fd;
}

static int try_lock(int directory_fd, const char *name)
{
	struct stat st;
	int fd = open_lock(directory_fd, name), error;

	if (fd < 0)
		return errno == EACCES || errno == EROFS ? -ENOLCK : -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		error = errno == EWOULDBLOCK ? EAGAIN : ENOLCK;
		(void)close(fd);
		return -error;
	}
	/* Some versions of filelock remove the file: a lock on what has no name excludes nobody. */
	if (fstat(fd, &st) != 0 || st.st_nlink == 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return -EAGAIN;
	}
	(void)fchmod(fd, 0664);
	return fd;
}

int repo_store_lock(const struct repo_store *repo, const char *etag, const char *path)
{
	char name[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(name);
	CLEANUP(cleanup_fd) int fd = -1;
	const char *last;

	if (!repo->store->volume.has_locks)
		return -ENOLCK;
	text_addf(&text, "%s.lock", repo->store->is_directory ? path : etag);
	if (text.cut)
		return -ENOLCK;
	if (repo->locks_fd < 0)
		return -ENOLCK;
	fd = make_parent(repo->locks_fd, name, &last);
	return fd < 0 ? fd : try_lock(fd, last);
}

/* What is there */

/* A blob that is a link into the shared blob store counts; a new one takes the link's place, not the payload's. */
bool repo_store_has(const struct repo_store *repo, const char *etag, uint64_t size)
{
	char target[MAX_SHARED_TARGET];

	return is_file_of(repo->blobs_fd, etag, size) ||
	       (!repo->store->is_directory && shared_blob_read(repo->fd, etag, target) &&
	        is_file_of(repo->store->fd, SHARED_BLOB_BENEATH(target), size));
}

void repo_store_staging(struct text *text, const char *commit)
{
	text_addf(text, ".%s.tmp", commit);
}

bool repo_store_place(const struct repo_store *repo, unsigned place, const char *commit,
                      const char *path, char *out, size_t size)
{
	struct text text = text_over(out, size);

	if (place > (repo->store->is_directory ? 0 : 1))
		return false;
	if (repo->store->is_directory) {
		text_add(&text, path);
	} else if (place == 0) {
		repo_store_staging(&text, commit);
		text_addf(&text, "/%s", path);
	} else {
		text_addf(&text, "snapshots/%s/%s", commit, path);
	}
	return !text.cut;
}

bool repo_store_has_file(const struct repo_store *repo, const char *commit, const char *path,
                         uint64_t size)
{
	char name[MAX_PATH_BYTES];

	for (unsigned i = 0; repo_store_place(repo, i, commit, path, name, sizeof(name)); i++)
		if (is_file_of(repo->fd, name, size))
			return true;
	return false;
}

int repo_store_open_blob(const struct repo_store *repo, const char *etag)
{
	char target[MAX_SHARED_TARGET];

	if (!repo->store->is_directory && shared_blob_read(repo->fd, etag, target))
		return open_regular(repo->store->fd, SHARED_BLOB_BENEATH(target));
	return open_regular(repo->blobs_fd, etag);
}

int repo_store_open_file(const struct repo_store *repo, const char *commit, const char *path)
{
	char name[MAX_PATH_BYTES];
	int fd = -ENOENT;

	for (unsigned i = 0; fd < 0 && repo_store_place(repo, i, commit, path, name, sizeof(name));
	     i++)
		fd = open_regular(repo->fd, name);
	return fd;
}

/* commit, etag and time, a line each; valid while the file is no younger than the time, a second allowed. */
bool repo_store_metadata_fits(const struct repo_store *repo, const char *path, const char *etag)
{
	char name[MAX_PATH_BYTES], text[256];
	struct text join = TEXT_OVER(name);
	CLEANUP(cleanup_fd) int fd = -1;
	size_t length = strlen(etag);
	const char *line;
	struct stat st;
	ssize_t got;
	double stamp;

	text_addf(&join, DOWNLOAD_DIRECTORY "/%s.metadata", path);
	if (join.cut || fstatat(repo->fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	fd = open_regular(repo->fd, name);
	got = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (got <= 0)
		return false;
	text[got] = '\0';
	line = strchr(text, '\n');
	if (line == NULL || strncmp(line + 1, etag, length) != 0 || line[1 + length] != '\n')
		return false;
	stamp = strtod(line + 2 + length, NULL);
	return (double)st.st_mtim.tv_sec + (double)st.st_mtim.tv_nsec / 1e9 - 1 <= stamp;
}
