/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/egress.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/dir.h"
#include "base/list.h"
#include "base/scan.h"
#include "policy.h"
#include "util.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "name this machine's architecture of linux/audit.h"
#endif
#define X32_CALLS                                                                                  \
	0x40000000u /* __X32_SYSCALL_BIT of asm/unistd.h: the same calls by other numbers */
#define IO_URING_SETUP 425u /* asm-generic/unistd.h; the same on every architecture */
#define IO_URING_REGISTER 427u
#define PIDFD_GETFD 438u /* takes another process's descriptor */

bool egress_parse(const char *list, struct egress *out)
{
	struct egress egress = { .kind = EGRESS_PORTS };
	const char *at = NULL, *word;
	uint64_t port;
	size_t length;

	if (strcmp(list, "allow") == 0 || strcmp(list, "deny") == 0) {
		egress.kind = list[0] == 'a' ? EGRESS_ALLOW : EGRESS_DENY;
		*out = egress;
		return true;
	}
	while ((word = list_next(list, ',', &at, &length)) != NULL) {
		if (!scan_u64(word, length, &port) || port == 0 || port > UINT16_MAX ||
		    egress.port_count == MAX_EGRESS_PORTS)
			return false;
		egress.ports[egress.port_count++] = (uint16_t)port;
	}
	if (egress.port_count == 0)
		return false;
	*out = egress;
	return true;
}

/* The filter: blocks that run when what was loaded has a value, and answers within them. */

struct filter {
	struct sock_filter at[80];
	unsigned short length;
};

static void put(struct filter *filter, unsigned code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	if (filter->length == LENGTH_OF(filter->at))
		BUG("the filter is longer than its room");
	filter->at[filter->length++] = (struct sock_filter){ (uint16_t)code, if_true, if_false, k };
}

static void load(struct filter *filter, size_t offset)
{
	put(filter, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

/* The low half: what the kernel takes of an int. Little-endian, as both architectures are. */
static void load_argument(struct filter *filter, size_t index)
{
	load(filter, offsetof(struct seccomp_data, args) + index * sizeof(uint64_t));
}

static void answer(struct filter *filter, uint32_t action)
{
	put(filter, BPF_RET | BPF_K, action, 0, 0);
}

static const uint32_t allow = SECCOMP_RET_ALLOW, deny = SECCOMP_RET_ERRNO | EACCES,
                      unknown = SECCOMP_RET_ERRNO | ENOSYS;

static void answer_if(struct filter *filter, unsigned comparison, uint32_t value, uint32_t action)
{
	put(filter, BPF_JMP | comparison | BPF_K, value, 0, 1);
	answer(filter, action);
}

static unsigned short begin(struct filter *filter, uint32_t value)
{
	put(filter, BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
	return filter->length;
}

static void end(struct filter *filter, unsigned short begun)
{
	filter->at[begun - 1].jf = (uint8_t)(filter->length - begun);
}

static void judge_socket(struct filter *filter, bool udp)
{
	static const uint32_t families[] = { AF_INET, AF_INET6 };
	unsigned short block, kind;

	load_argument(filter, 0);
	answer_if(filter, BPF_JEQ, AF_UNIX, allow);
	block = begin(filter, AF_NETLINK);
	load_argument(filter, 2);
	answer_if(filter, BPF_JEQ, NETLINK_ROUTE, allow);
	answer(filter, deny);
	end(filter, block);
	for (size_t i = 0; i < LENGTH_OF(families); i++) {
		block = begin(filter, families[i]);
		load_argument(filter, 1);
		put(filter, BPF_ALU | BPF_AND | BPF_K, 0xf, 0,
		    0); /* SOCK_TYPE_MASK of linux/net.h */
		kind = begin(filter,
		             SOCK_STREAM); /* not MPTCP, SCTP, SMC: Landlock sees TCP alone */
		load_argument(filter, 2);
		answer_if(filter, BPF_JEQ, 0, allow);
		answer_if(filter, BPF_JEQ, IPPROTO_TCP, allow);
		answer(filter, deny);
		end(filter, kind);
		if (udp) {
			kind = begin(filter, SOCK_DGRAM);
			load_argument(filter, 2);
			answer_if(filter, BPF_JEQ, 0, allow);
			answer_if(filter, BPF_JEQ, IPPROTO_UDP, allow);
			end(filter, kind);
		}
		answer(filter, deny);
		end(filter, block);
	}
	answer(filter, deny);
}

/* TCP Fast Open connects without connect(2), past Landlock. */
static void judge_flags(struct filter *filter, size_t argument)
{
	load_argument(filter, argument);
	answer_if(filter, BPF_JSET, MSG_FASTOPEN, deny);
	answer(filter, allow);
}

static void build(struct filter *filter, bool udp)
{
	unsigned short block;

	load(filter, offsetof(struct seccomp_data, arch));
	block = begin(filter, ARCHITECTURE);
	load(filter, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	answer_if(filter, BPF_JGE, X32_CALLS, unknown);
#endif
	for (uint32_t call = IO_URING_SETUP; call <= IO_URING_REGISTER; call++)
		answer_if(filter, BPF_JEQ, call, deny);
	answer_if(filter, BPF_JEQ, PIDFD_GETFD, deny);
	{
		unsigned short call = begin(filter, SYS_socket);

		judge_socket(filter, udp);
		end(filter, call);
		call = begin(filter, SYS_sendto);
		judge_flags(filter, 3);
		end(filter, call);
		call = begin(filter, SYS_sendmsg);
		judge_flags(filter, 2);
		end(filter, call);
		call = begin(filter, SYS_sendmmsg);
		judge_flags(filter, 3);
		end(filter, call);
	}
	answer(filter, allow);
	end(filter, block);
	answer(filter, unknown);
}

int egress_filter(bool udp)
{
	struct filter filter = { .length = 0 };
	struct sock_fprog program = { .filter = filter.at };

	build(&filter, udp);
	program.len = filter.length;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 ? -errno : 0;
}

/* Descriptors */

static int option(int fd, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

static bool leads_out(int fd, bool udp)
{
	int family = option(fd, SO_DOMAIN);
	bool internet = family == AF_INET || family == AF_INET6;

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
