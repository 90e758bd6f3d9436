/* SPDX-License-Identifier: Apache-2.0 */
#include "base/tree.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/file.h"
#include "base/text.h"
#include "util.h"

#define STALE_TRIES 4u
#define ALWAYS (O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* openat2() refuses flags that mean nothing beside O_PATH; open() ignores them. */
static int with_always(int flags)
{
	return flags | ((flags & O_PATH) != 0 ? O_CLOEXEC : ALWAYS);
}

enum way {
	WAY_ROOT, /* the start is "/" */
	WAY_BENEATH, /* leaving the start is -EXDEV */
	WAY_TRUSTED /* from "/", and a link that is neither root's nor ours is -EPERM */
};

/* The walk by hand: open directories from the start to where it stands, and what is left to walk. */
struct walk {
	int fds[MAX_DEPTH_DIRECTORIES * 4];
	size_t path_length[MAX_DEPTH_DIRECTORIES * 4];
	size_t top;
	char path[MAX_PATH_BYTES];
	char left[MAX_PATH_BYTES];
	unsigned links;
	enum way way;
	bool on_way; /* the step that failed was through a directory, not the end */
	tree_link *visit; /* NULL: links are only followed */
	void *context;
};

static int open_kernel(int fd, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = { .flags = (unsigned)with_always(flags),
		                .resolve = resolve | RESOLVE_NO_MAGICLINKS };

	fd = (int)syscall(SYS_openat2, fd, path, &how, sizeof(how));
	return fd < 0 ? -errno : fd;
}

static void walk_pop(struct walk *walk)
{
	(void)close(walk->fds[walk->top--]);
	walk->path[walk->path_length[walk->top]] = '\0';
}

/* /proc/self/fd/1, to which /dev/stdout leads: its text is no path, and the kernel alone can follow it. */
static bool is_of_proc(int fd)
{
	struct statfs file_system;

	return fstatfs(fd, &file_system) == 0 && file_system.f_type == PROC_SUPER_MAGIC;
}

/* Puts a link's text before what is left of the path. */
static int walk_link(struct walk *walk, int link_fd)
{
	char text[MAX_PATH_BYTES], left[MAX_PATH_BYTES];
	ssize_t length = readlinkat(link_fd, "", text, sizeof(text) - 1);
	int error = 0;

	if (length < 0)
		return -errno;
	if (walk->visit != NULL)
		error = is_of_proc(link_fd) ? -EXDEV : walk->visit(walk->context, link_fd);
	if (error != 0)
		return error;
	text[length] = '\0';
	if (++walk->links > MAX_LINKS_FOLLOWED)
		return -ELOOP;
	if (text[0] == '/') {
		if (walk->way == WAY_BENEATH)
			return -EXDEV;
		while (walk->top > 0)
			walk_pop(walk);
	}
	if (!path_join(left, sizeof(left), text, walk->left))
		return -ENAMETOOLONG;
	memcpy(walk->left, left, sizeof(left));
	return 0;
}

static int walk_push(struct walk *walk, int *fd, const char *name)
{
	size_t length = strlen(walk->path), more = strlen(name);

	if (walk->top + 1 >= LENGTH_OF(walk->fds) || length + more + 2 > sizeof(walk->path))
		return -ENAMETOOLONG;
	walk->path_length[walk->top] = length;
	walk->path[length] = '/';
	memcpy(walk->path + length + 1, name, more + 1);
	walk->fds[++walk->top] = take_fd(fd);
	return 0;
}

/* One component: 1 means that *out is the end. */
static int walk_step(struct walk *walk, int flags, int *out)
{
	char name[MAX_NAME_BYTES];
	const char *start = walk->left + strspn(walk->left, "/");
	size_t length = strcspn(start, "/");
	bool last = start[length + strspn(start + length, "/")] == '\0';
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;
	int error;

	walk->on_way = false;
	if (length >= sizeof(name))
		return -ENAMETOOLONG;
	memcpy(name, start, length);
	name[length] = '\0';
	memmove(walk->left, start + length, strlen(start + length) + 1);
	if (length == 0 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		if (strcmp(name, "..") == 0) {
			if (walk->top == 0 && walk->way == WAY_BENEATH)
				return -EXDEV;
			if (walk->top > 0)
				walk_pop(walk);
		}
		if (!last && length != 0)
			return 0;
		*out = openat(walk->fds[walk->top], ".", with_always(flags) & ~O_CREAT);
		return *out < 0 ? -errno : 1;
	}
	walk->on_way = true; /* a failure here is a directory without search permission */
	fd = openat(walk->fds[walk->top], name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && last && (flags & O_CREAT) != 0) {
		*out = openat(walk->fds[walk->top], name, with_always(flags) | O_NOFOLLOW | O_EXCL,
		              0644);
		return *out < 0 ? -errno : 1;
	}
	if (fd < 0 || fstat(fd, &st) != 0)
		return -errno;
	walk->on_way = false;
	if (S_ISLNK(st.st_mode) && walk->way == WAY_TRUSTED && st.st_uid != 0 &&
	    st.st_uid != geteuid())
		return -EPERM;
	if (S_ISLNK(st.st_mode) && last && walk->way == WAY_TRUSTED && is_of_proc(fd)) {
		*out = openat(walk->fds[walk->top], name, with_always(flags) & ~O_CREAT);
		return *out < 0 ? -errno : 1;
	}
	if (S_ISLNK(st.st_mode))
		return walk_link(walk, fd);
	if (!last)
		return S_ISDIR(st.st_mode) ? walk_push(walk, &fd, name) : -ENOTDIR;
	*out = openat(walk->fds[walk->top], name, (with_always(flags) & ~O_CREAT) | O_NOFOLLOW);
	if (*out >= 0)
		return 1;
	error = errno;
	(void)walk_push(walk, &fd, name); /* so that the end is named */
	return -error;
}

static int walk_run(struct walk *walk, int start_fd, const char *path, int flags,
                    struct refusal *refusal)
{
	int out = -1, result;

	walk->fds[0] = fcntl(start_fd, F_DUPFD_CLOEXEC, 3);
	if (walk->fds[0] < 0)
		return -errno;
	result = path_join(walk->left, sizeof(walk->left), path, "") ? 0 : -ENAMETOOLONG;
	if (path[0] == '/' && walk->way == WAY_BENEATH)
		result = -EXDEV;
	while (result == 0)
		result = walk_step(walk, flags, &out);
	if (result < 0 && refusal != NULL) {
		refusal->error = -result;
		refusal->is_directory_on_the_way = walk->on_way && result == -EACCES;
		refusal->has_stat = fstat(walk->fds[walk->top], &refusal->st) == 0;
		memcpy(refusal->path, walk->path[0] == '\0' ? "/" : walk->path,
		       walk->path[0] == '\0' ? 2 : strlen(walk->path) + 1);
	}
	for (size_t i = 0; i <= walk->top; i++)
		(void)close(walk->fds[i]);
	return result < 0 ? result : out;
}

static int walk_open(int start_fd, const char *path, int flags, enum way way,
                     struct refusal *refusal)
{
	struct walk walk = { .way = way };

	return walk_run(&walk, start_fd, path, flags, refusal);
}

int tree_init(struct tree *tree, const char *root)
{
	int probe;

	tree->root_fd = -1;
	probe = open_kernel(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	tree->by_hand = probe < 0;
	if (probe >= 0)
		(void)close(probe);
	if (root == NULL)
		return 0;
	tree->root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return tree->root_fd < 0 ? -errno : 0;
}

void tree_release(struct tree *tree)
{
	cleanup_fd(&tree->root_fd);
	tree->root_fd = -1;
}

/* EAGAIN: somebody renames or mounts anywhere in the system (openat2(2)); the walk by hand does not mind. */
static int open_within(const struct tree *tree, int fd, const char *path, int flags, bool beneath)
{
	int result = tree->by_hand ? -EAGAIN :
	                             open_kernel(fd, path, flags,
	                                         beneath ? RESOLVE_BENEATH : RESOLVE_IN_ROOT);

	return result == -EAGAIN ?
	               walk_open(fd, path, flags, beneath ? WAY_BENEATH : WAY_ROOT, NULL) :
	               result;
}

bool tree_leads_through_proc(const char *path)
{
	char target[6];
	int fd = open_kernel(AT_FDCWD, path, O_PATH, 0);
	ssize_t length;

	if (fd >= 0)
		(void)close(fd);
	if (fd != -ENOSYS && fd != -EPERM)
		return fd == -ELOOP;
	length = readlink(path, target, sizeof(target)); /* of its text the begin */
	return length == (ssize_t)sizeof(target) && memcmp(target, "/proc/", 6) == 0;
}

int tree_open(const struct tree *tree, const char *path, int flags)
{
	int fd;

	if (tree->root_fd < 0) {
		fd = open(path, with_always(flags));
		return fd < 0 ? -errno : fd;
	}
	return open_within(tree, tree->root_fd, path, flags, false);
}

int tree_stat(const struct tree *tree, const char *path, struct stat *st)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (tree->root_fd < 0)
		return stat(path, st) != 0 ? -errno : 0;
	fd = tree_open(tree, path, O_PATH);
	if (fd < 0)
		return fd;
	return fstat(fd, st) != 0 ? -errno : 0;
}

/* ESTALE: the server, or FUSE, has another file of this name meanwhile (another fetch has just replaced it). */
int tree_open_beneath(const struct tree *tree, int directory_fd, const char *name, int flags)
{
	int fd = -ESTALE;

	for (unsigned tries = 0; fd == -ESTALE && tries < STALE_TRIES; tries++)
		fd = open_within(tree, directory_fd, name, flags, true);
	return fd;
}

/* Seccomp profiles from before faccessat2(2) answer it with EPERM; without it the real user is the one that is asked for. */
static int access_at(int directory_fd, const char *path, int mode)
{
	if (faccessat(directory_fd, path, mode, AT_EACCESS) == 0)
		return 0;
	if (errno == EPERM && getuid() == geteuid() && getgid() == getegid() &&
	    syscall(SYS_faccessat, directory_fd, path, mode) == 0)
		return 0;
	return -errno;
}

int tree_access(const struct tree *tree, const char *path, int mode)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (tree->root_fd < 0)
		return access_at(AT_FDCWD, path, mode);
	fd = tree_open(tree, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	return access_at(fd, ".", mode);
}

int tree_read(const struct tree *tree, const char *path, size_t limit, char **data, size_t *length)
{
	CLEANUP(cleanup_fd) int fd = -1;
	struct stat st;
	int error = tree_stat(tree, path, &st);

	if (error < 0)
		return error;
	if (!S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	fd = tree_open(tree, path, O_RDONLY);
	if (fd < 0)
		return fd;
	return read_whole(fd, limit, data, length);
}

bool tree_explain(const struct tree *tree, const char *path, struct refusal *refusal)
{
	CLEANUP(cleanup_fd) int start = -1, fd = -1;

	memset(refusal, 0, sizeof(*refusal));
	start = tree->root_fd >= 0 ? fcntl(tree->root_fd, F_DUPFD_CLOEXEC, 3) :
	                             open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (start < 0)
		return false;
	fd = walk_open(start, path, O_RDONLY, WAY_ROOT, refusal);
	return fd < 0;
}

/* A hard link is a link, too, and where protected_hardlinks is off (proc(5)) anybody may make one of root's file. */
static int refuse_second_name(int fd, int flags)
{
	int error = 0;
	struct stat st;

	if (fd < 0 || (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) != 0)
		return fd;
	if (fstat(fd, &st) != 0 || (S_ISREG(st.st_mode) && st.st_nlink == 1 &&
	                            (flags & O_TRUNC) != 0 && ftruncate(fd, 0) != 0))
		error = -errno;
	else if (S_ISREG(st.st_mode) && st.st_nlink > 1)
		error = -EMLINK;
	if (error == 0)
		return fd;
	(void)close(fd);
	return error;
}

int tree_open_trusted(const char *path, int flags)
{
	char here[MAX_PATH_BYTES] = "/", whole[MAX_PATH_BYTES];
	CLEANUP(cleanup_fd) int start = -1;

	if (geteuid() != 0) {
		int fd = open(path, with_always(flags), 0644);

		return fd < 0 ? -errno : fd;
	}
	start = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (start < 0 || (path[0] != '/' && getcwd(here, sizeof(here)) == NULL))
		return -errno;
	if (!path_join(whole, sizeof(whole), here, path))
		return -ENAMETOOLONG;
	return refuse_second_name(walk_open(start, whole, flags & ~O_TRUNC, WAY_TRUSTED, NULL),
	                          flags);
}

int tree_visit_links(const char *path, tree_link *visit, void *context)
{
	struct walk walk = { .way = WAY_ROOT, .visit = visit, .context = context };
	CLEANUP(cleanup_fd) int start = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), end = -1;

	if (start < 0)
		return -errno;
	end = walk_run(&walk, start, path, O_PATH, NULL);
	return end < 0 && end != -EXDEV ? end : 0;
}
