/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/acts.h"

#include <string.h>

#include "base/text.h"
#include "formats/formats.h"

/* x.so.1: a shared object with its version. */
static bool is_versioned_object(const char *name)
{
	const char *so = strstr(name, ".so.");

	return so != NULL && so[4 + strspn(so + 4, "0123456789.")] == '\0';
}

bool name_can_act(const char *path)
{
	static const char endings[] =
	        ".py .pyw .pyc .pyd .so .dylib .dll .sh .jinja .jinja2 .json .yaml .yml .toml .cfg .ini "
	        ".xml .npy .pt2 .zip .bin";
	const char *name = path_name(path);
	const struct format *format = format_by_name(path);

	if (format_has_ending(path, endings) || strncmp(name, "chat_template", 13) == 0 ||
	    is_versioned_object(name) || format_is_vocabulary(path))
		return true;
	/* Weights are found by their ending in a folder; a GGUF file is named by whoever loads it. */
	return format != NULL &&
	       (format->executes || (format->weights && strcmp(format->name, "gguf") != 0));
}
