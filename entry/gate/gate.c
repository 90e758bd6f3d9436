/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/gate.h"

#include "base/arena.h"
#include "gate/confinement.h"
#include "gate/inspection.h"
#include "gate/locked.h"
#include "gate/prepare.h"
#include "gate/refetch.h"
#include "gate/verdict.h"
#include "gate/waiting.h"
#include "util.h"

static enum status inspect_and_fetch(struct gate *gate, struct text *why)
{
	enum status status = gate_inspect(gate, why);

	/* Nothing comes into an unpacked image. */
	if (status == STATUS_OK && gate->policy.wait_ms > 0 && gate->fetching != FETCHING_ORDERED &&
	    gate->options->root == NULL)
		status = gate_wait(gate, why);
	if (status == STATUS_OK && gate_may_fetch(gate))
		status = gate_refetch(gate, why);
	if (status == STATUS_OK)
		status = gate_export(gate, why);
	if (status == STATUS_OK)
		status = gate_confine(gate, why);
	return status;
}

enum status gate_judge(struct gate *gate, const struct options *options,
                       const struct signals *signals, char *const *rows, enum fetching fetching,
                       struct text *why)
{
	enum status status = gate_prepare(gate, options, signals, rows, why);

	gate->fetching = fetching;
	if (status == STATUS_OK)
		gate_read_lock(gate);
	gate->command = fetching == FETCHING_BY_MODE ? options->service : NULL;
	if (status == STATUS_OK && gate->policy.error_count == 0)
		status = inspect_and_fetch(gate, why);
	if (status == STATUS_OK)
		gate_conclude(gate);
	return status;
}

bool gate_may_fetch(const struct gate *gate)
{
	return gate->fetching == FETCHING_ORDERED ||
	       (gate->fetching == FETCHING_BY_MODE && gate->policy.mode != MODE_OFFLINE &&
	        gate->startable);
}

void gate_release(struct gate *gate)
{
	cleanup_fd(&gate->limits.ruleset_fd);
	for (size_t i = 0; i < gate->kept_count; i++)
		cleanup_fd(&gate->kept[i].fd);
	lock_release(&gate->lock);
	lock_release(&gate->made);
	free(gate->fetched);
	free(gate->report.findings);
	free(gate->report.models);
	arena_free(gate->report.arena);
	service_environ_release(&gate->service);
	user_files_release(&gate->users);
	policy_release(&gate->policy);
	tree_release(&gate->tree);
	tree_release(&gate->host);
}
