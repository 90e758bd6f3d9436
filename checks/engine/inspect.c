/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of looking: the surroundings, then model by model its place, each of its files, and the
 * whole; digests last, over all models together.
 */
#include "engine/inspect.h"

#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "engine/digests.h"
#include "engine/findings.h"
#include "engine/locate.h"
#include "engine/walk.h"
#include "system/cgroup.h"
#include "util.h"

void inspection_run_checks(struct inspection *inspection, enum scope scope, enum level level)
{
	for (size_t i = 0; i < inspection->check_count; i++)
		if (inspection->checks[i].scope == scope && inspection->checks[i].level <= level)
			inspection->checks[i].run(inspection);
}

static void send_model(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	struct record record = { .magic = RECORD_MAGIC,
		                 .type = RECORD_MODEL,
		                 .model = view->index,
		                 .level = (uint16_t)view->level,
		                 .files = view->files,
		                 .bytes = view->bytes,
		                 .verified = view->verified,
		                 .young = view->young };
	struct text path = TEXT_OVER(record.path);

	text_add(&path, view->place.kind == PLACE_NONE ? "" : view->place.path);
	text_mark_cut(&path);
	memcpy(record.commit, view->place.commit, sizeof(view->place.commit));
	if (inspection->failed == 0)
		inspection->failed = inspection->send(inspection, &record);
}

static void inspect_model(struct inspection *inspection, struct model_view *view, int index,
                          struct digest_queue *digests)
{
	view->model = &inspection->policy->models[index];
	view->index = index;
	view->place.kind = PLACE_NONE;
	view->place.repo_fd = view->place.dir_fd = -1;
	view->place.error = view->outcome = 0;
	view->place.commit[0] = view->place.path[0] = view->place.repo_path[0] = '\0';
	view->first_python[0] = '\0';
	view->files = view->bytes = view->verified = view->weight_files = 0;
	view->python_files = view->checkpoint_files = view->paper_files = view->broken_files =
	        view->unknown_files = 0;
	view->late_indexes = 0;
	view->extra_files = 0;
	view->locked = inspection->lock == NULL || inspection->locking ?
	                       NULL :
	                       lock_find_model(inspection->lock, view->model->name);
	view->first_unknown[0] = '\0';
	view->manifest_complete = view->young = false;
	view->only = NULL;
	memset(view->of_format, 0, sizeof(view->of_format));
	view->met = view->broken = (struct lists_met){ 0 };
	view->has_manifest = false;
	view->level = model_level(inspection->policy, view->model);
	if (view->level > inspection->deepest)
		view->level = inspection->deepest;
	view->digests = digests;
	seen_clear(view->seen);
	inspection->model = view;
	memset(inspection->seen, 0, sizeof(inspection->seen));
	locate(inspection);
	inspection_run_checks(inspection, SCOPE_PLACE, view->level);
	if (view->place.kind != PLACE_NONE) {
		walk_model(inspection);
		inspection_run_checks(inspection, SCOPE_MODEL, view->level);
		if (digests != NULL)
			digest_queue_model_done(inspection);
	}
	inspection_report_rest(inspection);
	send_model(inspection);
	cleanup_fd(&view->place.repo_fd);
	cleanup_fd(&view->place.dir_fd);
	inspection->model = NULL;
}

void inspect(struct inspection *inspection)
{
	struct model_view *view = malloc(sizeof(*view));
	struct seen_files seen = { 0 };
	struct digest_queue *digests = digest_queue_new();

	if (view == NULL || digests == NULL) {
		inspection->failed = -ENOMEM;
		free(view);
		digest_queue_free(digests);
		return;
	}
	view->seen = &seen;
	inspection->memory_limit = inspection->tree->root_fd < 0 ? memory_limit() : UINT64_MAX;
	if (!inspection->locking) /* a lock file is of models, and of no environment */
		inspection_run_checks(inspection, SCOPE_RUN, LEVEL_DIGEST);
	for (size_t i = 0; i < inspection->policy->model_count && inspection->failed == 0; i++)
		if (inspection->policy->models[i].selected)
			inspect_model(inspection, view, (int)i, digests);
	digest_queue_run(inspection, digests);
	digest_queue_free(digests);
	free(seen.files);
	free(view);
}
