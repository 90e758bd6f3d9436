/* SPDX-License-Identifier: Apache-2.0 */
/* Models that count as memory, and memory that cannot hold them: tmpfs and the cgroup's limit. */
#include <linux/magic.h>
#include <sys/statfs.h>

#include "engine/inspection.h"
#include "base/text.h"
#include "util.h"

enum { MEMORY, TMPFS };
static const struct finding_kind kinds[] = {
	[MEMORY] = { "model.memory", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	             "the container's memory limit cannot hold the model: the service will be killed while it loads it",
	             "raise the memory limit above the model's size" },
	[TMPFS] = { "model.tmpfs", SEVERITY_NOTE, STATUS_ENVIRONMENT,
	            "the model lies on a tmpfs, so its files count as memory beside what the service loads",
	            "put the model into the image or on a volume" },
};

static void check(struct look *look)
{
	const struct model_view *view = look->model;
	uint64_t limit = look->memory_limit, needed = view->bytes;
	char size[32], room[32];
	struct text size_text = TEXT_OVER(size), room_text = TEXT_OVER(room);
	struct statfs fs;
	bool memory = view->dir_fd >= 0 && fstatfs(view->dir_fd, &fs) == 0 &&
	              (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);

	text_add_size(&size_text, view->bytes);
	text_add_size(&room_text, limit);
	if (memory &&
	    __builtin_mul_overflow(needed, 2u, &needed)) /* the file, and what is loaded from it */
		needed = UINT64_MAX;
	if (needed > limit)
		look_report(look, &kinds[MEMORY], (struct report_at){ .path = view->path },
		            "has %s%s, and the memory limit is %s", size,
		            memory ? " on a tmpfs, which count twice once they are loaded" : "",
		            room);
	else if (memory)
		look_report(look, &kinds[TMPFS], (struct report_at){ .path = view->path },
		            "lies on a tmpfs: its %s count as memory", size);
}

const struct check check_model_memory = { "model_memory", SCOPE_MODEL,      LEVEL_PRESENCE,
	                                  kinds,          LENGTH_OF(kinds), check };
