/* SPDX-License-Identifier: Apache-2.0 */
/* Models that count as memory, and memory that cannot hold them: tmpfs and the cgroup's limit. */
#include <linux/magic.h>
#include <sys/statfs.h>

#include "base/text.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "util.h"

void check_model_memory(struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	uint64_t limit = inspection->memory_limit, needed = view->bytes;
	struct statfs fs;
	bool memory = view->place.dir_fd >= 0 && fstatfs(view->place.dir_fd, &fs) == 0 &&
	              (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC);

	if (memory &&
	    __builtin_mul_overflow(needed, 2u, &needed)) /* the file, and what is loaded from it */
		needed = UINT64_MAX;
	if (needed > limit)
		inspection_report(
		        inspection, FINDING_MODEL_MEMORY,
		        (struct report_at){ .path = view->place.path },
		        "has %s%s, and the memory limit is %s", size_text(view->bytes).text,
		        memory ? " on a tmpfs, which count twice once they are loaded" : "",
		        size_text(limit).text);
	else if (memory)
		inspection_report(inspection, FINDING_MODEL_TMPFS,
		                  (struct report_at){ .path = view->place.path },
		                  "lies on a tmpfs: its %s count as memory",
		                  size_text(view->bytes).text);
}
