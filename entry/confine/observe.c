/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/text.h"
#include "confine/probe.h"
#include "util.h"

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

/* sendmsg(2) on this descriptor is not asked about: it is how the listener is handed over. */
#define HANDOVER_FD 63

static const uint32_t calls[] = { SYS_socket,  SYS_connect, SYS_sendto,  SYS_sendmmsg,
	                          SYS_sendmsg, SYS_openat,  SYS_openat2,
#ifdef SYS_open
	                          SYS_open
#endif
};

static unsigned short build(struct sock_filter *at)
{
	unsigned short length = 0;
	const struct sock_filter begin[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HANDOVER_FD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};

	memcpy(at, begin, sizeof(begin));
	length = LENGTH_OF(begin);
	for (size_t i = 0; i < LENGTH_OF(calls); i++) {
		at[length++] =
		        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
		at[length++] =
		        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	at[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return length;
}

/* ioctl(2)'s request is an int in one C library, and an unsigned long in another. */
static int ask(int fd, unsigned long request, const void *argument)
{
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

static int send_fd(int socket_fd, int fd)
{
	char byte = 0;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec io = { &byte, 1 };
	struct msghdr message = { .msg_iov = &io,
		                  .msg_iovlen = 1,
		                  .msg_control = control,
		                  .msg_controllen = sizeof(control) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

int observe_self(int socket_fd)
{
	struct sock_filter at[16 + 2 * LENGTH_OF(calls)];
	struct sock_fprog program = { .len = build(at), .filter = at };
	int fd, error;

	if (dup3(socket_fd, HANDOVER_FD, O_CLOEXEC) != HANDOVER_FD ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -errno;
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
	                  &program);
	error = fd < 0 ? -errno : send_fd(HANDOVER_FD, fd);
	if (fd >= 0)
		(void)close(fd);
	(void)close(HANDOVER_FD);
	(void)close(socket_fd);
	return error;
}

static int try_self(const void *nothing)
{
	int sockets[2];

	(void)nothing;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0)
		return -errno;
	return observe_self(sockets[1]);
}

int observe_try(void)
{
	return probe_in_child(try_self, NULL);
}

int observe_receive(int socket_fd)
{
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec io = { &byte, 1 };
	struct msghdr message = { .msg_iov = &io,
		                  .msg_iovlen = 1,
		                  .msg_control = control,
		                  .msg_controllen = sizeof(control) };
	struct cmsghdr *header;
	ssize_t got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	int fd;

	header = got == 1 ? CMSG_FIRSTHDR(&message) : NULL;
	if (header == NULL || header->cmsg_type != SCM_RIGHTS)
		return got < 0 ? -errno : -ENODATA;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
#ifdef SECCOMP_IOCTL_NOTIF_SET_FLAGS
	(void)ask(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
	          (const void *)1); /* wakes this side on the same core; Linux 6.6 */
#endif
	return fd;
}

/* The owner of its folder in /proc is its identity, or root where it is not to be looked into (proc(5)). */
static void take_identity(struct observed *observed)
{
	char path[32];
	struct text text = TEXT_OVER(path);
	struct stat st;

	text_addf(&text, "/proc/%d", (int)observed->pid);
	if (stat(path, &st) != 0)
		return;
	observed->gid = (gid_t)setfsgid(st.st_gid);
	observed->uid = (uid_t)setfsuid(st.st_uid);
}

static void give_identity_back(const struct observed *observed)
{
	(void)setfsuid(observed->uid);
	(void)setfsgid(observed->gid);
}

int observe_next(int listener_fd, struct observed *observed)
{
	struct seccomp_notif question;
	struct pollfd ready = { .fd = listener_fd, .events = POLLIN };

	/* It waits by itself whatever its flags say. */
	if (poll(&ready, 1, 0) != 1)
		return -EAGAIN;
	if ((ready.revents & POLLIN) == 0)
		return -ENODATA;
	memset(&question, 0, sizeof(question));
	if (ask(listener_fd, SECCOMP_IOCTL_NOTIF_RECV, &question) != 0)
		return errno == ENOENT || errno == EINTR ? -EAGAIN : -errno;
	*observed = (struct observed){ .id = question.id,
		                       .pid = (pid_t)question.pid,
		                       .call = question.data.nr,
		                       .listener_fd = listener_fd,
		                       .memory_fd = -1,
		                       .uid = geteuid(),
		                       .gid = getegid() };
	for (size_t i = 0; i < LENGTH_OF(observed->args); i++)
		observed->args[i] = question.data.args[i];
	take_identity(observed);
	return 0;
}

void observe_answer(struct observed *observed, int error)
{
	struct seccomp_notif_resp answer = { .id = observed->id,
		                             .error = -error,
		                             .flags = error == 0 ?
		                                              SECCOMP_USER_NOTIF_FLAG_CONTINUE :
		                                              0 };

	cleanup_fd(&observed->memory_fd);
	give_identity_back(observed);
	(void)ask(observed->listener_fd, SECCOMP_IOCTL_NOTIF_SEND,
	          &answer); /* the caller may be gone */
}

/* The pid may be another's by now, unless the call still waits once its memory is open (seccomp_unotify(2)). */
static bool open_memory(struct observed *observed)
{
	char path[40];
	struct text text = TEXT_OVER(path);

	if (observed->memory_fd >= 0)
		return true;
	text_addf(&text, "/proc/%d/mem", (int)observed->pid);
	observed->memory_fd = open(path, O_RDONLY | O_CLOEXEC);
	if (observed->memory_fd < 0)
		observed->hidden = errno == EACCES || errno == EPERM;
	else if (ask(observed->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &observed->id) != 0)
		(void)close(take_fd(&observed->memory_fd));
	return observed->memory_fd >= 0;
}

size_t observe_read(struct observed *observed, uint64_t address, void *out, size_t size)
{
	size_t done = 0;
	ssize_t got = 1;

	/* What lies behind a text may not be there: then it is less. */
	while (done < size && got > 0 && address <= INT64_MAX - size && open_memory(observed)) {
		got = pread(observed->memory_fd, (char *)out + done, size - done,
		            (off_t)(address + done));
		done += got > 0 ? (size_t)got : 0;
	}
	return done;
}
