/* SPDX-License-Identifier: Apache-2.0 */
#include "landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int landlock_abi(void)
{
	return create_ruleset(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

const char *landlock_words(int error)
{
	switch (-error) {
	case ENOSYS:
		return "the kernel has no Landlock";
	case EPROTONOSUPPORT:
		return "the kernel's Landlock is older than Linux 5.19 and forbids renaming between folders";
	case EOPNOTSUPP:
		return "the kernel has Landlock, but was started without it (lsm=)";
	case EPERM:
		return "a seccomp profile forbids Landlock";
	default:
		return "Landlock failed";
	}
}

static int add_path(int ruleset_fd, int folder_fd, uint64_t rights)
{
	struct landlock_path_beneath_attr beneath = { .allowed_access = rights,
		                                      .parent_fd = folder_fd };

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
	    grant->write_fd >= 0) /* no REFER: files could not be renamed into their folders */
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
	if (error == 0 && syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		error = -errno;
	return error;
}
