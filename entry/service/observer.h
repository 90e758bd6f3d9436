/* SPDX-License-Identifier: Apache-2.0 */
/* What a service does by its system calls, as far as they are seen: whom it reaches out to, and which files of models it opens. */
#ifndef AWEIGH_OBSERVER_H
#define AWEIGH_OBSERVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "bounds.h"
#include "confine/observe.h"

/* An address beyond this machine, or a name that was asked for. */
struct attempt {
	enum { ATTEMPT_ADDRESS, ATTEMPT_NAME, ATTEMPT_SOCKET } kind;
	char host[256]; /* a numeric address, or the name that DNS was asked for */
	uint16_t port; /* of an address */
	char program[17];
	uint64_t first_ms, count;
	bool refused;
};

/*
 * A file that was to be opened or was looked for (stat(2), access(2) and their like), there or not: beneath one of the watched
 * directories, and weights that were opened elsewhere.
 */
struct opened_file {
	uint64_t hash; /* of the path */
	char *path;
	bool opened; /* was to be */
	bool made; /* or written, by the service itself */
	bool aside; /* beneath none of the directories by its name */
};

struct observer {
	/* Set before: */
	const char *const *directories; /* of models, absolute; those of files that are noted */
	const char *const *real; /* the same without links, NULL where that is no other name; NULL: nowhere */
	size_t directory_count;
	bool anywhere; /* those of all files are, but for the kernel's own */
	bool demands; /* what is not seen is refused: network or files is */
	bool demands_files; /* files is */
	bool refuses; /* egress = deny: sockets other than TCP's are answered with EACCES */
	bool refuses_tcp; /* as Landlock does with those */
	uint64_t started_ns;

	struct attempt attempts[MAX_ATTEMPTS];
	size_t attempt_count, attempts_left_out;
	struct opened_file *files;
	size_t file_count, file_room, files_left_out;
	size_t aside_count, aside_left_out; /* until observer_settle() */
	uint32_t *places; /* 4 * file_room of them, by hash: 1 + the file's index; 0: free */
	struct {
		pid_t pid;
		int fd;
		uint16_t port; /* 0: of no network */
	} bound[16]; /* the last ones, in a ring */
	size_t bound_count;
	uint16_t ports[16]; /* that it listened on */
	size_t port_count;
	pid_t service; /* the first that started a program: itself */
	char *programs[64]; /* that others of it started, or looked for along PATH, each once */
	size_t program_count;
	uint64_t hidden; /* calls that may not be looked into */
	bool moved; /* to another root, from which on its files' names are not those of ours */
};

/* Reads and answers what waits; false: the listener is of no more use. */
bool observer_turn(struct observer *observer, int listener_fd);
/*
 * To be called when the service has ended: files that it reached through links get the names that the watched directories have,
 * and what lies elsewhere is forgotten, weights excepted. Not before: a file system that the service serves itself would wait.
 */
void observer_settle(struct observer *observer);
void observer_release(struct observer *observer);

/* Which file it was, whatever it was called. */
struct identified {
	dev_t device;
	ino_t inode;
};
/* Of what was opened and is there, sorted; free() it. NULL: out of memory. */
struct identified *observer_identify(const struct observer *observer, size_t *count);
bool identified_has(const struct identified *all, size_t count, const struct stat *st);

#endif
