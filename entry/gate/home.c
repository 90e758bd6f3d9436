/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/home.h"

#include <errno.h>
#include <string.h>

#include "confine/identity.h"
#include "gate/inspection.h"
#include "process/channel.h"
#include "util.h"

struct trial {
	const struct gate *gate;
	const char *home;
	bool refused;
};

/* As the user itself, since modes alone do not say what an ACL or a file server lets it do; in a child, since HOME may hang. */
static void try_home(void *context, int pipe_fd)
{
	struct record refused = { .magic = RECORD_MAGIC,
		                  .type = RECORD_FINDING,
		                  .kind = FINDING_ENV_HOME,
		                  .model = NO_MODEL };
	const struct trial *trial = context;
	struct sender sender = { .fd = pipe_fd };
	const char *step;

	if (identity_assume(&trial->gate->who, &step) == 0 &&
	    tree_access(&trial->gate->tree, trial->home, X_OK) == -EACCES &&
	    sender_put(&sender, &refused) < 0)
		_exit(STATUS_SYSTEM);
	_exit(sender_done(&sender) == 0 ? 0 : STATUS_SYSTEM);
}

static void take_answer(void *context, const struct record *record)
{
	struct trial *trial = context;

	trial->refused |= record->type == RECORD_FINDING && record->kind == FINDING_ENV_HOME;
}

enum status gate_choose_home(struct gate *gate, bool *follows, struct text *why)
{
	struct trial trial = { .gate = gate, .home = environment_get(&gate->given, "HOME") };
	const struct task task = { .who = "look at HOME",
		                   .run = try_home,
		                   .take = take_answer,
		                   .context = &trial,
		                   .trouble = FINDING_GATE_INSPECTOR };
	enum status status = STATUS_OK;
	bool well;

	*follows = gate->policy.home == HOME_SET;
	if (gate->policy.home != HOME_AUTO || gate->policy.error_count > 0 || !gate->who.change ||
	    !gate->who.exact || gate->tree.root_fd >= 0 || trial.home == NULL ||
	    trial.home[0] != '/' || strcmp(trial.home, gate->who.home) == 0)
		return STATUS_OK;
	status = gate_run_task(gate, &task, &well, why);
	*follows = trial.refused;
	return status;
}
