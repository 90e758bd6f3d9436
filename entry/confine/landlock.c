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
	case EOPNOTSUPP:
		return "the kernel has Landlock, but was started without it (lsm=)";
	case EPERM:
		return "a seccomp profile forbids Landlock";
	default:
		return "Landlock failed";
	}
}

int landlock_read_only(int root_fd)
{
	int abi = landlock_abi();
	struct ruleset ruleset = { 0 };
	struct landlock_path_beneath_attr beneath = {
		.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR
	};
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(cleanup_fd) int root = -1;
	size_t size = abi >= 6 ? sizeof(ruleset) : abi >= 4 ? 16 : 8;

	if (abi < 0)
		return abi;
	ruleset.files = (1ull << 13) - 1; /* all of ABI 1 */
	ruleset.files |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
	ruleset.files |= abi >= 3 ? RIGHT_TRUNCATE : 0;
	ruleset.files |= abi >= 5 ? RIGHT_IOCTL_DEV : 0;
	ruleset.net = abi >= 4 ? NET_BIND_TCP | NET_CONNECT_TCP : 0;
	ruleset.scoped = abi >= 6 ? SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL : 0;
	fd = create_ruleset(&ruleset, size, 0);
	if (fd < 0)
		return fd;
	root = root_fd >= 0 ? fcntl(root_fd, F_DUPFD_CLOEXEC, 3) :
	                      open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	beneath.parent_fd = root;
	if (syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) != 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		return -errno;
	return 0;
}
