/* SPDX-License-Identifier: Apache-2.0 */
#include "inspector.h"

#include <string.h>

#include "confine/caps.h"
#include "confine/identity.h"
#include "confine/landlock.h"
#include "process/channel.h"
#include "process/child.h"
#include "engine/raised.h"
#include "base/tree.h"
#include "util.h"

static int send_record(struct look *look, const struct record *record)
{
	return sender_put(look->send_context, record);
}

static void report_landlock(struct look *look, int result)
{
	char sentence[256];
	struct text text = TEXT_OVER(sentence);

	landlock_explain(&text, "inspector", result);
	look_report(look, &raised_kinds[RAISED_CONFINE_UNAVAILABLE], (struct report_at){ 0 }, "%s",
	            sentence);
}

/* Some platforms grant the capabilities and refuse the step, as user namespaces do that deny setgroups(2). */
static void report_identity(struct look *look, const char *step, int error)
{
	look_report(
	        look, &raised_kinds[RAISED_CONFINE_IDENTITY], (struct report_at){ 0 },
	        "aweigh could not become uid %u: %s: %s; whether that user can open the files was not tried",
	        (unsigned)look->who->uid, step, strerror(-error));
}

/* What is handed over is given up in this order: user, capabilities, new privileges, files and network. */
static const char *restrict_self(struct look *look, pid_t gate, int *landlock)
{
	static const struct landlock_grant read_only = { .write_fd = -1 };
	const char *step = "";
	int error = look->who->exact ? identity_assume(look->who, &step) : 0;

	if (error < 0)
		report_identity(look, step, error);
	if (child_die_with(gate) < 0)
		return "parent-death signal";
	if (capabilities_drop(look->who->uid == 0 ? CAPABILITIES_OF_FILES : 0) < 0)
		return "capabilities";
	if (child_no_privileges() < 0)
		return "no_new_privs";
	*landlock = landlock_restrict(&read_only);
	return NULL;
}

void inspector_run(struct look *look, struct tree *tree, int pipe_fd)
{
	static const struct record done = { .magic = RECORD_MAGIC,
		                            .type = RECORD_DONE,
		                            .model = NO_MODEL };
	struct sender *sender = calloc(1, sizeof(*sender));
	pid_t gate = getppid();
	int landlock = 0;
	const char *failed;

	look->send = send_record;
	if (sender == NULL || child_keep(&pipe_fd, &tree->root_fd) < 0)
		_exit(STATUS_SYSTEM);
	sender->fd = pipe_fd;
	look->send_context = sender;
	failed = restrict_self(look, gate, &landlock);
	if (failed != NULL) {
		look_report(look, &raised_kinds[RAISED_GATE_INSPECTOR], (struct report_at){ 0 },
		            "the inspector could not give up its rights: %s: %s", failed,
		            strerror(errno));
		(void)sender_flush(sender);
		_exit(STATUS_SYSTEM);
	}
	if (landlock != 0)
		report_landlock(look, landlock);
	inspect(look);
	if (look->failed == 0)
		look->failed = send_record(look, &done);
	_exit(look->failed == 0 ? 0 : STATUS_SYSTEM);
}
