/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "confine/probe.h"
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
#define IO_URING_ENTER 426u
#define IO_URING_REGISTER 427u
#define PIDFD_GETFD 438u /* takes another process's descriptor */

/* Blocks that run when what was loaded has a value, and answers within them. */

struct filter {
	struct sock_filter *at; /* FILTER_ROOM */
	unsigned short length;
};

static void put(struct filter *filter, unsigned code, uint32_t k, uint8_t if_true, uint8_t if_false)
{
	if (filter->length == FILTER_ROOM)
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

static void load_type(struct filter *filter)
{
	load_argument(filter, 1);
	put(filter, BPF_ALU | BPF_AND | BPF_K, 0xf, 0, 0); /* SOCK_TYPE_MASK of linux/net.h */
}

/* A kind of internet socket with its own protocol, by number or by default. */
static void judge_kind(struct filter *filter, uint32_t kind, uint32_t protocol)
{
	unsigned short block = begin(filter, kind);

	load_argument(filter, 2);
	answer_if(filter, BPF_JEQ, 0, allow);
	answer_if(filter, BPF_JEQ, protocol, allow);
	answer(filter, deny);
	end(filter, block);
}

static void judge_internet(struct filter *filter, uint32_t family, unsigned sockets)
{
	unsigned short block = begin(filter, family);

	load_type(filter);
	/* Not MPTCP, SCTP, SMC: Landlock sees TCP alone. */
	if ((sockets & SOCKETS_TCP) != 0)
		judge_kind(filter, SOCK_STREAM, IPPROTO_TCP);
	if ((sockets & SOCKETS_UDP) != 0)
		judge_kind(filter, SOCK_DGRAM, IPPROTO_UDP);
	answer(filter, deny);
	end(filter, block);
}

static void judge_socket(struct filter *filter, unsigned sockets)
{
	unsigned short block;

	load_argument(filter, 0);
	if ((sockets & SOCKETS_UNIX) != 0)
		answer_if(filter, BPF_JEQ, AF_UNIX, allow);
	if ((sockets & SOCKETS_ROUTES) != 0) {
		block = begin(filter, AF_NETLINK);
		load_argument(filter, 2);
		answer_if(filter, BPF_JEQ, NETLINK_ROUTE, allow);
		answer(filter, deny);
		end(filter, block);
	}
	judge_internet(filter, AF_INET, sockets);
	judge_internet(filter, AF_INET6, sockets);
	answer(filter, deny);
}

/*
 * A pair sends to anybody where its family has datagrams: TIPC, and unix itself. One of streams leads nowhere, and
 * libcurl, where it asks for names on threads, wakes them by it.
 */
static void judge_pair(struct filter *filter, unsigned sockets)
{
	unsigned short block;

	load_argument(filter, 0);
	block = begin(filter, AF_UNIX);
	load_type(filter);
	if ((sockets & SOCKETS_TCP) != 0)
		answer_if(filter, BPF_JEQ, SOCK_STREAM, allow);
	answer(filter, (sockets & SOCKETS_UNIX) != 0 ? allow : deny);
	end(filter, block);
	answer(filter, deny);
}

static void judge_calls(struct filter *filter, unsigned sockets)
{
	/*
	 * TCP Fast Open connects without connect(2), past Landlock. An upper layer may make another socket of a TCP one, which
	 * connects in the kernel: "smc". Of IPv6's options IPV6_RECVERR_RFC4884 has that number, and is denied with it.
	 */
	static const struct {
		uint32_t call, argument, comparison, value;
	} denied[] = {
		{ SYS_sendto, 3, BPF_JSET, MSG_FASTOPEN },
		{ SYS_sendmsg, 2, BPF_JSET, MSG_FASTOPEN },
		{ SYS_sendmmsg, 3, BPF_JSET, MSG_FASTOPEN },
		{ SYS_setsockopt, 2, BPF_JEQ, TCP_ULP },
	};
	unsigned short block = begin(filter, SYS_socket);

	judge_socket(filter, sockets);
	end(filter, block);
	block = begin(filter, SYS_socketpair);
	judge_pair(filter, sockets);
	end(filter, block);
	for (size_t i = 0; i < LENGTH_OF(denied); i++) {
		block = begin(filter, denied[i].call);
		load_argument(filter, denied[i].argument);
		answer_if(filter, denied[i].comparison, denied[i].value, deny);
		answer(filter, allow);
		end(filter, block);
	}
}

unsigned short filter_build(unsigned sockets, struct sock_filter *at)
{
	/* The kernel has names resolved outside of all containers for a key of the type dns_resolver (request-key(8)). */
	static const uint32_t barred[] = { IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER,
		                           PIDFD_GETFD, SYS_request_key };
	struct filter filter = { .at = at };
	unsigned short block;

	load(&filter, offsetof(struct seccomp_data, arch));
	block = begin(&filter, ARCHITECTURE);
	load(&filter, offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
	answer_if(&filter, BPF_JGE, X32_CALLS, unknown);
#endif
	for (size_t i = 0; i < LENGTH_OF(barred); i++)
		answer_if(&filter, BPF_JEQ, barred[i], deny);
	judge_calls(&filter, sockets);
	answer(&filter, allow);
	end(&filter, block);
	answer(&filter, unknown);
	return filter.length;
}

/* Leaves nothing behind, and dies where the call is one that a filter kills for. */
static int ask_seccomp(const void *action)
{
	(void)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, action);
	return 0;
}

int filter_enforce(unsigned sockets)
{
	static const uint32_t refuse = SECCOMP_RET_ERRNO;
	struct sock_filter at[FILTER_ROOM];
	struct sock_fprog program = { .len = filter_build(sockets, at), .filter = at };
	int error = probe(ask_seccomp, &refuse);

	if (error < 0)
		return error;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0 ? -errno : 0;
}
