/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/findings.h"

#include <string.h>

#include "base/text.h"
#include "util.h"

const struct finding_kind finding_kinds[FINDING_COUNT] = {
#define FINDING(id, code, severity, status, remedy, basis, meaning, fix)                             \
	{                                                                                            \
		code, SEVERITY_##severity, STATUS_##status, REMEDY_##remedy, BASIS_##basis, meaning, \
		fix                                                                                  \
	},
#ifdef AWEIGH_NO_FETCH
#define FETCH_FINDING(id, code, severity, status, remedy, basis, meaning, fix)                     \
	FINDING(id, code, severity, status, remedy, basis,                                         \
	        "about a fetch or smoke, of which this build has no code",                         \
	        "use the build that fetches")
#endif
#include "findings.def"
#undef FINDING
};

enum finding_id finding_find(const char *code)
{
	unsigned id = 0;

	while (id < FINDING_COUNT && strcmp(finding_kinds[id].code, code) != 0)
		id++;
	return (enum finding_id)id;
}

const char *finding_code_at(const void *nothing, size_t index)
{
	(void)nothing;
	return index < FINDING_COUNT ? finding_kinds[index].code : NULL;
}

bool finding_is_of_fetch(enum finding_id id)
{
	return id == FINDING_GATE_FETCHER || id == FINDING_LOCK_DIFFERS ||
	       strncmp(finding_kinds[id].code, "fetch.", 6) == 0;
}

bool finding_is_fixed(enum finding_id id)
{
	const char *code = finding_kinds[id].code;

	return strncmp(code, "gate.", 5) == 0 ||
	       (strncmp(code, "lock.", 5) == 0 && finding_kinds[id].status == STATUS_POLICY) ||
	       (strncmp(code, "policy.", 7) == 0 && finding_kinds[id].severity == SEVERITY_ERROR);
}

static void fill(char *out, size_t size, const char *value)
{
	struct text text = text_over(out, size);

	text_add(&text, value);
	text_mark_cut(&text);
}

/* Nothing can be fetched for a folder whose repository nobody has named. */
static const char *usual_fix(enum finding_id id, const struct model *model)
{
	const char *fix = finding_kinds[id].fix;

	return model == NULL || model->repo != NULL || strncmp(fix, "fetch ", 6) != 0 ?
	               fix :
	               "copy the model there again, or name its repository (repo = ORG/NAME) for aweigh fetch";
}

void finding_make(struct record *record, enum finding_id id, const struct model *model, int index,
                  struct report_at at, const char *format, va_list arguments)
{
	struct text message;

	memset(record, 0, sizeof(*record));
	record->magic = RECORD_MAGIC;
	record->type = RECORD_FINDING;
	record->kind = (uint16_t)id;
	record->model = model == NULL ? NO_MODEL : index;
	record->severity = (uint16_t)at.severity;
	message = TEXT_OVER(record->message);
	text_addv(&message, format, arguments);
	text_mark_cut(&message);
	fill(record->path, sizeof(record->path), at.path != NULL ? at.path : "");
	fill(record->fix, sizeof(record->fix), at.fix != NULL ? at.fix : usual_fix(id, model));
	if (model != NULL) {
		record->line = model->line;
		record->source = model->source;
	}
	if (at.said != NULL && at.said->line != 0) {
		record->line = at.said->line;
		record->source = at.said->source;
	}
	if (at.line != 0)
		record->line = at.line;
}

bool locked_make(struct record *record, int model, const char *path, uint64_t size,
                 const char *sha256, const char *git_sha1)
{
	struct text name, digest, git;

	*record = (struct record){
		.magic = RECORD_MAGIC, .type = RECORD_LOCKED, .model = model, .bytes = size
	};
	name = TEXT_OVER(record->path);
	digest = TEXT_OVER(record->message);
	git = TEXT_OVER(record->fix);
	text_add(&name, path);
	text_add(&digest, sha256);
	text_add(&git, git_sha1);
	return !name.cut;
}

/* A home that is opened to everybody is worse than what it mends. */
static bool is_a_home(const char *directory, const char *behind)
{
	return strcmp(directory, "/root") == 0 || strncmp(behind, "/.cache/", 8) == 0 ||
	       (strncmp(directory, "/home/", 6) == 0 && strchr(directory + 6, '/') == NULL);
}

void fix_refusal(const struct inspection *inspection, const char *path,
                 const struct refusal *refusal, struct text *out)
{
	unsigned uid = (unsigned)inspection->who->uid, gid = (unsigned)inspection->who->gid;
	size_t length = strlen(refusal->path);

	if (path_is_beneath(path, refusal->path) && S_ISDIR(refusal->st.st_mode) &&
	    is_a_home(refusal->path, path + length))
		text_addf(
		        out,
		        "put the models where uid %u may go, and set HF_HOME or path; or let that user alone pass: setfacl -m u:%u:x %.3800s",
		        uid, uid, refusal->path);
	else
		text_addf(out, "chmod a+%s %.3900s, or COPY --chown=%u:%u",
		          S_ISDIR(refusal->st.st_mode) ? "rx" : "r", refusal->path, uid, gid);
}

static void __attribute__((format(printf, 5, 0)))
send_finding(struct inspection *inspection, enum finding_id id, struct report_at at, uint64_t more,
             const char *format, va_list arguments)
{
	struct record record;
	const struct model_view *view = inspection->model;

	finding_make(&record, id, view == NULL ? NULL : view->model, view == NULL ? 0 : view->index,
	             at, format, arguments);
	record.files = more;
	inspection->seen_line[id] = record.line;
	if (inspection->failed == 0)
		inspection->failed = inspection->send(inspection, &record);
}

void inspection_report(struct inspection *inspection, enum finding_id id, struct report_at at,
                       const char *format, ...)
{
	va_list arguments;

	if (inspection->seen[id] < UINT16_MAX && ++inspection->seen[id] > FINDINGS_PER_KIND)
		return;
	va_start(arguments, format);
	send_finding(inspection, id, at, 0, format, arguments);
	va_end(arguments);
}

enum severity finding_severity(const struct policy *policy, enum finding_id id)
{
	enum severity severity = finding_kinds[id].severity;

	for (size_t i = 0; i < policy->severities_count; i++)
		if (policy->severities[i].id == id)
			severity = policy->severities[i].severity;
	return severity;
}

bool inspection_refuses(const struct inspection *inspection, enum finding_id id)
{
	return inspection->seen[id] > 0 &&
	       finding_severity(inspection->policy, id) == SEVERITY_ERROR;
}

bool model_is_broken(const struct inspection *inspection)
{
	static const enum finding_id causes[] = {
		FINDING_FILE_DANGLING_LINK, FINDING_FILE_LINK_LOOP,  FINDING_FILE_LINK_ESCAPES,
		FINDING_FILE_SPECIAL,       FINDING_FILE_UNREADABLE, FINDING_FILE_IO_ERROR
	};

	for (size_t i = 0; inspection->model->broken_files > 0 && i < LENGTH_OF(causes); i++)
		if (inspection_refuses(inspection, causes[i]))
			return true;
	return false;
}

static void __attribute__((format(printf, 4, 5)))
report_more(struct inspection *inspection, enum finding_id id, uint64_t more, const char *format,
            ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_finding(inspection, id, (struct report_at){ .line = inspection->seen_line[id] }, more,
	             format, arguments);
	va_end(arguments);
}

void inspection_report_rest(struct inspection *inspection)
{
	for (unsigned id = 0; id < FINDING_COUNT; id++) {
		unsigned more = inspection->seen[id] - FINDINGS_PER_KIND;

		if (inspection->seen[id] > FINDINGS_PER_KIND)
			report_more(inspection, (enum finding_id)id, more, "%u more like these",
			            more);
	}
}
