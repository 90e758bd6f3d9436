/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/waiting.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>

#include "gate/inspection.h"
#include "gate/verdict.h"
#include "hub/cache.h"
#include "process/clock.h"
#include "report/escape.h"
#include "util.h"

#define FIRST_LOOK_MS 100u
#define LAST_LOOK_MS 2000u
#define STEADY_MS 300u /* what is whole must be so for as long */
#define TELL_EVERY_MS 10000u

struct waiting {
	struct gate *gate;
	uint64_t until_ns, told_ns;
	uint64_t pause_ms;
};

static bool may_arrive(const struct report_finding *finding)
{
	return finding->model != NO_MODEL && (finding_kinds[finding->id].remedy != REMEDY_NOTHING ||
	                                      finding_kinds[finding->id].status == STATUS_MISSING);
}

/* The model that is not there yet, where nothing stands in the way but that; NO_MODEL: there is none to wait for. */
static int awaited(const struct gate *gate)
{
	int model = NO_MODEL;

	if (!gate->inspected || gate->report.lost != STATUS_OK)
		return NO_MODEL;
	for (size_t i = 0; i < gate->report.count; i++) {
		const struct report_finding *finding = &gate->report.findings[i];

		if (finding->severity != SEVERITY_ERROR)
			continue;
		if (!may_arrive(finding))
			return NO_MODEL;
		model = finding->model;
	}
	return model;
}

/* Directories into which something may come: those that are there. */
void gate_watch(const struct gate *gate)
{
	static const uint32_t events =
	        IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR;
	char path[MAX_PATH_BYTES], snapshots[MAX_PATH_BYTES];

	if (gate->inotify_fd < 0)
		return;
	if (gate->hub_cache_origin != NULL)
		(void)inotify_add_watch(gate->inotify_fd, gate->hub_cache, events);
	for (size_t i = 0; i < gate->policy.model_count; i++) {
		const struct model *model = &gate->policy.models[i];

		if (model->path != NULL && model->path[0] == '/')
			(void)inotify_add_watch(gate->inotify_fd, model->path, events);
		if (model->repo == NULL || gate->hub_cache_origin == NULL ||
		    !repo_path(gate->hub_cache, model->repo, path, sizeof(path)) ||
		    !path_join(snapshots, sizeof(snapshots), path, "snapshots"))
			continue;
		(void)inotify_add_watch(gate->inotify_fd, path, events);
		(void)inotify_add_watch(gate->inotify_fd, snapshots, events);
	}
}

static void tell(struct waiting *waiting, int model)
{
	uint64_t now = clock_now_ns();

	if (waiting->gate->options->quiet ||
	    (waiting->told_ns != 0 && now - waiting->told_ns < TELL_EVERY_MS * 1000000ull))
		return;
	waiting->told_ns = now;
	(void)fputs("aweigh: waiting for the model ", stderr);
	(void)escape_print(stderr, waiting->gate->policy.models[model].name);
	(void)fprintf(stderr, ", which is not all there; %d s are left\n",
	              clock_left_ms(waiting->until_ns) / 1000);
}

/* 0, or 128+n of a stop request. */
static enum status rest(struct waiting *waiting, uint64_t pause_ms, bool wakes)
{
	struct pollfd ready[] = { { .fd = waiting->gate->signals->fd, .events = POLLIN },
		                  { .fd = wakes ? waiting->gate->inotify_fd : -1,
		                    .events = POLLIN } };
	uint64_t until = clock_now_ns() + pause_ms * 1000000u;
	char events[4096];
	int left, stop;

	while ((left = clock_left_ms(until)) > 0) {
		(void)poll(ready, LENGTH_OF(ready), left);
		stop = ready[0].revents != 0 ? signals_stop_request(waiting->gate->signals) : 0;
		if (stop != 0)
			return (enum status)(STATUS_SIGNAL + stop);
		if (ready[1].revents != 0) {
			while (read(waiting->gate->inotify_fd, events, sizeof(events)) > 0)
				;
			/* One change comes seldom alone. */
			return rest(waiting, FIRST_LOOK_MS, false);
		}
	}
	return STATUS_OK;
}

static enum status look(struct waiting *waiting, struct text *why)
{
	struct gate *gate = waiting->gate;
	uint64_t begun = clock_now_ns();
	enum status status;

	gate->deadline_ns = begun + gate->policy.deadline_ms * 1000000u;
	status = gate_inspect(gate, why);
	/* A look that takes long is not taken more often than it is worth. */
	waiting->pause_ms =
	        waiting->pause_ms * 2 < LAST_LOOK_MS ? waiting->pause_ms * 2 : LAST_LOOK_MS;
	if ((clock_now_ns() - begun) / 250000u > waiting->pause_ms)
		waiting->pause_ms = (clock_now_ns() - begun) / 250000u;
	return status;
}

static uint64_t bytes_aboard(const struct gate *gate)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < gate->policy.model_count; i++)
		bytes += gate->report.models[i].bytes + gate->report.models[i].files;
	return bytes;
}

/* Of what is whole: what is refused anyway is not waited for. */
static bool is_one_young(const struct gate *gate)
{
	for (size_t i = 0; i < gate->report.count; i++)
		if (gate->report.findings[i].severity == SEVERITY_ERROR)
			return false;
	for (size_t i = 0; i < gate->policy.model_count; i++)
		if (gate->report.models[i].young)
			return true;
	return false;
}

/* What is whole now was so a moment ago: whoever copies goes on otherwise. */
static enum status confirm(struct waiting *waiting, bool *steady, struct text *why)
{
	uint64_t before = bytes_aboard(waiting->gate);
	enum status status = rest(waiting, STEADY_MS, false);

	if (status == STATUS_OK)
		status = look(waiting, why);
	*steady = bytes_aboard(waiting->gate) == before && !is_one_young(waiting->gate);
	return status;
}

enum status gate_wait(struct gate *gate, struct text *why)
{
	struct waiting waiting = { .gate = gate,
		                   .until_ns = gate->started_ns + gate->policy.wait_ms * 1000000u,
		                   .pause_ms = FIRST_LOOK_MS };
	enum status status = STATUS_OK;
	bool steady = !is_one_young(gate);
	uint64_t left_ms;
	int model;

	gate->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	while (status == STATUS_OK && ((model = awaited(gate)) != NO_MODEL || !steady)) {
		if (clock_now_ns() >= waiting.until_ns) {
			gate->waited_out = true;
			gate_raise(gate, FINDING_GATE_WAIT, gate->policy.said[KEY_WAIT].line,
			           "waited for %llu ms, and %s",
			           (unsigned long long)gate->policy.wait_ms,
			           model == NO_MODEL ? "files of the models still change" :
			                               "not all models are there");
			break;
		}
		if (model != NO_MODEL)
			tell(&waiting, model);
		left_ms = (uint64_t)clock_left_ms(waiting.until_ns);
		status = rest(&waiting, waiting.pause_ms < left_ms ? waiting.pause_ms : left_ms,
		              true);
		if (status == STATUS_OK)
			status = look(&waiting, why);
		steady = true;
		if (status == STATUS_OK && awaited(gate) == NO_MODEL)
			status = confirm(&waiting, &steady, why);
	}
	cleanup_fd(&gate->inotify_fd);
	gate->inotify_fd = -1;
	return status;
}
