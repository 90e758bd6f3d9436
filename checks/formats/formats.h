/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The formats of files that a model consists of: one table. A format is told by a name's ending, or by
 * a file's first bytes; a format whose headers prove where a file ends has an examine function.
 * A new format is a file with that function and a row of formats.def.
 */
#ifndef AWEIGH_FORMATS_H
#define AWEIGH_FORMATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum extent_result {
	EXTENT_WHOLE, /* as far as the format can prove it */
	EXTENT_SHORT, /* the file ends before `expected` bytes, or inside its header where that is 0 */
	EXTENT_LONG, /* the file goes on after `expected` bytes */
	EXTENT_BROKEN, /* not what the format demands, see words */
	EXTENT_UNKNOWN, /* the end cannot be told, see words */
	EXTENT_UNREADABLE, /* errno in error */
};

struct extent {
	enum extent_result result;
	uint64_t expected; /* bytes */
	const char *words; /* to be put after the file's name; static */
	int error;
};

/* What is examined. Functions read with pread() and keep nothing. */
struct examined {
	int fd;
	uint64_t size; /* bytes, as fstat says */
	const char *path; /* beneath the model's directory */
	const unsigned char *head; /* the first bytes, as far as they were read */
	size_t head_length;
	bool thorough; /* whatever it costs: files that are otherwise read at both ends are read whole */
	/*
	 * Called for each other file that this one keeps tensors in: it needs so many bytes at least. The
	 * path is beneath the model's directory if it is legal there, which the callee judges.
	 */
	void (*needs)(void *context, const char *path, uint64_t least);
	void *context;
};

struct format {
	const char *name; /* as the policy's `formats` and the reports spell it */
	const char
	        *endings; /* of names, lower case, blanks between them; NULL: told by other means */
	bool weights; /* holds tensors */
	bool executes; /* runs code when it is loaded */
	bool in_bin; /* see `begins`: its name is *.bin; otherwise one that is not in the table */
	bool any_bytes; /* it may begin as any other format does: its name alone counts */
	void (*examine)(const struct examined *file,
	                struct extent *extent); /* NULL: says nothing of its end */
	bool (*begins)(const unsigned char *head,
	               size_t length); /* tells one whose name says nothing; NULL: nothing does */
};

extern const struct format formats[];
extern const size_t format_count;

/* The format that a name says; NULL: none of the table, or a name that says nothing, such as .bin. */
const struct format *format_by_name(const char *path);
/* What the first bytes say where they contradict or complete the name; otherwise `named`. */
const struct format *format_by_bytes(const struct format *named, int fd, uint64_t size,
                                     const unsigned char *head, size_t length);
/* NULL: no format has the name. */
const struct format *format_find(const char *name, size_t length);

/* Whether the name has one of the endings, with blanks between them, in any case, and something before it. */
bool format_has_ending(const char *path, const char *endings);
/* Whether the name is that of a tokenizer's vocabulary or merges, outside JSON. */
bool format_is_vocabulary(const char *path);
/* Whether the name is that of a licence, a notice and the like, which people read and no loader does. */
bool format_is_paper(const char *path);
/* Of models alone: a *.bin or *.pth may be anything. */
bool format_is_certain(const struct format *format);
/* Whether the name is that of a text, a picture or a sound: surely no weights. */
bool format_is_plain(const char *path);

/* What the table names: a file or a part of one each. */
#define FORMAT(id, name, endings, flags, examine, begins) examine begins
#define EXAMINE(x) void x##_examine(const struct examined *file, struct extent *extent);
#define BEGINS(x) bool x##_begins(const unsigned char *head, size_t length);
#define NONE
#include "formats/formats.def"
#undef EXAMINE
#undef BEGINS
#undef NONE

/* Besides. */

/* Whether each entry of the archive is an array of numpy's: anything else may be a pickle. */
bool zip_is_of_arrays(int fd, uint64_t size);
/* Whether it is one of torch.save's. */
bool zip_holds_pickle(int fd, uint64_t size);
bool hdf5_begins(const unsigned char *head, size_t length);
/* Whether it begins behind a block of the user's: of 512 bytes, or so much doubled. */
bool hdf5_is_behind(const struct examined *file);
/* Whether the path is that of the weights within a package of Core ML's. */
bool coreml_is_weights(const char *path);
/* Any message of protobuf's: its fields end where the file ends. */
void protobuf_examine(const struct examined *file, struct extent *extent);
/* Whether the name is that of a JSON file which loaders read, such as configurations and vocabularies. */
bool json_is_read_by_loaders(const char *path);

#endif
