/* SPDX-License-Identifier: Apache-2.0 */
#include "inspector.h"

#include <fcntl.h>
#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "confine/caps.h"
#include "confine/identity.h"
#include "confine/worker.h"
#include "engine/findings.h"
#include "engine/inspect.h"
#include "launch/command.h"
#include "process/channel.h"
#include "process/child.h"
#include "util.h"

static const struct check checks[] = {
#define CHECK(name, scope, level) { #name, SCOPE_##scope, LEVEL_##level, check_##name },
#include "checks.def"
#undef CHECK
};

static int send_record(struct inspection *inspection, const struct record *record)
{
	return sender_put(inspection->send_context, record);
}

/* Some platforms grant the capabilities and refuse the step, as user namespaces do that deny setgroups(2). */
static void report_identity(struct inspection *inspection, const char *step, int error)
{
	inspection_report(
	        inspection, FINDING_CONFINE_IDENTITY, (struct report_at){ 0 },
	        "aweigh could not become uid %u: %s: %s; whether that user can open the files was not tried",
	        (unsigned)inspection->who->uid, step, strerror(-error));
}

/* The directory that the path is, or that the file is in; negative errno. */
static int open_place(const char *path, bool *is_file)
{
	char parent[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(parent);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);

	*is_file = fd < 0 && errno == ENOTDIR;
	if (!*is_file)
		return fd;
	text_add_bytes(&text, path, (size_t)(path_name(path) - path));
	return text.cut || !tree_leads_through_proc(parent) ?
	               -ENOENT :
	               open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
}

/*
 * KServe's modelcar: the way leads through /proc/PID/root of the container beside. Landlock and the loss of
 * capabilities forbid to go that way later (ptrace(2), access mode checks), so it is gone now, as the service's
 * user and with what that user may.
 */
static void open_behind_proc(struct inspection *inspection)
{
	const struct policy *policy = inspection->policy;

	for (size_t i = 0; i < policy->model_count && inspection->tree->root_fd < 0; i++) {
		const char *path = policy->models[i].path;
		struct opened_before *opened = &inspection->opened[inspection->opened_count];

		if (inspection->opened_count == MAX_OPENED_BEFORE)
			return;
		if (path == NULL || path[0] != '/' || !policy->models[i].selected ||
		    !tree_leads_through_proc(path))
			continue;
		opened->model = (int)i;
		opened->fd = open_place(path, &opened->is_file);
		inspection->opened_count += opened->fd >= 0;
	}
}

/* What is handed over is given up in this order: user, capabilities, new privileges, files, network and calls. */
static const char *restrict_self(struct inspection *inspection, pid_t gate, struct text *weaker)
{
	int fds[MAX_OPENED_BEFORE];
	struct landlock_grant read_only = { .write_fd = -1, .read_fds = fds };
	const char *step = "";
	int error = inspection->who->exact ? identity_assume(inspection->who, &step) : 0;

	if (error < 0)
		report_identity(inspection, step, error);
	open_behind_proc(inspection);
	for (size_t i = 0; i < inspection->opened_count; i++)
		fds[read_only.read_count++] = inspection->opened[i].fd;
	if (child_die_with(gate) < 0)
		return "parent-death signal";
	if (capabilities_drop(inspection->who->uid == 0 ? CAPABILITIES_OF_FILES : 0) < 0)
		return "capabilities";
	if (child_no_privileges() < 0)
		return "no_new_privs";
	worker_restrict("inspector", &read_only, 0, weaker);
	return NULL;
}

/* What run refuses, check does not pass. A user or a capability that is not to be had here may see more. */
static void report_directory(struct inspection *inspection, const struct tree *tree)
{
	const char *directory = inspection->policy->working_directory;
	CLEANUP(cleanup_fd) int fd = -1;
	int error;

	if (directory == NULL || directory[0] != '/')
		return;
	fd = tree_open(tree, directory, O_PATH | O_DIRECTORY);
	error = fd < 0 ? fd : tree_access(tree, directory, X_OK);
	if (error == 0 || (error == -EACCES && !inspection->who->exact))
		return;
	inspection_report(
	        inspection, FINDING_SERVICE_DIRECTORY,
	        (struct report_at){ .path = directory,
	                            .said = &inspection->policy->said[KEY_WORKING_DIRECTORY] },
	        "uid %u cannot enter it: %s", (unsigned)inspection->who->uid, strerror(-error));
}

/* Before anything is fetched for it, and in the report as anything that refuses is. */
static void report_command(struct inspection *inspection, const char *command)
{
	const char *directory = inspection->policy->working_directory;
	char sentence[2 * MAX_PATH_BYTES];
	struct text why = TEXT_OVER(sentence);
	enum status status;

	/* A directory that it may not enter has been told. */
	if (command == NULL || (directory != NULL && chdir(directory) != 0))
		return;
	/* A descriptor that was handed in is the service's, and closed here. */
	if (strncmp(command, "/proc/", 6) == 0 || strncmp(command, "/dev/fd/", 8) == 0)
		return;
	status = command_try(command, inspection->env, &why);
	/* What another user, or one with fewer capabilities, may not reach is not known to be out of the service's reach. */
	if (status == STATUS_OK ||
	    (status == STATUS_NOT_EXECUTABLE &&
	     (!inspection->who->exact ||
	      (inspection->policy->capabilities.mask & CAPABILITIES_OF_FILES) != 0)))
		return;
	/* Nothing starts, so that nobody waits for digests. */
	inspection->deepest = LEVEL_STRUCTURE;
	inspection_report(inspection,
	                  status == STATUS_NOT_FOUND ? FINDING_SERVICE_COMMAND :
	                                               FINDING_SERVICE_EXECUTABLE,
	                  (struct report_at){ 0 }, "%.900s", sentence);
}

void inspector_run(struct inspection *inspection, struct tree *tree, const char *command,
                   int pipe_fd)
{
	struct sender *sender = calloc(1, sizeof(*sender));
	pid_t gate = getppid();
	char sentences[512];
	struct text weaker = TEXT_OVER(sentences);
	const char *failed;

	inspection->checks = checks;
	inspection->check_count = LENGTH_OF(checks);
	inspection->send = send_record;
	if (sender == NULL || child_keep(&pipe_fd, &tree->root_fd) < 0)
		_exit(STATUS_SYSTEM);
	sender->fd = pipe_fd;
	inspection->send_context = sender;
	failed = restrict_self(inspection, gate, &weaker);
	if (failed != NULL) {
		inspection_report(inspection, FINDING_GATE_INSPECTOR, (struct report_at){ 0 },
		                  "the inspector could not give up its rights: %s: %s", failed,
		                  strerror(errno));
		(void)sender_flush(sender);
		_exit(STATUS_SYSTEM);
	}
	if (weaker.length > 0)
		inspection_report(inspection, FINDING_CONFINE_UNAVAILABLE, (struct report_at){ 0 },
		                  "%s", sentences);
	report_directory(inspection, tree);
	report_command(inspection, command);
	inspect(inspection);
	if (inspection->failed == 0)
		inspection->failed = sender_done(sender);
	_exit(inspection->failed == 0 ? 0 : STATUS_SYSTEM);
}
