/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/hub/ask.h"

#include <string.h>

#include "base/scan.h"
#include "fetch/hub/listing.h"
#include "util.h"

static bool is_typed(const char *repo)
{
	return strncmp(repo, "datasets/", 9) == 0 || strncmp(repo, "spaces/", 7) == 0;
}

static void api_address(const struct asked *asked, const char *what, const char *revision,
                        const char *query, char out[static MAX_URL_BYTES])
{
	struct text text = text_over(out, MAX_URL_BYTES);

	text_addf(&text, "%s/api/%s%s/%s/", asked->endpoint, is_typed(asked->repo) ? "" : "models/",
	          asked->repo, what);
	url_add_encoded(&text, revision, false);
	text_add(&text, query);
	if (text.cut)
		out[0] = '\0';
}

struct question {
	struct request request;
	bool over, well;
	bool (*feed)(struct question *question, const void *bytes, size_t length);
	void *parser;
	char next[MAX_URL_BYTES];
};

static bool on_answer(struct request *request, const void *bytes, size_t length)
{
	struct question *question = request->context;

	/* What does not parse any more is not read any further. */
	return question->feed == NULL || question->feed(question, bytes, length);
}

static void on_answered(struct request *request, bool well)
{
	struct question *question = request->context;

	question->over = true;
	question->well = well;
}

/* The answer is parsed from its first byte, so a try that broke off must not be gone on with. */
static enum next_step no_second_start(struct request *request)
{
	request->failure.broken = request->received > 0;
	return request->failure.broken ? STEP_GIVE_UP : STEP_GO;
}

static bool ask(const struct asked *asked, struct question *question, const char *url)
{
	struct request *request = &question->request;

	request->context = question;
	request->model = asked->model;
	request->few_tries = request->elsewhere = asked->elsewhere;
	request->limit = MAX_API_BYTES;
	request->prepare = no_second_start;
	request->body = on_answer;
	request->done = on_answered;
	question->over = question->well = false;
	request_start(asked->network, request, asked->endpoint, url);
	while (!question->over)
		if (network_run(asked->network, 1000) < 0)
			return false;
	return question->well;
}

static bool feed_info(struct question *question, const void *bytes, size_t length)
{
	struct revision_info *info = question->parser;

	return json_feed(&info->json, bytes, length) || info->stopped;
}

static bool feed_tree(struct question *question, const void *bytes, size_t length)
{
	struct tree_page *page = question->parser;

	return json_feed(&page->json, bytes, length) || page->stopped;
}

static struct question *new_question(const char *what, const char *of, const char *repo)
{
	struct question *question = calloc(1, sizeof(*question));
	struct text text;

	if (question == NULL)
		return NULL;
	text = TEXT_OVER(question->request.what);
	text_addf(&text, "%s %.60s of %.80s", what, of, repo);
	return question;
}

static void free_question(struct question *question)
{
	if (question != NULL)
		request_release(&question->request);
	free(question);
}

static void add_misfit(struct failure *failure, const struct url *server, const char *repo,
                       const char *what)
{
	struct text text = TEXT_OVER(failure->message);

	failure->id = FINDING_FETCH_PROTOCOL;
	failure->http = 0;
	url_add_server(&text, server);
	text_addf(&text, ": the answer about %s is not a %s", repo, what);
}

/* An answer of no stated length that ends in the middle of its JSON is one that broke off. */
static void keep_failure(struct failure *failure, const struct question *question,
                         const struct asked *asked, const char *what, const struct json *json)
{
	struct text text = TEXT_OVER(failure->message);

	*failure = question->request.failure;
	if (failure->broken || (!question->well && !question->request.misfit))
		return;
	add_misfit(failure, &question->request.server, asked->repo, what);
	if (!question->well || json->result != JSON_CUT)
		return;
	failure->id = FINDING_FETCH_CONNECT;
	failure->broken = failure->temporary = true;
	url_add_server(&text, &question->request.server);
	text_addf(&text, ": the answer about %s ends in the middle", asked->repo);
}

void ask_misfit(const struct asked *asked, const char *what, struct failure *failure)
{
	struct url server = { .host = "" };

	(void)url_parse(asked->endpoint, &server);
	failure->broken = false;
	add_misfit(failure, &server, asked->repo, what);
}

bool ask_revision(const struct asked *asked, const char *revision, const char *query,
                  manifest_visit *visit, void *context, char commit[static COMMIT_HEX + 1],
                  struct failure *failure)
{
	struct question *question = new_question("revision", revision, asked->repo);
	struct revision_info *info = calloc(1, sizeof(*info));
	char url[MAX_URL_BYTES];
	bool well = false;

	if (question == NULL || info == NULL)
		goto out;
	api_address(asked, "revision", revision, query, url);
	revision_info_begin(info, visit, context);
	question->feed = feed_info;
	question->parser = info;
	well = ask(asked, question, url);
	if (!revision_info_end(info))
		well = false;
	if (well)
		memcpy(commit, info->commit, sizeof(info->commit));
	else
		keep_failure(failure, question, asked, "revision with a commit", &info->json);
out:
	free_question(question);
	free(info);
	return well;
}

/* Where the hub's own path begins, behind whatever an endpoint has before it: /artifactory/api/huggingfaceml/x/api/models/. */
static const char *last_api(const char *address)
{
	static const char *const kinds[] = { "/api/models/", "/api/datasets/", "/api/spaces/" };
	const char *last = NULL;

	for (size_t i = 0; i < LENGTH_OF(kinds); i++)
		for (const char *at = address; (at = strstr(at, kinds[i])) != NULL; at++)
			last = at > last ? at : last;
	return last;
}

/* A page's successor lies on the endpoint, whatever server the hub calls itself. */
static bool next_page(const struct question *question, const char *endpoint,
                      char out[static MAX_URL_BYTES])
{
	const char *next = question->request.headers.next;
	struct text text = text_over(out, MAX_URL_BYTES);
	struct url from, own;

	if (next[0] == '\0')
		return false;
	if (url_parse(next, &from) && url_parse(endpoint, &own) && !url_same_server(&from, &own)) {
		const char *path = last_api(next);

		text_addf(&text, "%s%s", path == NULL ? "" : endpoint, path == NULL ? "" : path);
	} else if (!url_resolve(question->request.url, next, out)) {
		return false;
	}
	return out[0] != '\0';
}

bool ask_tree(const struct asked *asked, const char *commit, manifest_visit *visit, void *context,
              struct failure *failure)
{
	struct question *question = new_question("files at", commit, asked->repo);
	struct tree_page *page = calloc(1, sizeof(*page));
	char url[MAX_URL_BYTES];
	bool well = question != NULL && page != NULL, repeats = false;
	uint64_t *met = calloc(MAX_LISTING_PAGES, sizeof(*met));
	size_t entries = 0;

	api_address(asked, "tree", commit, "?recursive=true&expand=false", url);
	for (unsigned pages = 0; well; pages++) {
		tree_page_begin(page, visit, context);
		question->feed = feed_tree;
		question->parser = page;
		well = ask(asked, question, url);
		entries += page->entries;
		if (!tree_page_end(page) || pages + 1 >= MAX_LISTING_PAGES || met == NULL ||
		    entries > MAX_FILES_PER_MODEL)
			well = false;
		/* A page of names that have come, by whatever address and whatever else is said of them, is the end of no list. */
		for (unsigned i = 0; well && i < pages; i++)
			repeats |= met[i] == page->names;
		repeats |= question->request.headers.next_lost;
		well = well && !repeats;
		if (!well || !next_page(question, asked->endpoint, url))
			break;
		met[pages] = page->names;
		repeats = strcmp(url, question->request.start) == 0;
		well = !repeats;
	}
	free(met);
	if (!well && question != NULL && page != NULL)
		keep_failure(failure, question, asked, "list of files", &page->json);
	if (repeats) /* mirrors that know no cursor (olah 0.5.4), or whose next page cannot be asked for: no list by pages */
		failure->http = 404;
	free_question(question);
	free(page);
	return well;
}

bool ask_file(const struct asked *asked, const char *url, const char *path, struct headers *said,
              struct failure *failure)
{
	struct question *question = new_question("file", path, asked->repo);
	bool well;

	if (question == NULL)
		return false;
	question->request.head = true;
	question->feed = NULL;
	well = ask(asked, question, url);
	if (well)
		*said = question->request.hub;
	else
		*failure = question->request.failure;
	free_question(question);
	return well;
}
