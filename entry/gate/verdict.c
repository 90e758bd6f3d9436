/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/verdict.h"

#include <string.h>

#include "base/text.h"
#include "policy/errors.h"
#include "policy/keys.h"
#include "report/format.h"
#include "util.h"

/* What confine.landlock = require does not put up with. */
static bool is_withheld(enum finding_id id)
{
	return id == FINDING_CONFINE_UNAVAILABLE || id == FINDING_CONFINE_EGRESS ||
	       id == FINDING_CONFINE_MODELS;
}

static enum severity severity_of(const struct gate *gate, enum finding_id id, int model,
                                 enum severity least)
{
	const struct policy *policy = &gate->policy;
	enum severity severity = finding_kinds[id].severity;

	if (severity < least)
		severity = least;
	if (policy->landlock == LANDLOCK_REQUIRE && is_withheld(id))
		severity = SEVERITY_ERROR;
	/* Where the service is given no path it asks by the repository's name, as likely as not. */
	if (id == FINDING_MODEL_NO_MAIN && model != NO_MODEL &&
	    policy->models[model].export == NULL)
		severity = SEVERITY_WARNING;
	/* What run refuses for certain, check does not pass. */
	if (id == FINDING_CONFINE_IDENTITY && gate->fetching == FETCHING_NEVER &&
	    gate->options->root == NULL)
		severity = SEVERITY_ERROR;
	/* A lock file is made on another machine than the one with the service's user, as likely as not. */
	if (gate->fetching == FETCHING_LOCK &&
	    (id == FINDING_FILE_OWNER || id == FINDING_FILE_MODE || id == FINDING_CONFINE_IDENTITY))
		severity = SEVERITY_NOTE;
	/* A report was what the command was for, and smoke; a service is not kept from starting. */
	if (id == FINDING_REPORT_FAILED && gate->report_lost &&
	    (gate->command == NULL || gate->report.service.looked_at))
		severity = SEVERITY_ERROR;
	/* A fetch starts no service that could look elsewhere. */
	if (gate->fetching == FETCHING_ORDERED && id == FINDING_CACHE_PATH_MISMATCH)
		severity = SEVERITY_NOTE;
	for (size_t i = 0; i < policy->severities_count; i++)
		if (policy->severities[i].id == id)
			severity = policy->severities[i].severity;
	/* Not a matter of taste: launch() fails. */
	if (gate->command != NULL &&
	    (id == FINDING_CONFINE_IDENTITY || id == FINDING_SERVICE_COMMAND ||
	     id == FINDING_SERVICE_EXECUTABLE))
		severity = SEVERITY_ERROR;
	if (model != NO_MODEL && policy->models[model].optional && severity == SEVERITY_ERROR)
		severity = SEVERITY_WARNING;
	return severity;
}

/* The usual fix is not copied: ten thousand findings share it. */
static const char *keep_fix(struct report *report, enum finding_id id, const char *fix)
{
	return strcmp(fix, finding_kinds[id].fix) == 0 ? finding_kinds[id].fix :
	                                                 report_keep(report, fix);
}

/* What a fetch would have fixed is not said again where the fetch itself has said why it failed. */
static bool is_answered(const struct gate *gate, enum finding_id id, int model)
{
	return model != NO_MODEL && gate->fetched != NULL && gate->fetched[model] == FETCH_FAILED &&
	       finding_kinds[id].remedy != REMEDY_NOTHING;
}

static void list_append(struct report *report, struct report_list *list)
{
	if (list->last != 0)
		report->findings[list->last - 1].next = report->count;
	else
		list->first = report->count;
	list->last = report->count;
}

static struct report_list *list_of(struct report *report, enum finding_id id, int model)
{
	return model == NO_MODEL || report->models == NULL ? &report->rest[finding_subject(id)] :
	                                                     &report->models[model].findings;
}

/* The last finding of the array takes its part in lists, worst and status. */
static void count_finding(struct report *report, enum finding_id id, enum severity severity,
                          int model)
{
	struct report_list *list = list_of(report, id, model);

	report->count++;
	list_append(report, list);
	if (severity > list->worst)
		list->worst = severity;
	if (severity == SEVERITY_ERROR)
		report->status = status_worse(report->status, finding_kinds[id].status);
}

/* Room for one more; false: the list is full. */
static bool make_room(struct report *report)
{
	size_t room = report->room == 0               ? 32 :
	              report->room > MAX_FINDINGS / 2 ? MAX_FINDINGS :
	                                                report->room * 2;
	struct report_finding *larger;

	if (report->count < report->room)
		return true;
	larger = room == report->room ? NULL : realloc(report->findings, room * sizeof(*larger));
	if (larger == NULL)
		return false;
	report->findings = larger;
	report->room = room;
	return true;
}

/* Not kept, but it counts. */
static void drop_finding(struct report *report, enum finding_id id, enum severity severity,
                         int model)
{
	struct report_list *list = list_of(report, id, model);

	report->dropped++;
	if (severity > list->worst)
		list->worst = severity;
	if (severity != SEVERITY_ERROR)
		return;
	report->lost = status_worse(report->lost, finding_kinds[id].status);
	report->status = status_worse(report->status, report->lost);
}

enum severity gate_add_finding(struct gate *gate, const struct record *record)
{
	struct report *report = &gate->report;
	struct record shown = *record;
	enum finding_id id = (enum finding_id)record->kind;
	enum severity severity =
	        severity_of(gate, id, record->model, (enum severity)record->severity);

	if (severity == SEVERITY_OFF || is_answered(gate, id, record->model))
		return SEVERITY_OFF;
	if (!make_room(report)) {
		drop_finding(report, id, severity, record->model);
		return SEVERITY_OFF;
	}
	policy_hide(&gate->policy, shown.path);
	policy_hide(&gate->policy, shown.message);
	policy_hide(&gate->policy, shown.fix);
	report->findings[report->count] = (struct report_finding){
		.id = id,
		.severity = severity,
		.model = record->model,
		.source = record->source,
		.line = record->line,
		.more = record->files,
		.path = report_keep(report, shown.path),
		.message = report_keep(report, shown.message),
		.fix = keep_fix(report, id, shown.fix),
	};
	count_finding(report, id, severity, record->model);
	return severity;
}

static void __attribute__((format(printf, 4, 0)))
raise_finding(struct gate *gate, enum finding_id id, struct report_at at, const char *format,
              va_list arguments)
{
	struct record record;

	finding_make(&record, id, NULL, 0, at, format, arguments);
	(void)gate_add_finding(gate, &record);
}

void gate_raise(struct gate *gate, enum finding_id id, unsigned line, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	raise_finding(gate, id, (struct report_at){ .line = line }, format, arguments);
	va_end(arguments);
}

void gate_raise_at(struct gate *gate, enum finding_id id, struct report_at at, const char *format,
                   ...)
{
	va_list arguments;

	va_start(arguments, format);
	raise_finding(gate, id, at, format, arguments);
	va_end(arguments);
}

enum severity gate_raise_about(struct gate *gate, size_t model, enum finding_id id,
                               const char *format, ...)
{
	struct record record;
	va_list arguments;

	va_start(arguments, format);
	finding_make(&record, id, &gate->policy.models[model], (int)model, (struct report_at){ 0 },
	             format, arguments);
	va_end(arguments);
	return gate_add_finding(gate, &record);
}

/* Nothing to check, and what this build leaves undone: said, so that nobody relies on it. */
static void raise_undone(struct gate *gate)
{
	const struct policy *policy = &gate->policy;

	if (policy->model_count == 0)
		gate_raise(gate, FINDING_POLICY_EMPTY, 0, "no model is named");
	for (size_t i = 0; i < policy->reports_count; i++) {
		const struct named_row *row = &policy->reports[i];
		const struct report_format *format =
		        report_format_find(row->name, strlen(row->name));

		if (format != NULL && format->write == NULL)
			gate_raise(gate, FINDING_POLICY_NOT_YET, row->line,
			           "[report] %s: this build (FETCH=no) writes human and json",
			           row->name);
	}
}

static void raise_one_idle(struct gate *gate, unsigned line, const char *name, const char *needs)
{
	if (line != 0)
		gate_raise(gate, FINDING_POLICY_IDLE, line, "%s has no effect without %s", name,
		           needs);
}

static void raise_idle(struct gate *gate)
{
	static const char init[] = "[service] init = yes, or run --init";
	const struct policy *policy = &gate->policy;

	if ((policy->user == NULL || strcmp(policy->user, "unchanged") == 0) &&
	    gate->options->root == NULL)
		raise_one_idle(gate, policy->said[KEY_GROUPS].line, "groups", "user");
	if (policy->init || gate->options->init)
		return;
	raise_one_idle(gate, policy->said[KEY_SIGNAL_TARGET].line, "signal_target", init);
	raise_one_idle(gate, policy->said[KEY_GRACE].line, "grace", init);
	if (policy->forwards_count > 0)
		raise_one_idle(gate, policy->forwards[0].line, "forward", init);
	if (policy->remaps_count > 0)
		raise_one_idle(gate, policy->remaps[0].line, "remap", init);
}

/* Lists, worst and status follow from the findings that are left. */
static void keep_findings(struct gate *gate, bool (*keeps)(const struct gate *gate,
                                                           const struct report_finding *finding))
{
	struct report *report = &gate->report;
	size_t kept = 0;

	for (size_t i = 0; i < report->count; i++)
		if (keeps(gate, &report->findings[i]))
			report->findings[kept++] = report->findings[i];
	report->count = 0;
	report->status = report->lost;
	memset(report->rest, 0, sizeof(report->rest));
	for (size_t i = 0; i < gate->policy.model_count; i++) {
		report->models[i].findings = (struct report_list){ 0 };
	}
	for (size_t i = 0; i < kept; i++) {
		struct report_finding *finding = &report->findings[i];

		finding->next = 0;
		count_finding(report, finding->id, finding->severity, finding->model);
	}
}

/* What was found before or between inspections, and not by one. */
static bool outlives_inspection(const struct gate *gate, const struct report_finding *finding)
{
	(void)gate;
	return finding_is_of_fetch(finding->id) || finding->id == FINDING_ENV_FILE ||
	       finding->id == FINDING_ENV_FILE_MODE;
}

static bool is_unanswered(const struct gate *gate, const struct report_finding *finding)
{
	return !is_answered(gate, finding->id, finding->model);
}

void gate_begin_anew(struct gate *gate)
{
	gate->inspected = false;
	gate->report.lost = STATUS_OK;
	gate->report.dropped = 0;
	for (size_t i = 0; i < gate->policy.model_count; i++)
		gate->report.models[i].seen = false;
	keep_findings(gate, outlives_inspection);
	raise_undone(gate);
	raise_idle(gate);
}

void gate_drop_answered(struct gate *gate)
{
	keep_findings(gate, is_unanswered);
}

/* Asked of a policy without errors; false: a finding says of which model nothing was told. */
static bool is_every_model_seen(struct gate *gate)
{
	bool all = true;

	for (size_t i = 0; i < gate->policy.model_count; i++) {
		if (!gate->policy.models[i].selected || gate->report.models[i].seen)
			continue;
		if (all && gate->inspected)
			gate_raise(
			        gate, FINDING_GATE_INSPECTOR, 0,
			        "the inspector told nothing about [model %.200s]; it may have been taken over",
			        gate->policy.models[i].name);
		all = false;
	}
	return all;
}

void gate_conclude(struct gate *gate)
{
	struct report *report = &gate->report;

	report->enforced = gate->policy.enforce || gate->policy.error_count > 0;
	if (gate->policy.error_count > 0)
		report->status = status_worse(report->status, STATUS_POLICY);
	else if (!is_every_model_seen(gate) || !gate->inspected)
		report->status = status_worse(report->status, STATUS_SYSTEM);
	else if (gate->waited_out)
		report->status = STATUS_TEMPORARY; /* whatever is missing: it may still come */
}
