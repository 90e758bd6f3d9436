/* SPDX-License-Identifier: Apache-2.0 */
#include "fetcher.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "confine/caps.h"
#include "confine/filter.h"
#include "confine/identity.h"
#include "confine/worker.h"
#include "engine/findings.h"
#include "process/channel.h"
#include "process/child.h"
#include "util.h"

/* Progress is what a watcher waits for, and a finding is rare: each goes out at once. */
static int send_record(void *context, const struct record *record)
{
	int error = sender_put(context, record);

	return error != 0 ? error : sender_flush(context);
}

static void __attribute__((format(printf, 3, 4)))
send_finding(struct sender *sender, enum finding_id id, const char *format, ...)
{
	struct record record;
	va_list arguments;

	va_start(arguments, format);
	finding_make(&record, id, NULL, 0, (struct report_at){ 0 }, format, arguments);
	va_end(arguments);
	(void)send_record(sender, &record);
}

/* Looked at as root: no link of anybody else's chooses whose files are written. What is not there yet is no link. */
static int check_way(const char *path)
{
	int fd = tree_open_trusted(path, O_PATH | O_DIRECTORY);

	struct stat link, target;

	if (fd >= 0)
		(void)close(fd);
	/* Whose link leads to his own directory gains nothing by it: the fetch becomes that user. */
	if (fd == -EPERM && lstat(path, &link) == 0 && S_ISLNK(link.st_mode) &&
	    stat(path, &target) == 0 && target.st_uid == link.st_uid)
		return 0;
	return fd == -EPERM ? -EPERM : 0;
}

/* Files must belong to whom the others belong to: the owner of the place, or of what is above it. */
static int become_owner(const char *path)
{
	struct identity owner = { .change = true };
	const char *step;
	struct stat st;
	int error = check_way(path);

	if (error == 0)
		error = store_owner(path, &st);
	if (error != 0)
		return error;
	owner.uid = st.st_uid;
	owner.gid = st.st_gid;
	return identity_assume(&owner, &step);
}

/* A volume that a group shares (fsGroup, mode 2775): whoever of the group comes next can write there, too. */
static void share_with_group(const char *path)
{
	struct stat st; /* of the place, or of the nearest above it that is there */
	mode_t mask = umask(0);

	if (store_owner(path, &st) == 0 &&
	    (st.st_mode & (S_ISGID | S_IWGRP)) == (S_ISGID | S_IWGRP))
		mask &= (mode_t)~S_IRWXG;
	(void)umask(mask);
}

static int restrict_self(pid_t gate)
{
	int error = child_die_with(gate);

	if (error == 0)
		error = capabilities_drop(0);
	return error != 0 ? error : child_no_privileges();
}

void fetcher_run(struct fetch_job *job, bool is_directory, bool may_change, int pipe_fd)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	struct store store = { .fd = -1 };
	struct landlock_grant grant = { .ports = job->settings->ports,
		                        .port_count = job->settings->port_count };
	pid_t gate = getppid();
	char sentences[512];
	struct text weaker = TEXT_OVER(sentences);
	int none = -1, error;

	/*
	 * The settings hold what was taken from the environment: no library is to find more in it, but what c-ares
	 * 1.18 does not read elsewhere: by itself it would wait 75 s where AAAA questions are dropped.
	 */
	if (sender == NULL || clearenv() != 0 ||
	    setenv("RES_OPTIONS", "retrans:2000 retry:2", 1) != 0 ||
	    child_keep(&pipe_fd, &none) < 0)
		_exit(STATUS_SYSTEM);
	sender->fd = pipe_fd;
	job->send = send_record;
	job->send_context = sender;
	error = may_change ? become_owner(job->path) : 0;
	if (restrict_self(gate) < 0)
		_exit(STATUS_SYSTEM);
	if (error == 0) {
		share_with_group(job->path);
		error = store_open(&store, job->path, is_directory);
	}
	grant.write_fd = store.fd;
	worker_restrict("fetcher", &grant, SOCKETS_TCP | SOCKETS_UDP, &weaker);
	if (weaker.length > 0)
		send_finding(sender, FINDING_CONFINE_UNAVAILABLE, "%s", sentences);
	error = fetch_run(job, &store, error);
	if (error == 0)
		error = sender_done(sender);
	_exit(error == 0 ? 0 : STATUS_SYSTEM);
}
