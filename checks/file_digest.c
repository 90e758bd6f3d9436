/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Level digest: contents against the digest that the lock file, the blob's name, the manifest or the directory's
 * download metadata states. Files of all models are hashed together, the biggest first, on all cores.
 */
#include "checks.h"
#include "engine/digests.h"

void check_file_digest(struct inspection *inspection)
{
	digest_queue_file(inspection, inspection->file);
}
