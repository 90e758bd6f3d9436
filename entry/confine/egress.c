/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/dir.h"
#include "base/list.h"
#include "policy.h"
#include "util.h"

bool egress_parse(const char *list, struct egress *out)
{
	struct egress egress = { .kind = EGRESS_PORTS };

	if (strcmp(list, "allow") == 0 || strcmp(list, "deny") == 0)
		egress.kind = list[0] == 'a' ? EGRESS_ALLOW : EGRESS_DENY;
	else if (!list_ports(list, egress.ports, MAX_EGRESS_PORTS, &egress.port_count))
		return false;
	*out = egress;
	return true;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

/* A tunnel takes packets by write(2), a ring does system calls that no filter sees. */
static bool is_way_out(int fd)
{
	char name[32];
	struct stat st;

	if (fstat(fd, &st) != 0 || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
		return false;
	if (S_ISCHR(st.st_mode))
		return st.st_rdev ==
		       makedev(10, 200); /* /dev/net/tun: linux/miscdevice.h, TUN_MINOR */
	descriptor_name(fd, name, sizeof(name));
	return strcmp(name, "anon_inode:[io_uring]") == 0;
}

static bool leads_out(int fd, bool udp)
{
	int family = option(fd, SO_DOMAIN);
	bool internet = family == AF_INET || family == AF_INET6;

	if (family < 0 && is_way_out(fd))
		return true;
	if (family < 0 || family == AF_UNIX || (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0)
		return false;
	if (internet && option(fd, SO_TYPE) == SOCK_STREAM &&
	    option(fd, SO_PROTOCOL) == IPPROTO_TCP)
		return option(fd, SO_ACCEPTCONN) != 1;
	return !(udp && internet && option(fd, SO_PROTOCOL) == IPPROTO_UDP);
}

int egress_descriptor(int from, bool udp)
{
	CLEANUP(dir_close) struct dir directory = dir_of_descriptors();
	int fd, first = -1;

	if (directory.error != 0) { /* no /proc: as far as anybody hands any in */
		for (int i = from; i < 65536; i++)
			if (leads_out(i, udp))
				return i;
		return -1;
	}
	while ((fd = dir_next_descriptor(&directory)) >= 0)
		if (fd >= from && (first < 0 || fd < first) && leads_out(fd, udp))
			first = fd;
	return first;
}
