/* SPDX-License-Identifier: Apache-2.0 */
/* What the fetcher is made of. Only entry/fetch/ includes a curl header; FETCH=no builds without it. */
#include "commands.h"

#ifndef AWEIGH_NO_FETCH
#include <curl/curl.h>

void libraries_print(FILE *out)
{
	(void)fprintf(out, "%s\n", curl_version());
}
#else
void libraries_print(FILE *out)
{
	(void)fputs("built without network code (FETCH=no)\n", out);
}
#endif
