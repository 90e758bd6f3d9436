/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FUSE volume over a directory that does one thing otherwise than a disk: passthrough MOUNTPOINT DIRECTORY RULE=ANSWER...
 * An answer is an errno's number, unless it is said. Runs in the foreground.
 *   OPERATION    mkdir mknod create exclusive open write truncate fsync fsyncdir flush flock rename rename-directory
 *                rename-over symlink link unlink rmdir chmod statfs readdir: refused
 *   append       write at another place than the end of the file: refused
 *   cut-is-lost  1: truncate says yes and does nothing
 *   short        no write takes more bytes than that
 *   no-blocks    1: 0 of 0 blocks and inodes; no-inodes 1: 0 of 1,000,000,000 inodes
 *   no-mmap      1: no shared mapping (direct_io)
 *   no-links     1: nothing has a link count
 *   no-types     1: readdir tells no types; by-index 1: an entry's place is its number, so removing one moves the rest
 *   ignore-case  1: names that differ in the case of ASCII alone are one
 *   clock        seconds that are added to each time of a change
 *   delay        milliseconds that a rename takes; looks: that each look at a name takes
 *   stale        so many opens find that the name has another file meanwhile (ESTALE)
 *   raced        1: a file that is made without O_EXCL is there already, as if another had just made it (gVisor's EEXIST)
 *   halves       1: a file that is renamed is half of it from then on; 2: when it is renamed for the second time
 *   slow         microseconds that a write takes
 *   OPERATION-hangs  1: mkdir, create, fsync or rename is taken and never answered
 */
#define FUSE_USE_VERSION 31
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int root_fd;
static char **rules;

/* What comes after "RULE=", or 0. */
static int rule(const char *name)
{
	size_t length = strlen(name);

	for (char **at = rules; *at != NULL; at++)
		if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
			return atoi(*at + length + 1);
	return 0;
}

#define REFUSE(name)                                                                               \
	do {                                                                                       \
		int refused = rule(name);                                                          \
                                                                                                   \
		while (rule(name "-hangs"))                                                        \
			pause();                                                                   \
		if (refused != 0)                                                                  \
			return -refused;                                                           \
	} while (0)
#define ANSWER(call) return (call) < 0 ? -errno : 0

/* The name as it stands in its directory, where case is ignored. */
static void find_case(const char *directory, char *name)
{
	int fd = openat(root_fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (stream != NULL && (entry = readdir(stream)) != NULL)
		if (strcasecmp(entry->d_name, name) == 0)
			memcpy(name, entry->d_name, strlen(name));
	if (stream != NULL)
		closedir(stream);
}

static const char *under(const char *path, char out[PATH_MAX])
{
	size_t start = 0;

	snprintf(out, PATH_MAX, "%s", path[1] == '\0' ? "." : path + 1);
	for (char *at = out; rule("ignore-case") && at != NULL;
	     start = at == NULL ? 0 : (size_t)(++at - out)) {
		char directory[PATH_MAX] = ".";

		if (start > 0)
			snprintf(directory, sizeof(directory), "%.*s", (int)start, out);
		at = strchr(out + start, '/');
		if (at != NULL)
			*at = '\0';
		find_case(directory, out + start);
		if (at == NULL)
			break;
		*at = '/';
	}
	return out;
}
#define UNDER(path) under(path, (char[PATH_MAX]){ 0 })

static void *start(struct fuse_conn_info *connection, struct fuse_config *config)
{
	(void)connection;
	/* Nothing is remembered by the kernel: names that are one are seen to change together. */
	config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
	config->use_ino = 1;
	config->hard_remove = 1;
	config->nullpath_ok = 0;
	return NULL;
}

static int p_getattr(const char *path, struct stat *st, struct fuse_file_info *info)
{
	int result = info != NULL ? fstat((int)info->fh, st) :
	                            fstatat(root_fd, UNDER(path), st, AT_SYMLINK_NOFOLLOW);

	usleep((useconds_t)rule("looks") * 1000);
	st->st_mtim.tv_sec += rule("clock");
	if (rule("no-links"))
		st->st_nlink = 0;
	ANSWER(result);
}

static int p_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                     struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
	int fd = openat(root_fd, UNDER(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	(void)info, (void)flags;
	REFUSE("readdir");
	if (stream == NULL)
		return -errno;
	for (off_t number = 1; (entry = readdir(stream)) != NULL; number++) {
		struct stat st = { .st_ino = entry->d_ino,
			           .st_mode = rule("no-types") ? 0 : DTTOIF(entry->d_type) };

		if (rule("by-index") && number <= offset)
			continue;
		if (fill(buffer, entry->d_name, &st, rule("by-index") ? number : 0, 0) != 0)
			break;
	}
	closedir(stream);
	return 0;
}

static int p_readlink(const char *path, char *out, size_t size)
{
	ssize_t length = readlinkat(root_fd, UNDER(path), out, size - 1);

	if (length >= 0)
		out[length] = '\0';
	ANSWER(length);
}

static int p_mkdir(const char *path, mode_t mode)
{
	REFUSE("mkdir");
	ANSWER(mkdirat(root_fd, UNDER(path), mode));
}

static int p_unlink(const char *path)
{
	REFUSE("unlink");
	ANSWER(unlinkat(root_fd, UNDER(path), 0));
}

static int p_rmdir(const char *path)
{
	REFUSE("rmdir");
	ANSWER(unlinkat(root_fd, UNDER(path), AT_REMOVEDIR));
}

static int p_symlink(const char *target, const char *path)
{
	REFUSE("symlink");
	ANSWER(symlinkat(target, root_fd, UNDER(path)));
}

static int p_link(const char *from, const char *to)
{
	REFUSE("link");
	ANSWER(linkat(root_fd, UNDER(from), root_fd, UNDER(to), 0));
}

/* Whether a rename gave it this name; `to` is remembered. A number of an inode would be another file's by and by. */
static bool was_renamed(const char *from, const char *to)
{
	static atomic_bool given[1u << 16];
	unsigned places[2] = { 5381, 5381 };

	for (const char *at = from; *at != '\0'; at++)
		places[0] = places[0] * 33 + (unsigned char)*at;
	for (const char *at = to; *at != '\0'; at++)
		places[1] = places[1] * 33 + (unsigned char)*at;
	atomic_store(&given[places[1] % (1u << 16)], true);
	return atomic_load(&given[places[0] % (1u << 16)]);
}

static int p_rename(const char *from, const char *to, unsigned flags)
{
	struct stat st;

	REFUSE("rename");
	if (fstatat(root_fd, UNDER(from), &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
		REFUSE("rename-directory");
	if (fstatat(root_fd, UNDER(to), &st, AT_SYMLINK_NOFOLLOW) == 0)
		REFUSE("rename-over");
	usleep((useconds_t)rule("delay") * 1000);
	if (rule("halves") && fstatat(root_fd, UNDER(from), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && (rule("halves") == 1 || was_renamed(from, to))) {
		int fd = openat(root_fd, UNDER(from), O_WRONLY | O_CLOEXEC);

		(void)!ftruncate(fd, st.st_size / 2);
		close(fd);
	}
	ANSWER(renameat2(root_fd, UNDER(from), root_fd, UNDER(to), flags));
}

static int p_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
	(void)info;
	REFUSE("chmod");
	ANSWER(fchmodat(root_fd, UNDER(path), mode, 0));
}

static int p_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *info)
{
	(void)info;
	ANSWER(fchownat(root_fd, UNDER(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int p_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
	(void)info;
	ANSWER(utimensat(root_fd, UNDER(path), times, AT_SYMLINK_NOFOLLOW));
}

static int p_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
	int fd = info != NULL ? (int)info->fh : openat(root_fd, UNDER(path), O_WRONLY | O_CLOEXEC),
	    result;

	REFUSE("truncate");
	result = rule("cut-is-lost") ? 0 : ftruncate(fd, size);
	result = result < 0 ? -errno : 0;
	if (info == NULL && fd >= 0)
		close(fd);
	return result;
}

static int open_file(const char *path, int flags, mode_t mode, struct fuse_file_info *info)
{
	int fd = openat(root_fd, UNDER(path), (flags & ~(O_APPEND | O_NOFOLLOW)) | O_CLOEXEC, mode);

	if (fd < 0)
		return -errno;
	info->fh = (uint64_t)fd;
	info->direct_io = rule("no-mmap") != 0;
	return 0;
}

static int p_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
	REFUSE("create");
	if ((info->flags & O_EXCL) != 0)
		REFUSE("exclusive");
	else if (rule("raced")) {
		int fd = openat(root_fd, UNDER(path), O_CREAT | O_WRONLY | O_CLOEXEC, mode);

		close(fd);
		return -EEXIST;
	}
	return open_file(path, info->flags | O_CREAT, mode, info);
}

static int p_mknod(const char *path, mode_t mode, dev_t device)
{
	REFUSE("mknod");
	ANSWER(mknodat(root_fd, UNDER(path), mode, device));
}

static int p_open(const char *path, struct fuse_file_info *info)
{
	static atomic_int opens;

	if (atomic_fetch_add(&opens, 1) < rule("stale"))
		return -ESTALE;
	REFUSE("open");
	return open_file(path, info->flags & ~(O_CREAT | O_EXCL), 0, info);
}

static int p_read(const char *path, char *out, size_t size, off_t at, struct fuse_file_info *info)
{
	ssize_t got = pread((int)info->fh, out, size, at);

	(void)path;
	return got < 0 ? -errno : (int)got;
}

static int p_write(const char *path, const char *bytes, size_t size, off_t at,
                   struct fuse_file_info *info)
{
	size_t most = (size_t)rule("short");
	struct stat st;
	ssize_t written;

	(void)path;
	REFUSE("write");
	if (fstat((int)info->fh, &st) == 0 && at != st.st_size)
		REFUSE("append");
	usleep((useconds_t)rule("slow"));
	written = pwrite((int)info->fh, bytes, most > 0 && most < size ? most : size, at);
	return written < 0 ? -errno : (int)written;
}

static int p_flush(const char *path, struct fuse_file_info *info)
{
	(void)path, (void)info;
	REFUSE("flush");
	return 0;
}

static int p_release(const char *path, struct fuse_file_info *info)
{
	(void)path;
	ANSWER(close((int)info->fh));
}

static int p_fsync(const char *path, int data, struct fuse_file_info *info)
{
	(void)path, (void)data;
	REFUSE("fsync");
	ANSWER(fsync((int)info->fh));
}

static int p_fsyncdir(const char *path, int data, struct fuse_file_info *info)
{
	(void)path, (void)data, (void)info;
	REFUSE("fsyncdir");
	return 0;
}

static int p_flock(const char *path, struct fuse_file_info *info, int operation)
{
	(void)path;
	REFUSE("flock");
	ANSWER(flock((int)info->fh, operation));
}

static int p_statfs(const char *path, struct statvfs *volume)
{
	(void)path;
	REFUSE("statfs");
	if (fstatvfs(root_fd, volume) != 0)
		return -errno;
	if (rule("no-blocks"))
		volume->f_blocks = volume->f_bfree = volume->f_bavail = volume->f_files =
		        volume->f_ffree = volume->f_favail = 0;
	if (rule("no-inodes"))
		volume->f_files = 1000000000, volume->f_ffree = volume->f_favail = 0;
	return 0;
}

int main(int argc, char **argv)
{
	struct fuse_operations operations = {
		.init = start,
		.getattr = p_getattr,
		.readdir = p_readdir,
		.readlink = p_readlink,
		.mkdir = p_mkdir,
		.unlink = p_unlink,
		.rmdir = p_rmdir,
		.symlink = p_symlink,
		.link = p_link,
		.rename = p_rename,
		.chmod = p_chmod,
		.chown = p_chown,
		.utimens = p_utimens,
		.truncate = p_truncate,
		.create = p_create,
		.mknod = p_mknod,
		.open = p_open,
		.read = p_read,
		.write = p_write,
		.flush = p_flush,
		.release = p_release,
		.fsync = p_fsync,
		.fsyncdir = p_fsyncdir,
		.statfs = p_statfs,
	};
	char *arguments[] = {
		argv[0], argv[1], "-f", "-o", "allow_other,default_permissions,fsname=passthrough",
		NULL
	};

	if (argc < 3 || (root_fd = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		fprintf(stderr, "usage: passthrough MOUNTPOINT DIRECTORY RULE=ANSWER...\n");
		return 64;
	}
	rules = argv + 3;
	umask(0);
	/* Where nobody answers the kernel locks by itself, and well. */
	if (rule("flock") != 0)
		operations.flock = p_flock;
	return fuse_main(5, arguments, &operations, NULL);
}
