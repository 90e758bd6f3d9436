/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/landlock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/tree.h"
#include "bounds.h"
#include "confine/probe.h"
#include "util.h"

/* Debian 12's headers end at ABI 2; numbers from linux/landlock.h of 6.15. */
#define RIGHT_TRUNCATE (1ull << 14) /* ABI 3 */
#define RIGHT_IOCTL_DEV (1ull << 15) /* ABI 5 */
#define RULE_NET_PORT 2 /* ABI 4 */
#define NET_BIND_TCP (1ull << 0) /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6 */
#define SCOPE_SIGNAL (1ull << 1)

struct ruleset {
	uint64_t files, net, scoped;
};

static int create_ruleset(const struct ruleset *ruleset, size_t size, uint32_t flags)
{
	int fd = (int)syscall(SYS_landlock_create_ruleset, ruleset, size, flags);

	return fd < 0 ? -errno : fd;
}

static int ask_abi(const void *nothing)
{
	(void)nothing;
	return create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

int landlock_abi(void)
{
	return probe(ask_abi, NULL);
}

const char *landlock_words(int error)
{
	switch (-error) {
	case ENOSYS:
		return "the kernel has no Landlock";
	case EPROTONOSUPPORT:
		return "the kernel's Landlock is older than Linux 5.19 and forbids renaming between directories";
	case EOPNOTSUPP:
		return "the kernel has Landlock, but was started without it (lsm=)";
	case EPERM:
		return "a seccomp profile forbids Landlock";
	case ENOPROTOOPT:
		return "the kernel's Landlock is older than Linux 6.7";
	case E2BIG:
		return "too much lies beside the models for Landlock's rules";
	default:
		return "Landlock failed";
	}
}

static int add_path(int ruleset_fd, int directory_fd, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = { .allowed_access = rights,
		                                      .parent_fd = directory_fd };

	return syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &beneath,
	               0) != 0 ?
	               -errno :
	               0;
}

static int add_port(int ruleset_fd, uint16_t port)
{
	const struct {
		uint64_t rights, port;
	} rule = { NET_CONNECT_TCP, port };

	return syscall(SYS_landlock_add_rule, ruleset_fd, RULE_NET_PORT, &rule, 0) != 0 ? -errno :
	                                                                                  0;
}

static int add_rules(int fd, const struct landlock_grant *grant, const struct ruleset *ruleset)
{
	static const uint64_t read = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	                      never = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
	                              LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
	                              LANDLOCK_ACCESS_FS_MAKE_SOCK | RIGHT_IOCTL_DEV;
	CLEANUP(cleanup_fd) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int error = root < 0 ? -errno : add_path(fd, root, read);

	for (size_t i = 0; error == 0 && i < grant->read_count; i++)
		error = add_path(fd, grant->read_fds[i], read);
	if (error == 0 && grant->write_fd >= 0)
		error = add_path(fd, grant->write_fd, ruleset->files & ~never);
	for (size_t i = 0; error == 0 && ruleset->net != 0 && i < grant->port_count; i++)
		error = add_port(fd, grant->ports[i]);
	return error;
}

int landlock_restrict(const struct landlock_grant *grant)
{
	int abi = landlock_abi(), error;
	struct ruleset ruleset = { 0 };
	CLEANUP(cleanup_fd) int fd = -1;
	size_t size = abi >= 6 ? sizeof(ruleset) : abi >= 4 ? 16 : 8;

	if (abi < 0)
		return abi;
	if (abi < 2 &&
	    grant->write_fd >= 0) /* no REFER: files could not be renamed into their directories */
		return -EPROTONOSUPPORT;
	ruleset.files = (1ull << 13) - 1; /* all of ABI 1 */
	ruleset.files |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	ruleset.files |= abi >= 3 ? RIGHT_TRUNCATE : 0;
	ruleset.files |= abi >= 5 ? RIGHT_IOCTL_DEV : 0;
	ruleset.net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
	ruleset.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0;
	fd = create_ruleset(&ruleset, size, 0);
	if (fd < 0)
		return fd;
	error = add_rules(fd, grant, &ruleset);
	if (error == 0)
		error = landlock_enforce(fd);
	return error == 0 && abi < 4 ? 1 : error;
}

int landlock_enforce(int ruleset_fd)
{
	return syscall(SYS_landlock_restrict_self, ruleset_fd, 0) != 0 ? -errno : 0;
}

/* Limits of a service: everything but some directories is granted */

struct place {
	dev_t dev;
	ino_t ino;
};

struct places {
	struct place at[MAX_PLACES];
	int fds[MAX_PLACES]; /* of parents */
	size_t count;
	bool marked[MAX_PLACES]; /* kept: it is a file; parents: such a file lies in it */
};

static bool has_place(const struct places *places, const struct stat *st)
{
	for (size_t i = 0; i < places->count; i++)
		if (places->at[i].dev == st->st_dev && places->at[i].ino == st->st_ino)
			return true;
	return false;
}

/* Takes the descriptor. */
static int add_place(struct places *places, int fd)
{
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) != 0 || has_place(places, &st) || places->count == MAX_PLACES) {
		int error = places->count == MAX_PLACES ? -E2BIG : 0;

		(void)close(fd);
		return error;
	}
	places->marked[places->count] = !S_ISDIR(st.st_mode);
	places->at[places->count] = (struct place){ st.st_dev, st.st_ino };
	places->fds[places->count++] = fd;
	return 0;
}

static void shorten_places(struct places *places, size_t count)
{
	while (places->count > count)
		(void)close(places->fds[--places->count]);
}

static void cleanup_places(struct places *places)
{
	shorten_places(places, 0);
}

/* By "..", so that names and links play no part; a file has none, but the kernel knows its name. */
static int open_parent(int fd)
{
	int parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char path[PATH_MAX], *slash;

	if (parent >= 0 || errno != ENOTDIR)
		return parent;
	descriptor_name(fd, path, sizeof(path));
	slash = strrchr(path, '/');
	if (slash != NULL)
		slash[slash == path] = '\0';
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * From the parent of a directory or file up to the root. None where it lies in another kept directory: what is beside
 * it there must not be granted.
 */
static int add_parents(struct places *parents, int kept_fd, const struct places *kept)
{
	size_t before = parents->count;
	struct stat here, above;
	int fd = fcntl(kept_fd, F_DUPFD_CLOEXEC, 0), error = fd < 0 ? -errno : 0;

	while (error == 0) {
		int parent = open_parent(fd);

		if (parent < 0 || fstat(fd, &here) != 0 || fstat(parent, &above) != 0) {
			error = -errno;
			cleanup_fd(&parent);
			break;
		}
		(void)close(fd);
		fd = parent;
		if (here.st_dev == above.st_dev && here.st_ino == above.st_ino) /* the root */
			break;
		if (has_place(kept, &above)) {
			shorten_places(parents, before);
			break;
		}
		error = add_place(parents, fcntl(fd, F_DUPFD_CLOEXEC, 0));
	}
	cleanup_fd(&fd);
	return error;
}

struct way {
	struct places *parents;
	const struct places *kept;
};

static int add_parents_of_link(void *context, int link_fd)
{
	const struct way *way = context;

	return add_parents(way->parents, link_fd, way->kept);
}

static void mark_parents(struct places *parents, const struct places *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		CLEANUP(cleanup_fd) int fd = kept->marked[i] ? open_parent(kept->fds[i]) : -1;
		struct stat st;

		for (size_t k = 0; fd >= 0 && fstat(fd, &st) == 0 && k < parents->count; k++)
			parents->marked[k] |=
			        parents->at[k].dev == st.st_dev && parents->at[k].ino == st.st_ino;
	}
}

#undef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000 /* linux/fcntl.h */
#define STATX_TYPE_AND_INO 0x101u /* linux/stat.h: STATX_TYPE, STATX_INO */

/* What it is, as the kernel knows it already: a neighbour may be a volume that does not answer. */
static bool look_at(int fd, struct stat *st)
{
	/* struct statx of linux/stat.h, which does not go together with musl's sys/stat.h. */
	struct {
		uint32_t before[7];
		uint16_t mode, pad;
		uint64_t ino, between[12];
		uint32_t dev_major, dev_minor;
		uint64_t after[14];
	} known;

	static_assert(sizeof(known) == 256 && offsetof(__typeof__(known), dev_major) == 136,
	              "linux/stat.h");
	if (syscall(SYS_statx, fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE_AND_INO,
	            &known) != 0)
		return fstat(fd, st) == 0;
	*st = (struct stat){ .st_dev = makedev(known.dev_major, known.dev_minor),
		             .st_ino = known.ino,
		             .st_mode = known.mode };
	return true;
}

/*
 * Everything in one of the parents that is neither kept nor on the way to what is; nothing where it may not be listed.
 * Beside a model of one file no file: it may be a part of it.
 */
static int grant_rest(int ruleset_fd, size_t parent, uint64_t rights, const struct places *kept,
                      const struct places *parents)
{
	static const uint64_t for_files = LANDLOCK_ACCESS_FS_WRITE_FILE | RIGHT_TRUNCATE;
	int directory_fd = parents->fds[parent];
	CLEANUP(dir_close)
	struct dir directory = dir_open(directory_fd, ".", MAX_DIRECTORY_ENTRIES);
	const struct dirent *entry;
	unsigned count = 0;
	int error = 0;

	if (directory.error != 0)
		return directory.error == EACCES ? 0 : -directory.error;
	while (error == 0 && (entry = dir_next(&directory)) != NULL) {
		CLEANUP(cleanup_fd)
		int fd = openat(directory_fd, entry->d_name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;

		if (fd < 0 || !look_at(fd, &st) || S_ISLNK(st.st_mode) || has_place(kept, &st) ||
		    has_place(parents, &st))
			continue;
		if (++count > MAX_GRANTED_NEIGHBOURS)
			error = -E2BIG;
		else if (!S_ISREG(st.st_mode) || !parents->marked[parent])
			error = add_path(ruleset_fd, fd,
			                 S_ISDIR(st.st_mode) ? rights : rights & for_files);
	}
	return error;
}

static int grant_all_but(int ruleset_fd, const struct landlock_limits *limits, uint64_t rights)
{
	CLEANUP(cleanup_places) struct places kept = { .count = 0 }, parents = { .count = 0 };
	struct way way = { &parents, &kept };
	int error = 0;

	for (size_t i = 0; error == 0 && i < limits->directory_count; i++)
		error = add_place(&kept, open(limits->directories[i], O_PATH | O_CLOEXEC));
	/* By a link on the way something else could be put there. */
	for (size_t i = 0; error == 0 && i < limits->directory_count; i++)
		error = tree_visit_links(limits->directories[i], add_parents_of_link, &way);
	for (size_t i = 0; error == 0 && i < kept.count; i++)
		error = add_parents(&parents, kept.fds[i], &kept);
	mark_parents(&parents, &kept);
	for (size_t i = 0; error == 0 && i < parents.count; i++)
		error = grant_rest(ruleset_fd, i, rights, &kept, &parents);
	return error;
}

int landlock_limit(const struct landlock_limits *limits)
{
	int abi = limits->abi, fd, error = 0;
	struct ruleset ruleset = { 0 };

	if (abi < 0)
		return abi;
	if (limits->directory_count > 0 &&
	    abi < 2) /* it would forbid all renaming between directories */
		return -EPROTONOSUPPORT;
	if (limits->directory_count > 0) {
		ruleset.files = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REFER |
		                (abi >= 3 ? RIGHT_TRUNCATE : 0);
		for (uint64_t right = LANDLOCK_ACCESS_FS_REMOVE_DIR;
		     right <= LANDLOCK_ACCESS_FS_MAKE_SYM; right <<= 1)
			ruleset.files |= right;
	}
	ruleset.net = limits->no_connect && abi >= 4 ? NET_CONNECT_TCP : 0;
	if (ruleset.files == 0 && ruleset.net == 0)
		return -EPROTONOSUPPORT;
	fd = create_ruleset(&ruleset, abi >= 4 ? 16 : 8, 0);
	if (fd < 0)
		return fd;
	for (size_t i = 0; error == 0 && ruleset.net != 0 && i < limits->port_count; i++)
		error = add_port(fd, limits->ports[i]);
	if (error == 0 && ruleset.files != 0)
		error = grant_all_but(fd, limits, ruleset.files);
	if (error == 0)
		return fd;
	(void)close(fd);
	return error;
}
