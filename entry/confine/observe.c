/* SPDX-License-Identifier: Apache-2.0 */
#include "confine/observe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "confine/caps.h"
#include "confine/probe.h"
#include "util.h"

/* And of the processor's other calls (32 bit) those by which such a program opens and connects: that it does is seen. */
#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
static const uint32_t others[] = { 5 /* open */, 102 /* socketcall */, 295 /* openat */,
	                           362 /* connect */, 369 /* sendto */ };
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
static const uint32_t others[] = { 5 /* open */, 283 /* connect */, 290 /* sendto */,
	                           322 /* openat */ };
#endif

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* of Linux 6.6 */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP 1ul
#endif

static const uint32_t calls[] = {
	SYS_socket,  SYS_connect,        SYS_sendto,     SYS_sendmmsg, SYS_sendmsg,    SYS_openat,
	SYS_openat2, SYS_io_uring_setup, SYS_bind,       SYS_listen,   SYS_execve,     SYS_execveat,
	SYS_statx,   SYS_faccessat,      SYS_faccessat2, SYS_chroot,   SYS_pivot_root,
#ifdef SYS_open
	SYS_open,    SYS_stat,           SYS_lstat,      SYS_access
#endif
};

static const struct sock_filter load_call =
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));

/* Whoever listens is asked about these. */
static unsigned short ask_about(struct sock_filter *at, const uint32_t *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		at[2 * i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, list[i], 0, 1);
		at[2 * i + 1] =
		        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	}
	return (unsigned short)(2 * count);
}

static unsigned short build(struct sock_filter *at)
{
	unsigned short length = 0;

	at[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                            offsetof(struct seccomp_data, arch));
	at[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE,
	                                            2 * LENGTH_OF(others) + 2, 0);
	at[length++] = load_call;
	length = (unsigned short)(length + ask_about(at + length, others, LENGTH_OF(others)));
	at[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	at[length++] = load_call;
	/* fstat(3) is this call without a name: there is nothing to see, and it is asked of each file that is opened. */
	at[length++] =
	        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_newfstatat, 0, 4);
	at[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
	                                            offsetof(struct seccomp_data, args[3]));
	at[length++] =
	        (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, AT_EMPTY_PATH, 0, 1);
	at[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	at[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
	length = (unsigned short)(length + ask_about(at + length, calls, LENGTH_OF(calls)));
	at[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return length;
}

/* ioctl(2)'s request is an int in one C library, and an unsigned long in another. */
static int ask(int fd, unsigned long request, const void *argument)
{
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

/* A message that carries a descriptor (unix(7), SCM_RIGHTS). */
struct parcel {
	char byte;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec io;
	struct msghdr message;
};

static void wrap(struct parcel *parcel)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->io = (struct iovec){ &parcel->byte, 1 };
	parcel->message = (struct msghdr){ .msg_iov = &parcel->io,
		                           .msg_iovlen = 1,
		                           .msg_control = parcel->control,
		                           .msg_controllen = sizeof(parcel->control) };
}

static int send_fd(int socket_fd, int fd)
{
	struct parcel parcel;
	struct cmsghdr *header;

	wrap(&parcel);
	header = CMSG_FIRSTHDR(&parcel.message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket_fd, &parcel.message, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static int listen_to_self(void)
{
	struct sock_filter at[16 + 2 * (LENGTH_OF(calls) + LENGTH_OF(others))];
	struct sock_fprog program = { .len = build(at), .filter = at };
	int fd = -1;

#ifdef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	/* A signal does not take back a call that has been received; Linux 5.19. */
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	                  SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
	                  &program);
	if (fd < 0 && errno != EINVAL)
		return -errno;
#endif
	if (fd < 0)
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		                  SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	return fd < 0 ? -errno : fd;
}

/* Waits for the listener's number, and hands over what it stands for. */
static _Noreturn void hand_over(int number_fd, int socket_fd)
{
	int fd;

	_exit(read(number_fd, &fd, sizeof(fd)) != (ssize_t)sizeof(fd) || fd < 0 ||
	      send_fd(socket_fd, fd) != 0);
}

/*
 * sendmsg(2) would wait for its own answer: a child without the filter, which shares the descriptors (CLONE_FILES of
 * clone(2)), sends the listener. Its end gives no signal, so that whoever ignores SIGCHLD can wait for it.
 */
int observe_self(int socket_fd)
{
	int pipe_fds[2], fd, status = 0;
	pid_t child;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || pipe2(pipe_fds, O_CLOEXEC) != 0)
		return -errno;
	child = (pid_t)syscall(SYS_clone, CLONE_FILES, NULL, NULL, NULL, NULL);
	if (child == 0)
		hand_over(pipe_fds[0], socket_fd);
	fd = child < 0 ? -errno : listen_to_self();
	if (child > 0 && (write_whole(pipe_fds[1], &fd, sizeof(fd)) != 0 ||
	                  waitpid(child, &status, __WALL) != child))
		fd = -errno;
	(void)close(pipe_fds[0]);
	(void)close(pipe_fds[1]);
	(void)close(socket_fd);
	if (fd < 0)
		return fd;
	(void)close(fd);
	return status == 0 ? 0 : -EPIPE; /* the filter is there, and nobody listens */
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
	struct parcel parcel;
	struct cmsghdr *header;
	ssize_t got;
	int fd;

	wrap(&parcel);
	got = recvmsg(socket_fd, &parcel.message, MSG_CMSG_CLOEXEC);
	header = got == 1 ? CMSG_FIRSTHDR(&parcel.message) : NULL;
	if (header == NULL || header->cmsg_type != SCM_RIGHTS)
		return got < 0 ? -errno : -ENODATA;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	(void)fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)ask(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS,
	          (const void *)SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP); /* on the same core */
	return fd;
}

/* The owner of its folder in /proc is its identity, or root where it is not to be looked into (proc(5)). */
static void take_identity(struct observed *observed)
{
	char path[32];
	struct text text = TEXT_OVER(path);
	struct stat st;

	text_addf(&text, "/proc/%d", (int)observed->pid);
	if (stat(path, &st) != 0 || (st.st_uid == observed->uid && st.st_gid == observed->gid))
		return;
	observed->changed = true;
	(void)prctl(PR_GET_PDEATHSIG, &observed->death_signal);
	(void)setfsgid(st.st_gid);
	(void)setfsuid(st.st_uid);
	/* /proc shows a process to whoever has all of its capabilities (cap_ptrace_access_check()). */
	(void)capabilities_raise();
}

static void give_identity_back(const struct observed *observed)
{
	if (!observed->changed)
		return;
	(void)setfsuid(observed->uid);
	(void)setfsgid(observed->gid);
	if (observed->death_signal != 0)
		(void)prctl(PR_SET_PDEATHSIG, observed->death_signal);
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
		                       .hidden = question.data.arch != ARCHITECTURE,
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
	if (ask(observed->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &observed->id) == 0)
		observed->hidden = observed->memory_fd < 0;
	else if (observed->memory_fd >= 0)
		(void)close(take_fd(&observed->memory_fd));
	return observed->memory_fd >= 0;
}

/*
 * By one call where the kernel lets this process do so; else by /proc, which judges by the identity that was taken. What
 * was read is the caller's only if its call still waits.
 */
static ssize_t read_at_once(const struct observed *observed, uint64_t address, void *out,
                            size_t size)
{
	const struct iovec here = { out, size };
	const uintptr_t from = (uintptr_t)address;
	struct iovec there = { NULL, size };
	ssize_t got = -1;

	memcpy(&there.iov_base, &from, sizeof(from));
	if (observed->memory_fd < 0)
		got = process_vm_readv(observed->pid, &here, 1, &there, 1, 0);
	return got > 0 && ask(observed->listener_fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &observed->id) ==
	                               0 ?
	               got :
	               -1;
}

size_t observe_read(struct observed *observed, uint64_t address, void *out, size_t size)
{
	ssize_t got = read_at_once(observed, address, out, size);
	size_t done = got > 0 ? (size_t)got : 0;

	got = 1;
	/* What lies behind a text may not be there: then it is less. */
	while (done < size && got > 0 && address <= INT64_MAX - size && open_memory(observed)) {
		got = pread(observed->memory_fd, (char *)out + done, size - done,
		            (off_t)(address + done));
		done += got > 0 ? (size_t)got : 0;
	}
	return done;
}
