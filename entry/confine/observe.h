/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching a process's system calls by seccomp's user notification (seccomp_unotify(2)): each of the calls below waits
 * until it is answered. It takes no privilege, and is no limit: between question and answer a program may change
 * what it asks. Filters that refuse a call by themselves go before, so such a call is not seen.
 */
#ifndef AWEIGH_OBSERVE_H
#define AWEIGH_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * In the process that becomes the service, last before execve(): hands its listener to `socket_fd`. 0 or a negative
 * errno; -EAGAIN: there is no room for one more process, and nothing has been done.
 */
int observe_self(int socket_fd);
/* Whether it can be had here: tried in a child. 0 or a negative errno. */
int observe_try(void);
/* What observe_self() sent: a descriptor, or a negative errno; -ENODATA: the other side ended without. */
int observe_receive(int socket_fd);

/*
 * One call that waits. /proc shows a process to whoever has its identity, or CAP_SYS_PTRACE, which containers lack: from
 * observe_next() to observe_answer() the calling thread's fsuid and fsgid (setfsuid(2)) are those of the caller.
 */
struct observed {
	uint64_t id;
	pid_t pid;
	int call; /* SYS_ of this machine */
	uint64_t args[6];
	bool hidden; /* its memory was wanted, and may not be read; or set already: it is of the other architecture */
	/* private: */
	int listener_fd, memory_fd;
	uid_t uid;
	gid_t gid;
	int death_signal; /* of this process, which a change of identity takes back (prctl(2)) */
	bool changed;
};
/* 0; -EAGAIN: it is gone; otherwise a negative errno. */
int observe_next(int listener_fd, struct observed *observed);
/* Lets it go on, or ends it with this errno. */
void observe_answer(struct observed *observed, int error);
/* Reads the caller's memory while it waits; how much could be read. */
size_t observe_read(struct observed *observed, uint64_t address, void *out, size_t size);

#endif
