/* SPDX-License-Identifier: Apache-2.0 */
/* What names say: repository ids, revisions, paths, LFS pointers, patterns. */
#include "base/glob.h"
#include "formats/lfs_pointer.h"
#include "hub/cache.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), directory[MAX_NAME_BYTES];
	struct lfs_pointer pointer;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)revision_fault(text);
	if (repo_id_fault(text) == NULL &&
	    repo_directory_name(text, directory, sizeof(directory)) &&
	    strchr(directory, '/') != NULL)
		abort();
	if (repo_path_is_legal(text, size) && (text[0] == '/' || strstr(text, "/../") != NULL))
		abort();
	(void)lfs_pointer_parse(text, size, &pointer);
	(void)glob_matches(text, text + size / 2);
	(void)glob_matches(text, text + strlen(text));
	free(text);
	return 0;
}
