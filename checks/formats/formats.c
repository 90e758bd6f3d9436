/* SPDX-License-Identifier: Apache-2.0 */
#include "formats/formats.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/list.h"
#include "base/text.h"
#include "bounds.h"
#include "util.h"

enum {
#define FORMAT(id, name, endings, flags, examine, begins) id,
#include "formats/formats.def"
};
enum { PLAIN = 0, WEIGHTS = 1, EXECUTES = 2, IN_BIN = 4, ANY_BYTES = 8 };
const struct format formats[] = {
#define FORMAT(id, name_, endings_, flags, examine_, begins_)                                      \
	{ .name = (name_),                                                                         \
	  .endings = (endings_),                                                                   \
	  .weights = ((flags)&WEIGHTS) != 0,                                                       \
	  .executes = ((flags)&EXECUTES) != 0,                                                     \
	  .in_bin = ((flags)&IN_BIN) != 0,                                                         \
	  .any_bytes = ((flags)&ANY_BYTES) != 0,                                                   \
	  .examine = (examine_),                                                                   \
	  .begins = (begins_) },
#define EXAMINE(x) x##_examine
#define BEGINS(x) x##_begins
#define NONE NULL
#include "formats/formats.def"
};
const size_t format_count = LENGTH_OF(formats);
static_assert(LENGTH_OF(formats) <= MAX_FORMATS, "counts of files by format have room");

bool format_has_ending(const char *path, const char *endings)
{
	size_t length = strlen(path), more;

	for (const char *at = NULL, *ending;
	     (ending = list_next(endings, ' ', &at, &more)) != NULL;)
		if (length > more && strncasecmp(path + length - more, ending, more) == 0)
			return true;
	return false;
}

/* .bin says nothing: these names do; others are told by their first bytes. */
static const struct format *format_of_bin(const char *path)
{
	static const char *const pickles[] = { "pytorch_model", "adapter_model",
		                               "diffusion_pytorch_model" };
	const char *name = path_name(path);

	for (size_t i = 0; i < LENGTH_OF(pickles); i++)
		if (strncmp(name, pickles[i], strlen(pickles[i])) == 0)
			return &formats[PICKLE];
	if (strncmp(name, "openvino_", 9) == 0)
		return &formats[OPENVINO];
	return coreml_is_weights(path) ? &formats[COREML] : &formats[BIN];
}

static bool begins_as(const char *name, const char *begin)
{
	size_t length = strcspn(begin, "#");

	return strncmp(name, begin, length) == 0 &&
	       (begin[length] == '\0' || name[length] == '.' ||
	        (name[length] == '_' && name[length + 1] >= '0' && name[length + 1] <= '9'));
}

/*
 * What trainers save beside a checkpoint (transformers' trainer.py: TRAINING_ARGS_NAME, OPTIMIZER_NAME, ...;
 * accelerate's utils/constants.py: RNG_STATE_NAME, SAMPLER_NAME, ...).
 */
static bool is_training_state(const char *path)
{
	static const struct {
		const char *begin; /* with # at its end: alone, or with _ and a number behind it */
		const char *endings;
	} names[] = {
		{ "training_args.", ".bin .pt" },
		{ "training_state", ".pt .pth .bin .pkl" },
		{ "optimizer", ".pt .pth .bin .pkl" },
		{ "optimizer.", ".safetensors" },
		{ "scheduler#", ".pt .pth .bin .pkl" },
		{ "lr_scheduler", ".pt .pth .bin .pkl" },
		{ "optim.", ".pt .pth .bin" },
		{ "dataloader.", ".pt .pth .bin .pkl" },
		{ "", "_optim_states.pt" },
		{ "rng_state", ".pt .pth .pkl" },
		{ "random_states_", ".pkl" },
		{ "scaler#", ".pt .pth .bin" },
		{ "sampler", ".bin" },
		{ "custom_checkpoint_", ".pkl" },
		{ "trainer_state.", ".pt .bin" },
	};
	const char *name = path_name(path);

	for (size_t i = 0; i < LENGTH_OF(names); i++)
		if (begins_as(name, names[i].begin) && format_has_ending(name, names[i].endings))
			return true;
	return false;
}

bool format_is_vocabulary(const char *path)
{
	const char *name = path_name(path);

	return format_has_ending(path, ".model .spm .tiktoken .vocab .bpe") ||
	       ((strncmp(name, "vocab", 5) == 0 || strncmp(name, "merges", 6) == 0) &&
	        (strchr(name, '.') == NULL || format_has_ending(path, ".txt .json")));
}

bool format_is_certain(const struct format *format)
{
	return format == &formats[SAFETENSORS] || format == &formats[GGUF] ||
	       format == &formats[ONNX];
}

bool format_is_paper(const char *path)
{
	static const char papers[] =
	        "license readme notice copying authors citation changelog dockerfile makefile version "
	        "modelfile use_policy sha256sums";
	size_t length;

	for (const char *at = NULL, *paper; (paper = list_next(papers, ' ', &at, &length)) != NULL;)
		if (strncasecmp(path_name(path), paper, length) == 0)
			return true;
	return format_has_ending(path, ".md .log .rst .pdf .png .jpg .jpeg .gif .svg .webp");
}

bool format_is_plain(const char *path)
{
	static const char endings[] =
	        ".json .txt .md .py .yaml .yml .toml .cfg .ini .jinja .model .spm .vocab .bpe .tiktoken "
	        ".xml .html .csv .tsv .lock .log .png .jpg .jpeg .gif .svg .webp .pdf .wav .mp3 .flac "
	        ".metadata .proto .pbtxt .sh .ipynb .license .jsonl .tex .bib .rst .css .js .pyc .codes .parquet "
	        ".mp4 .ogg .m4a .tiff .avif .bmp .heic .ico .webm .mov .avi .opus .aac .pptx .docx .xlsx .ttf .woff .wandb .sig .asc .pem .sha256 .md5 .map .patch .diff .bat .lua .conf";
	static const char packed[] = ".gz .bz2 .xz .zst .lz4 .z";
	const char *name = path_name(path);
	const struct format *format;

	if (strchr(name, '.') == NULL && format_is_paper(path))
		return true;
	/* What is packed is what it was: joblib opens x.pkl.gz as it does x.pkl. */
	if (format_has_ending(path, packed)) {
		char inner[MAX_PATH_BYTES];
		struct text text = TEXT_OVER(inner);

		text_add_bytes(&text, path, (size_t)(strrchr(path, '.') - path));
		format = format_by_name(inner);
		return !format_has_ending(inner, packed) && (format == NULL || !format->weights) &&
		       format_is_plain(inner);
	}
	/* events.out.tfevents.1700000000.host.1.0; tokenizer.model.v3, as Mistral numbers them. */
	return name[0] == '.' || format_has_ending(path, endings) ||
	       strstr(name, ".tfevents.") != NULL || strncmp(name, "tokenizer.", 10) == 0;
}

const struct format *format_by_name(const char *path)
{
	if (is_training_state(path))
		return &formats[TRAINING];
	if (format_has_ending(path, ".bin"))
		return format_of_bin(path);
	for (size_t i = 0; i < format_count; i++)
		if (formats[i].endings != NULL && format_has_ending(path, formats[i].endings))
			return &formats[i];
	return NULL;
}

/* Bytes tell what a name may hide: zip archives of torch.save, and pickle's own opcode. */
const struct format *format_by_bytes(const struct format *named, int fd, uint64_t size,
                                     const unsigned char *head, size_t length)
{
	bool zip = length >= 4 && memcmp(head, "PK\3\4", 4) == 0;
	bool opcode = length >= 2 && head[0] == 0x80 && head[1] >= 2 && head[1] <= 5;

	if (named != NULL && named->any_bytes)
		return named;
	/* The length of a header may begin as pickle does, by chance. */
	if (named == &formats[SAFETENSORS] && length > 8 && head[8] == '{')
		return named;
	if (zip && named == &formats[NPZ])
		return zip_holds_pickle(fd, size) ? &formats[TORCH] : named;
	/* Their readers go by the archive's directory, whatever comes first in the file. */
	if (zip && (named == &formats[BIN] || named == &formats[PICKLE]))
		return zip_is_of_arrays(fd, size) ? &formats[NPZ] : &formats[TORCH];
	if (zip && zip_holds_pickle(fd, size))
		return &formats[TORCH];
	for (size_t i = 0; i < format_count; i++)
		if (formats[i].begins != NULL &&
		    named == (formats[i].in_bin ? &formats[BIN] : NULL) &&
		    formats[i].begins(head, length))
			return &formats[i];
	return opcode ? &formats[PICKLE] : named;
}

const struct format *format_find(const char *name, size_t length)
{
	for (size_t i = 0; i < format_count; i++)
		if (strlen(formats[i].name) == length && memcmp(formats[i].name, name, length) == 0)
			return &formats[i];
	return NULL;
}
