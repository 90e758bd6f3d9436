/* SPDX-License-Identifier: Apache-2.0 */
/* transformers: config.json with a model_type, weights, and a tokenizer or processor of some kind. */
#include <string.h>

#include "base/json.h"
#include "base/list.h"
#include "base/text.h"
#include "engine/findings.h"
#include "engine/walk.h"
#include "families/families.h"
#include "util.h"

static bool has_vocabulary(const struct inspection *inspection)
{
	static const char *const names[] = {
		"tokenizer.json",  "vocab.txt",           "vocab.json",
		"tokenizer.model", "spiece.model",        "sentencepiece.bpe.model",
		"source.spm",      "tekken.json",         "preprocessor_config.json",
		"vocabulary.txt",  "vocabulary.json",     "processor_config.json",
		"sp_model.model",  "sentencepiece.model",
	};
	/* XTokenizer or XTokenizerFast, whose vocabulary is one of these; others have theirs in their code, or by other names. */
	static const char classes[] =
	        "Bert DistilBert Roberta XLMRoberta GPT2 Llama T5 Qwen2 PreTrained";
	char class[MAX_NAME_BYTES], *rest;

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (model_has(inspection, names[i], NULL))
			return true;
	if (!model_has(inspection, "tokenizer_config.json", NULL))
		return false;
	if (!family_json_string(inspection, "tokenizer_config.json", "tokenizer_class", class,
	                        sizeof(class)))
		return true;
	if ((rest = strstr(class, "Tokenizer")) != NULL)
		*rest = '\0';
	return !list_has(classes, ' ', class);
}

/* Two words a line, to the last (tokenizers, "Merges text file invalid"); where tokenizer.json is there, nobody reads it. */
static void check_merges(struct inspection *inspection)
{
	CLEANUP(cleanup_fd)
	int fd = model_has(inspection, "tokenizer.json", NULL) ?
	                 -1 :
	                 model_open(inspection, "merges.txt", NULL);
	char first[8], tail[4096 + 1], *line;
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	off_t start = size < (off_t)sizeof(tail) ? 0 : size - (off_t)sizeof(tail) + 1;
	ssize_t got = size <= 0 ? 0 : pread(fd, tail, sizeof(tail) - 1, start);

	if (got <= 0 || inspection->model->level < LEVEL_STRUCTURE ||
	    pread(fd, first, sizeof(first), 0) != (ssize_t)sizeof(first) ||
	    memcmp(first, "#version", sizeof(first)) != 0)
		return;
	tail[got] = '\0';
	line = strrchr(tail, '\n');
	line = line == NULL ? tail : line + 1;
	if (line[strspn(line, " \t\r\x1a")] != '\0' && line[0] != '#' &&
	    strpbrk(line, " \t") == NULL)
		inspection_report(inspection, FINDING_FILE_TRUNCATED,
		                  (struct report_at){ .path = "merges.txt" },
		                  "ends inside a line: it is cut short");
}

static bool visit(void *context, const struct json_value *value)
{
	static const char keys[] =
	        "model_type architectures architecture _class_name class_name auto_map vocab_size "
	        "hidden_size sklearn Global normalize unk_token add_source_bos add_source_eos lang_ids";
	bool *is_model = context;

	*is_model |= value->depth == 1 && list_has(keys, ' ', value->key[0]);
	return true;
}

/* config.json is a name that many libraries use: what it says tells whether it is a model's of this family. */
static bool describes_a_model(const struct inspection *inspection)
{
	CLEANUP(cleanup_fd) int fd = model_open(inspection, "config.json", NULL);
	bool is_model = false;
	int error;

	if (fd >= 0)
		(void)json_read(fd, MAX_CONFIG_BYTES, visit, &is_model, &error);
	return is_model;
}

/* What trainers save beneath is not looked for: the directory that is loaded has weights of its own. */
static bool check_checkpoints(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	const char *first = NULL;

	for (size_t i = 0; i < format_count; i++)
		if (view->of_format[i].files > 0)
			first = view->of_format[i].first;
	if (first == NULL || view->checkpoint_files < view->weight_files ||
	    view->unknown_files > 0 || view->model->require.count > 0 ||
	    model_is_broken(inspection) || family_directory_has_weights(inspection, "") ||
	    !model_wants(inspection, "model.safetensors"))
		return false;
	inspection_report(inspection, FINDING_MODEL_NO_WEIGHTS,
	                  (struct report_at){ .path = view->place.path,
	                                      .fix = "let path name the checkpoint's directory" },
	                  "has config.json, but weights beneath alone, such as %.200s", first);
	return true;
}

void transformers_check(struct inspection *inspection)
{
	static const char without[] =
	        "patchtst patchtsmixer time_series_transformer informer autoformer timesfm decision_transformer "
	        "tinytimemixer hifigan";
	const struct model_view *view = inspection->model;
	char type[MAX_NAME_BYTES], tower[MAX_NAME_BYTES];

	check_merges(inspection);
	if (describes_a_model(inspection) && !check_checkpoints(inspection))
		family_report_no_weights(inspection, "config.json");
	if (family_json_string(inspection, "config.json", "mm_vision_tower", tower, sizeof(tower)))
		family_report_repository(inspection, tower, "config.json");
	/* timm, diffusers' parts and others have a config.json too, and no model_type in it; those of time series read no text. */
	if (view->model->files.count > 0 || model_is_broken(inspection) ||
	    view->manifest_complete || has_vocabulary(inspection) ||
	    view->of_format[format_find("gguf", 4) - formats].files > 0 || /* it is in there */
	    !family_json_string(inspection, "config.json", "model_type", type, sizeof(type)) ||
	    list_has(without, ' ', type))
		return;
	inspection_report(inspection, FINDING_MODEL_TOKENIZER,
	                  (struct report_at){ .path = view->place.path },
	                  "has neither tokenizer.json nor another vocabulary or preprocessor");
}
