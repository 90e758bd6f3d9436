/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/store/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/text.h"
#include "bounds.h"
#include "util.h"

/* .probe.XXXXXXXX, with letters of either case. What was a file is no directory any more on rclone, hence other names. */
struct probe {
	int directory_fd;
	char name[24], folder[24], moved[24], upper[24];
};

static struct probe probe_of(int directory_fd)
{
	struct probe probe = { .directory_fd = directory_fd };
	struct text name = TEXT_OVER(probe.name), folder = TEXT_OVER(probe.folder),
	            moved = TEXT_OVER(probe.moved), upper = TEXT_OVER(probe.upper);
	char hex[9];

	random_hex(hex);
	text_addf(&name, ".probe.%s", hex);
	text_addf(&folder, ".probe.%s.a", hex);
	text_addf(&moved, ".probe.%s.b", hex);
	text_addf(&upper, ".PROBE.%s", hex);
	for (char *at = probe.upper; *at != '\0'; at++)
		*at = (char)(*at >= 'a' && *at <= 'f' ? *at - 'a' + 'A' : *at);
	return probe;
}

static bool try_links(const struct probe *probe)
{
	char back[16];
	ssize_t length;

	if (symlinkat("target", probe->directory_fd, probe->name) != 0)
		return false;
	length = readlinkat(probe->directory_fd, probe->name, back, sizeof(back));
	(void)unlinkat(probe->directory_fd, probe->name, 0);
	return length == 6;
}

/*
 * Two descriptions of one file: where both get the lock, it excludes nobody (Lustre, some NFS). Without a count of
 * links nobody could tell a lock's file that was removed.
 */
static bool try_locks(int first, const struct probe *probe, const struct stat *st)
{
	CLEANUP(cleanup_fd)
	int second = openat(probe->directory_fd, probe->name, O_RDWR | O_CLOEXEC);

	return second >= 0 && st->st_nlink > 0 && flock(first, LOCK_EX | LOCK_NB) == 0 &&
	       flock(second, LOCK_EX | LOCK_NB) != 0;
}

/*
 * FUSE (virtiofs, too) keeps flock(2) within the kernel that mounts it, unless its server takes part (FUSE_FLOCK_LOCKS),
 * which nothing shows. gVisor does so with what lies outside of the sandbox, which it calls 9p.
 */
static bool keeps_locks_to_itself(int directory_fd)
{
	struct statfs fs;

	return fstatfs(directory_fd, &fs) == 0 &&
	       (fs.f_type == FUSE_SUPER_MAGIC || fs.f_type == V9FS_MAGIC);
}

static void try_file(const struct probe *probe, struct volume *volume)
{
	CLEANUP(cleanup_fd)
	int fd = openat(probe->directory_fd, probe->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
	                0600);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0) {
		volume->clock_ahead_s = (int64_t)(st.st_mtim.tv_sec - time(NULL));
		volume->has_locks = try_locks(fd, probe, &st);
	}
	volume->ignores_case = faccessat(probe->directory_fd, probe->upper, F_OK, 0) == 0;
	(void)unlinkat(probe->directory_fd, probe->name, 0);
}

/* rclone 1.60 renames a directory, and the files in it are empty until they have been uploaded. */
static bool try_directories(const struct probe *probe)
{
	int at = probe->directory_fd;
	CLEANUP(cleanup_fd) int directory = -1, file = -1;
	bool moved = false, well;
	const char *name;
	char back[8];

	if (mkdirat(at, probe->folder, 0700) != 0)
		return false;
	directory = openat(at, probe->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (directory >= 0 && replace_file(directory, "file", "abc") == 0)
		moved = renameat(at, probe->folder, at, probe->moved) == 0;
	name = moved ? probe->moved : probe->folder;
	cleanup_fd(&directory);
	directory = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	file = directory < 0 ? -1 : open_regular(directory, "file");
	well = moved && file >= 0 && read(file, back, sizeof(back)) == 3;
	if (directory >= 0)
		(void)unlinkat(directory, "file", 0);
	(void)unlinkat(at, name, AT_REMOVEDIR);
	return well;
}

/* What a fetch left that was killed while it tried. */
static void sweep_probes(int directory_fd)
{
	CLEANUP(dir_close)
	struct dir directory = dir_open(directory_fd, ".", MAX_DIRECTORY_ENTRIES);
	struct dirent *entry;
	struct stat st;

	while ((entry = dir_next(&directory)) != NULL) {
		if (strncmp(entry->d_name, ".probe.", 7) != 0 ||
		    fstatat(directory_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    st.st_uid != geteuid() || time(NULL) - st.st_mtim.tv_sec < STALE_PARTIAL_S)
			continue;
		if (S_ISDIR(st.st_mode)) {
			CLEANUP(cleanup_fd)
			int fd = openat(directory_fd, entry->d_name,
			                O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

			if (fd >= 0)
				(void)unlinkat(fd, "file", 0);
		}
		(void)unlinkat(directory_fd, entry->d_name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	}
}

void volume_try(int directory_fd, struct volume *volume)
{
	struct probe probe = probe_of(directory_fd);

	/* Where nothing can be made, it is taken for an ordinary file system: what is there already may be enough. */
	if (mkdirat(directory_fd, probe.folder, 0700) != 0 && (errno == EACCES || errno == EROFS)) {
		*volume = (struct volume){ .has_links = true,
			                   .has_locks = true,
			                   .renames_directories = true };
		return;
	}
	(void)unlinkat(directory_fd, probe.folder, AT_REMOVEDIR);
	sweep_probes(directory_fd);
	*volume = (struct volume){ .has_links = try_links(&probe),
		                   .may_be_shared = keeps_locks_to_itself(directory_fd) };
	try_file(&probe, volume);
	volume->renames_directories = try_directories(&probe);
}

const char *volume_words(int error)
{
	switch (-error) {
	case ENOSYS:
	case EOPNOTSUPP:
		return "the volume cannot rename files, or lacks another call that a cache needs";
	case EXDEV:
		return "the volume cannot move files between directories";
	case EINVAL:
		return "the volume refuses a call that a cache needs, such as writing at an offset, or a name that it cannot hold";
	case EILSEQ:
		return "the volume cannot hold a file of this name";
	case ESPIPE:
		return "the volume cannot write at an offset (rclone: --vfs-cache-mode writes)";
	case ESTALE:
		return "others cut it or took it over, again and again";
	case ENOTUNIQ:
		return "the volume ignores case, and takes this name for another one of the repository's";
	default:
		return strerror(-error);
	}
}

const char *volume_fix(int error)
{
	switch (-error) {
	case EILSEQ:
		return "use a volume that takes such names, or leave the file out by files or exclude";
	case ENAMETOOLONG:
		return "use a volume that takes longer names, or leave the file out by files or exclude";
	case ENOSYS:
	case EOPNOTSUPP:
	case EXDEV:
	case EINVAL:
	case ESPIPE:
		return "use another volume, or mount this one so that it can do that";
	case ESTALE:
		return "let one fetch at a time fill the volume";
	case ENOTUNIQ:
		return "leave one of the two out by 'exclude', or use a volume that tells case apart";
	case EIO:
		return "look at the volume and its log: it fails, or lost what was written";
	default:
		return NULL;
	}
}

static bool holds_name(int directory_fd, const char *name, size_t length)
{
	char probe[NAME_MAX + 1];
	struct text text = TEXT_OVER(probe);
	int fd;

	text_add(&text, ".probe.");
	text_add_bytes(&text, name, length);
	fd = openat(directory_fd, probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
	            0600);
	if (fd < 0)
		return errno == EEXIST;
	(void)close(fd);
	(void)unlinkat(directory_fd, probe, 0);
	return true;
}

bool volume_holds(int directory_fd, const char *path)
{
	bool plain = holds_name(directory_fd, "plain", 5), each = true;

	for (const char *at = path; plain && each && *at != '\0';) {
		size_t length = strcspn(at, "/");

		each = holds_name(directory_fd, at, length);
		at += length + (at[length] == '/');
	}
	return each;
}

bool volume_refuses(int error)
{
	static const int refusals[] = { EACCES, EPERM,  EROFS, ENOTDIR,
		                        EEXIST, ENOENT, ELOOP, ENAMETOOLONG };

	for (size_t i = 0; i < LENGTH_OF(refusals); i++)
		if (error == -refusals[i])
			return true;
	return false;
}

bool volume_renames_no_directory(int error)
{
	static const int refusals[] = { EMFILE,     EXDEV, EPERM,  ENOSYS,
		                        EOPNOTSUPP, EIO,   EINVAL, EACCES };

	for (size_t i = 0; i < LENGTH_OF(refusals); i++)
		if (error == refusals[i])
			return true;
	return false;
}
