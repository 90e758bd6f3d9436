/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/acts.h"

#include <string.h>

#include "base/text.h"
#include "formats/formats.h"
#include "util.h"

bool name_can_act(const char *path)
{
	static const char endings[] =
	        ".py .pyc .pyd .so .dylib .dll .sh .jinja .jinja2 .json .yaml .yml .toml .cfg .ini .keras .h5 .nemo";
	static const char *const preferred[] = { "model", "pytorch_model", "adapter_model",
		                                 "diffusion_pytorch_model", "consolidated" };
	const char *name = path_name(path);
	const struct format *format = format_by_name(path);

	if (format_has_ending(path, endings) || strncmp(name, "chat_template", 13) == 0 ||
	    (format != NULL && format->executes) || format_has_ending(path, ".bin"))
		return true;
	for (size_t i = 0; i < LENGTH_OF(preferred); i++)
		if (format != NULL && format->weights &&
		    strncmp(name, preferred[i], strlen(preferred[i])) == 0)
			return true;
	return false;
}
