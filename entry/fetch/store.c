/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/statvfs.h>
#include <time.h>

#include "hub_cache.h"
#include "scan.h"
#include "text.h"
#include "tree.h"
#include "util.h"

#define DOWNLOAD_FOLDER                                                                            \
	".cache/huggingface/download" /* _local_folder.py, get_local_download_paths */
/*
 * In DOWNLOAD_FOLDER while files take their places in a plain folder, one after the other: the check
 * model.interrupted knows the ending.
 */
#define FOLDER_MARKER "aweigh.incomplete"
#define MAX_LEFTOVERS 4096u

static const char cachedir_tag[] =
        "Signature: 8a477f597d28d172789f06886806bc55\n"
        "# This file is a cache directory tag created by aweigh, in the layout of huggingface_hub.\n"
        "# For information about cache directory tags, see:\n"
        "#	https://bford.info/cachedir/\n";

void random_hex(char out[static 9])
{
	unsigned char bytes[4];

	while (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		;
	hex_encode(out, bytes, sizeof(bytes));
}

/* Folders */

/*
 * Makes and opens the folder `name` of an open one; a link in its place is refused where `follow` is not
 * set. A folder on the way that may be searched but not read, such as a home of mode 0711, will do.
 */
static int enter(int fd, const char *name, bool follow)
{
	int flags = O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), next;

	if (mkdirat(fd, name, 0777) != 0 && errno != EEXIST)
		return -errno;
	next = openat(fd, name, O_RDONLY | flags);
	if (next < 0 && errno == EACCES)
		next = openat(fd, name, O_PATH | flags);
	return next < 0 ? -errno : next;
}

/* Makes every folder of a path beneath an open one, and opens the last. */
static int make_folders(int base_fd, const char *path, bool follow)
{
	int fd = fcntl(base_fd, F_DUPFD_CLOEXEC, 3);
	char name[MAX_NAME_BYTES];

	if (fd < 0)
		return -errno;
	while (*(path += strspn(path, "/")) != '\0') {
		size_t length = strcspn(path, "/");
		int next = -ENAMETOOLONG;

		if (length < sizeof(name)) {
			memcpy(name, path, length);
			name[length] = '\0';
			next = enter(fd, name, follow);
		}
		(void)close(fd);
		if (next < 0)
			return next;
		fd = next;
		path += length;
	}
	return fd;
}

/* The folder of a file's path, made where it is missing; *name is the file's own. */
static int make_parent(int base_fd, const char *path, const char **name)
{
	const char *slash = strrchr(path, '/');
	char folder[MAX_PATH_BYTES];

	*name = slash == NULL ? path : slash + 1;
	if (slash == NULL)
		return make_folders(base_fd, "", false);
	if ((size_t)(slash - path) >= sizeof(folder))
		return -ENAMETOOLONG;
	memcpy(folder, path, (size_t)(slash - path));
	folder[slash - path] = '\0';
	return make_folders(base_fd, folder, false);
}

/* Some network file systems refuse to sync a folder, and one that may not be read cannot be: no more to be done. */
static int sync_folder(int fd)
{
	return fsync(fd) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EBADF ? -errno : 0;
}

static int open_regular(int folder_fd, const char *name)
{
	int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	(void)close(fd);
	return -EINVAL;
}

/* Replaces a small file: written beside it, on disk, renamed. */
static int replace_file(int folder_fd, const char *name, const char *content)
{
	char temporary[MAX_NAME_BYTES + 16], hex[9];
	struct text text = TEXT_OVER(temporary);
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	random_hex(hex);
	text_addf(&text, "%s.%s.tmp", name, hex);
	if (text.cut)
		return -ENAMETOOLONG;
	fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	            0666);
	if (fd < 0)
		return -errno;
	error = write_whole(fd, content, strlen(content));
	if (error == 0 && (fsync(fd) != 0 || renameat(folder_fd, temporary, folder_fd, name) != 0))
		error = -errno;
	if (error != 0)
		(void)unlinkat(folder_fd, temporary, 0);
	return error;
}

/* The store */

int store_owner(const char *path, struct stat *st)
{
	char folder[MAX_PATH_BYTES];

	if (strlen(path) >= sizeof(folder) || path[0] != '/')
		return -EINVAL;
	memcpy(folder, path, strlen(path) + 1);
	while (stat(folder, st) != 0) {
		char *slash = strrchr(folder, '/');

		if (errno != ENOENT)
			return -errno;
		slash[slash == folder] = '\0';
	}
	return S_ISDIR(st->st_mode) ? 0 : -ENOTDIR;
}

int store_open(struct store *store, const char *path, bool is_folder)
{
	CLEANUP(cleanup_fd) int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	memset(store, 0, sizeof(*store));
	store->is_folder = is_folder;
	store->fd = -1;
	if (root < 0 || !path_join(store->path, sizeof(store->path), path, ""))
		return root < 0 ? -errno : -ENAMETOOLONG;
	/* The way to the cache is the administrator's: links on it are followed. */
	store->fd = make_folders(root, path, true);
	return store->fd < 0 ? store->fd : 0;
}

static bool try_links(int fd)
{
	char name[32], hex[9], back[16];
	struct text text = TEXT_OVER(name);
	ssize_t length;

	random_hex(hex);
	text_addf(&text, ".probe.%s", hex);
	if (symlinkat("target", fd, name) != 0)
		return false;
	length = readlinkat(fd, name, back, sizeof(back));
	(void)unlinkat(fd, name, 0);
	return length == 6;
}

/* Two descriptions of one file: where both get the lock, it excludes nobody (Lustre, some NFS). */
static bool try_locks(int fd)
{
	char name[32], hex[9];
	struct text text = TEXT_OVER(name);
	CLEANUP(cleanup_fd) int first = -1, second = -1;
	bool works = false;

	random_hex(hex);
	text_addf(&text, ".probe.%s", hex);
	first = openat(fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	second = openat(fd, name, O_RDWR | O_CLOEXEC);
	if (first >= 0 && second >= 0)
		works = flock(first, LOCK_EX | LOCK_NB) == 0 &&
		        flock(second, LOCK_EX | LOCK_NB) != 0;
	if (first >= 0)
		(void)unlinkat(fd, name, 0);
	return works;
}

int store_prepare(struct store *store)
{
	CLEANUP(cleanup_fd) int own = -1;
	int fd = store->fd;

	if (store->is_folder) {
		own = make_folders(store->fd, ".cache/huggingface", false);
		if (own < 0)
			return own;
		fd = own;
		if (faccessat(fd, ".gitignore", F_OK, 0) != 0)
			(void)replace_file(fd, ".gitignore", "*");
	}
	store->has_links = !store->is_folder && try_links(fd);
	store->has_locks = try_locks(fd);
	if (faccessat(fd, "CACHEDIR.TAG", F_OK, 0) != 0)
		return replace_file(fd, "CACHEDIR.TAG", cachedir_tag);
	return 0;
}

int store_free(const struct store *store, uint64_t *bytes, uint64_t *inodes)
{
	struct statvfs volume;

	if (fstatvfs(store->fd, &volume) != 0)
		return -errno;
	*bytes = (uint64_t)volume.f_bavail * volume.f_frsize;
	/* Volumes that make inodes as they go say 0 of 0. */
	*inodes = volume.f_files == 0 ? UINT64_MAX : (uint64_t)volume.f_favail;
	return 0;
}

void store_release(struct store *store)
{
	cleanup_fd(&store->fd);
	store->fd = -1;
}

/* A repository */

/* Partial files are looked for once: a folder of blobs may hold thousands of names. */
static void find_leftovers(struct repo_store *repo)
{
	static const char ending[] = ".incomplete";
	int fd = openat(repo->blobs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (folder == NULL) {
		cleanup_fd(&fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL && repo->leftover_count < MAX_LEFTOVERS) {
		size_t length = strlen(entry->d_name);
		char **larger, *name;

		if (length < sizeof(ending) ||
		    strcmp(entry->d_name + length - strlen(ending), ending) != 0)
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
	(void)closedir(folder);
}

int repo_store_open(struct repo_store *repo, const struct store *store, const char *repo_id)
{
	char name[MAX_NAME_BYTES], locks[MAX_NAME_BYTES + 8];

	*repo = (struct repo_store){ .store = store, .fd = -1, .blobs_fd = -1, .locks_fd = -1 };
	if (store->is_folder) {
		repo->fd = fcntl(store->fd, F_DUPFD_CLOEXEC, 3);
		repo->blobs_fd = make_folders(store->fd, DOWNLOAD_FOLDER, false);
		repo->locks_fd = make_folders(store->fd, DOWNLOAD_FOLDER, false);
	} else {
		if (!repo_folder_name(repo_id, name, sizeof(name)) ||
		    !path_join(locks, sizeof(locks), ".locks", name))
			return -ENAMETOOLONG;
		repo->fd = make_folders(store->fd, name, true);
		if (repo->fd >= 0)
			repo->blobs_fd = make_folders(repo->fd, "blobs", false);
		repo->locks_fd = make_folders(store->fd, locks, true);
	}
	if (repo->fd < 0)
		return repo->fd;
	if (repo->blobs_fd < 0)
		return repo->blobs_fd;
	if (repo->locks_fd < 0)
		return repo->locks_fd;
	find_leftovers(repo);
	return 0;
}

uint64_t repo_store_leftover_bytes(const struct repo_store *repo)
{
	uint64_t bytes = 0;
	struct stat st;

	for (size_t i = 0; i < repo->leftover_count; i++)
		if (fstatat(repo->blobs_fd, repo->leftovers[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
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

	if (repo->store->is_folder)
		return folder_commit(make_folders(repo->fd, FOLDER_TREES, false), commit);
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
	char path[MAX_REVISION_BYTES + 8];
	CLEANUP(cleanup_fd) int fd = -1;
	const char *name;

	if (!path_join(path, sizeof(path), "refs", revision))
		return -ENAMETOOLONG;
	fd = make_parent(repo->fd, path, &name);
	return fd < 0 ? fd : replace_file(fd, name, commit);
}

/* The manifest */

static const char *trees_folder(const struct repo_store *repo)
{
	return repo->store->is_folder ? FOLDER_TREES : "trees";
}

int repo_store_open_manifest(const struct repo_store *repo, const char *commit)
{
	char path[128];
	struct text text = TEXT_OVER(path);

	text_addf(&text, "%s/%s.json", trees_folder(repo), commit);
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

int manifest_writer_begin(struct manifest_writer *writer, const struct repo_store *repo,
                          const char *commit)
{
	struct text name = TEXT_OVER(writer->name), temporary = TEXT_OVER(writer->temporary);
	char hex[9];
	int fd;

	random_hex(hex);
	writer->file = NULL;
	writer->gen = NULL;
	text_addf(&name, "%s.json", commit);
	text_addf(&temporary, "%s.tmp", hex);
	writer->folder_fd = make_folders(repo->fd, trees_folder(repo), false);
	if (writer->folder_fd < 0)
		return writer->folder_fd;
	fd = openat(writer->folder_fd, writer->temporary,
	            O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
	writer->file = fd < 0 ? NULL : fdopen(fd, "w");
	writer->gen = yajl_gen_alloc(NULL);
	if (writer->file == NULL || writer->gen == NULL) {
		int error = fd < 0 ? errno : ENOMEM;

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
	if (fflush(writer->file) != 0 || ferror(writer->file) || fsync(fileno(writer->file)) != 0 ||
	    renameat(writer->folder_fd, writer->temporary, writer->folder_fd, writer->name) != 0)
		error = errno != 0 ? -errno : -EIO;
	if (error == 0)
		writer->temporary[0] = '\0';
	manifest_writer_cancel(writer);
	return error;
}

void manifest_writer_cancel(struct manifest_writer *writer)
{
	if (writer->file != NULL)
		(void)fclose(writer->file);
	if (writer->gen != NULL)
		yajl_gen_free(writer->gen);
	if (writer->folder_fd >= 0 && writer->temporary[0] != '\0')
		(void)unlinkat(writer->folder_fd, writer->temporary, 0);
	cleanup_fd(&writer->folder_fd);
	writer->file = NULL;
	writer->gen = NULL;
	writer->folder_fd = -1;
	writer->temporary[0] = '\0';
}

/* Locks */

static int try_lock(int folder_fd, const char *name)
{
	struct stat st;
	int fd = openat(folder_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
	                0664);
	int error;

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

	if (!repo->store->has_locks)
		return -ENOLCK;
	text_addf(&text, "%s.lock", repo->store->is_folder ? path : etag);
	if (text.cut)
		return -ENOLCK;
	fd = make_parent(repo->locks_fd, name, &last);
	return fd < 0 ? fd : try_lock(fd, last);
}

/* What is there */

static bool is_file_of(int folder_fd, const char *name, uint64_t size)
{
	struct stat st;

	return fstatat(folder_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size == size;
}

bool repo_store_has(const struct repo_store *repo, const char *etag, uint64_t size)
{
	return is_file_of(repo->blobs_fd, etag, size);
}

/* Where a snapshot is made ready: under one name, so that another fetch goes on with what a killed one left. */
static void add_staging(struct text *text, const char *commit)
{
	text_addf(text, ".%s.tmp", commit);
}

/* The places of a file itself, in the order in which it moves on; false: no such place. */
static bool place_of(const struct repo_store *repo, unsigned place, const char *commit,
                     const char *path, char *out, size_t size)
{
	struct text text = text_over(out, size);

	if (place > (repo->store->is_folder ? 0 : 1))
		return false;
	if (repo->store->is_folder) {
		text_add(&text, path);
	} else if (place == 0) {
		add_staging(&text, commit);
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

	for (unsigned i = 0; place_of(repo, i, commit, path, name, sizeof(name)); i++)
		if (is_file_of(repo->fd, name, size))
			return true;
	return false;
}

int repo_store_open_blob(const struct repo_store *repo, const char *etag)
{
	return open_regular(repo->blobs_fd, etag);
}

int repo_store_open_file(const struct repo_store *repo, const char *commit, const char *path)
{
	char name[MAX_PATH_BYTES];
	int fd = -ENOENT;

	for (unsigned i = 0; fd < 0 && place_of(repo, i, commit, path, name, sizeof(name)); i++)
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

	text_addf(&join, DOWNLOAD_FOLDER "/%s.metadata", path);
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

static int write_metadata(const struct repo_store *repo, const char *commit, const char *path,
                          const char *etag)
{
	char name[MAX_PATH_BYTES], content[256];
	struct text join = TEXT_OVER(name), text = TEXT_OVER(content);
	CLEANUP(cleanup_fd) int fd = -1;
	struct timespec now;
	const char *last;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	text_addf(&join, "%s.metadata", path);
	text_addf(&text, "%s\n%s\n%lld.%06ld\n", commit, etag, (long long)now.tv_sec,
	          now.tv_nsec / 1000);
	if (join.cut)
		return -ENAMETOOLONG;
	fd = make_parent(repo->blobs_fd, name, &last);
	return fd < 0 ? fd : replace_file(fd, last, content);
}

/* Publication */

int publication_begin(struct publication *publication, const struct repo_store *repo,
                      const char *commit)
{
	char path[sizeof("snapshots/") + COMMIT_HEX];
	struct text text = TEXT_OVER(path), staging = TEXT_OVER(publication->staging);
	struct stat st;

	publication->repo = repo;
	memcpy(publication->commit, commit, COMMIT_HEX + 1);
	if (repo->store->is_folder) {
		/* One at a time, so that one which finds all in place sees no other's marker. */
		if (repo->store->has_locks)
			(void)flock(repo->blobs_fd, LOCK_EX);
		publication->folder_fd = fcntl(repo->fd, F_DUPFD_CLOEXEC, 3);
		return publication->folder_fd < 0 ? -errno : 0;
	}
	text_addf(&text, "snapshots/%s", commit);
	if (fstatat(repo->fd, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
		add_staging(&staging, commit);
	publication->folder_fd =
	        make_folders(repo->fd, staging.length > 0 ? publication->staging : path, false);
	return publication->folder_fd < 0 ? publication->folder_fd : 0;
}

/* ../../blobs/ETAG, with one more step up for each folder of the path. */
static int put_link(int folder_fd, const char *name, const char *path, const char *etag)
{
	char target[MAX_PATH_BYTES], now[MAX_PATH_BYTES], temporary[32], hex[9];
	struct text text = TEXT_OVER(target), beside = TEXT_OVER(temporary);
	ssize_t length;

	text_add(&text, "../../");
	for (const char *at = path; (at = strchr(at, '/')) != NULL; at++)
		text_add(&text, "../");
	text_addf(&text, "blobs/%s", etag);
	if (text.cut)
		return -ENAMETOOLONG;
	if (symlinkat(target, folder_fd, name) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	length = readlinkat(folder_fd, name, now, sizeof(now));
	if (length == (ssize_t)text.length && memcmp(now, target, text.length) == 0)
		return 0;
	random_hex(hex);
	text_addf(&beside, ".%s.tmp", hex);
	if (symlinkat(target, folder_fd, temporary) != 0)
		return -errno;
	if (renameat(folder_fd, temporary, folder_fd, name) == 0)
		return 0;
	length = errno;
	(void)unlinkat(folder_fd, temporary, 0);
	return -(int)length;
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
	return fsync(to) != 0 ? -errno : 0;
}

/* Closes `from`. */
static int copy_file(int from_fd, int folder_fd, const char *name)
{
	char temporary[32], hex[9];
	struct text beside = TEXT_OVER(temporary);
	CLEANUP(cleanup_fd) int from = from_fd, to = -1;
	int error;

	if (from < 0)
		return from;
	random_hex(hex);
	text_addf(&beside, ".%s.tmp", hex);
	to = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	            0666);
	if (to < 0)
		return -errno;
	error = copy_bytes(from, to);
	if (error == 0 && renameat(folder_fd, temporary, folder_fd, name) != 0)
		error = -errno;
	if (error != 0)
		(void)unlinkat(folder_fd, temporary, 0);
	return error;
}

/* Where there are no links the file itself takes the place; a copy where another path wants it too. */
static int put_file(const struct repo_store *repo, int folder_fd, const char *name,
                    const struct published *file)
{
	if (file->keep)
		return copy_file(open_regular(repo->blobs_fd, file->etag), folder_fd, name);
	return renameat(repo->blobs_fd, file->etag, folder_fd, name) != 0 ? -errno : 0;
}

/* Another fetch has put the file into its place meanwhile, or one that was killed has on its way there. */
static int take_placed(const struct publication *publication, int folder_fd, const char *name,
                       const struct published *file)
{
	const struct repo_store *repo = publication->repo;
	const char *commit = publication->commit;
	char staged[MAX_PATH_BYTES];

	if (is_file_of(folder_fd, name, file->size))
		return 0;
	if (!repo->store->is_folder &&
	    place_of(repo, 0, commit, file->path, staged, sizeof(staged)) &&
	    is_file_of(repo->fd, staged, file->size) &&
	    renameat(repo->fd, staged, folder_fd, name) == 0)
		return 0;
	return repo_store_has_file(repo, commit, file->path, file->size) ? 0 : -ENOENT;
}

/* From the first file that takes its place in a plain folder until the last has: see FOLDER_MARKER. */
static int set_marker(const struct repo_store *repo)
{
	CLEANUP(cleanup_fd)
	int fd = openat(repo->blobs_fd, FOLDER_MARKER,
	                O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);

	return fd < 0 ? -errno : 0;
}

static int put(const struct publication *publication, int folder_fd, const char *name,
               const struct published *file)
{
	const struct repo_store *repo = publication->repo;
	bool has_blob = repo_store_has(repo, file->etag, file->size);
	int error = has_blob ? 0 : -ENOENT;

	if (repo->store->has_links && (has_blob || file->equal == NULL))
		return put_link(folder_fd, name, file->path, file->etag);
	if (error == 0 && repo->store->is_folder)
		error = set_marker(repo);
	if (error == 0)
		error = put_file(repo, folder_fd, name, file);
	if (error == -ENOENT)
		error = take_placed(publication, folder_fd, name, file);
	if (error == -ENOENT && file->equal != NULL)
		error = copy_file(repo_store_open_file(repo, publication->commit, file->equal),
		                  folder_fd, name);
	return error;
}

int publication_add(struct publication *publication, const struct published *file)
{
	const struct repo_store *repo = publication->repo;
	const char *name;
	CLEANUP(cleanup_fd) int fd = -1;
	int error = 0;

	if (file->is_placed && repo->store->has_links)
		return 0;
	fd = make_parent(publication->folder_fd, file->path, &name);
	if (fd < 0)
		return fd;
	error = file->is_placed ? take_placed(publication, fd, name, file) :
	                          put(publication, fd, name, file);
	if (error == 0 && repo->store->is_folder &&
	    !repo_store_metadata_fits(repo, file->path, file->etag))
		error = write_metadata(repo, publication->commit, file->path, file->etag);
	return error;
}

static int copy_links(int from_fd, int to_fd, unsigned depth);

/* Somebody else has made the snapshot meanwhile: each name goes into it by itself. */
static int move_entry(int from_fd, int to_fd, const struct dirent *entry, unsigned depth)
{
	CLEANUP(cleanup_fd) int from = -1, to = -1;

	if (renameat(from_fd, entry->d_name, to_fd, entry->d_name) == 0)
		return 0;
	if (errno != EEXIST && errno != ENOTEMPTY && errno != EISDIR)
		return -errno;
	from = openat(from_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	to = openat(to_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 || to < 0)
		return -EEXIST;
	return copy_links(from, to, depth + 1);
}

static int copy_links(int from_fd, int to_fd, unsigned depth)
{
	int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (folder == NULL || depth > MAX_DEPTH_FOLDERS) {
		if (folder != NULL)
			(void)closedir(folder);
		return -ELOOP;
	}
	while (error == 0 && (entry = readdir(folder)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			error = move_entry(from_fd, to_fd, entry, depth);
	(void)closedir(folder);
	return error;
}

/* Only folders: what stands in one was put there by another fetch just now, which goes on with it. */
static void remove_empty_folders(int parent_fd, const char *name, unsigned depth)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (folder != NULL && depth < MAX_DEPTH_FOLDERS && (entry = readdir(folder)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			remove_empty_folders(dirfd(folder), entry->d_name, depth + 1);
	if (folder != NULL)
		(void)closedir(folder);
	(void)unlinkat(parent_fd, name, AT_REMOVEDIR);
}

/* All at once: the folder that was made ready becomes the snapshot. */
static int name_snapshot(const struct publication *publication, int fd)
{
	const struct repo_store *repo = publication->repo;
	CLEANUP(cleanup_fd) int snapshots = make_folders(repo->fd, "snapshots", false), there = -1;
	int error;

	if (snapshots < 0)
		return snapshots;
	if (renameat(repo->fd, publication->staging, snapshots, publication->commit) == 0)
		return sync_folder(snapshots);
	error = errno;
	if (error != EEXIST && error != ENOTEMPTY && error != ENOENT)
		return -error;
	there = openat(snapshots, publication->commit,
	               O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (there < 0)
		return -errno;
	if (error == ENOENT) /* another fetch has named it: the two had the same folder */
		return 0;
	error = copy_links(fd, there, 0);
	remove_empty_folders(repo->fd, publication->staging, 0);
	return error != 0 ? error : sync_folder(there);
}

/* What they list does not stand in the folder any more, and with one alone the folder's commit is known. */
static void forget_other_manifests(const struct repo_store *repo, const char *commit)
{
	CLEANUP(cleanup_fd) int trees = make_folders(repo->fd, FOLDER_TREES, false);
	int fd = trees < 0 ? -1 : openat(trees, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (folder == NULL) {
		cleanup_fd(&fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (manifest_is_named(entry->d_name) &&
		    strncmp(entry->d_name, commit, COMMIT_HEX) != 0)
			(void)unlinkat(trees, entry->d_name, 0);
	(void)closedir(folder);
}

int publication_end(struct publication *publication)
{
	const struct repo_store *repo = publication->repo;
	CLEANUP(cleanup_fd) int fd = take_fd(&publication->folder_fd);
	/* On disk before a ref names it. */
	int error = sync_folder(repo->blobs_fd);

	if (error == 0)
		error = sync_folder(fd);
	if (error != 0)
		return error;
	if (repo->store->is_folder) {
		forget_other_manifests(repo, publication->commit);
		return unlinkat(repo->blobs_fd, FOLDER_MARKER, 0) != 0 && errno != ENOENT ? -errno :
		                                                                            0;
	}
	return publication->staging[0] == '\0' ? 0 : name_snapshot(publication, fd);
}

void publication_release(struct publication *publication)
{
	const struct repo_store *repo = publication->repo;

	cleanup_fd(&publication->folder_fd);
	if (repo->store->is_folder && repo->store->has_locks)
		(void)flock(repo->blobs_fd, LOCK_UN);
}
