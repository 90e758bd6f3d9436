/* SPDX-License-Identifier: Apache-2.0 */
#include "report/complain.h"

#include <stdio.h>

#include "report/escape.h"

int complain(enum status status, const char *sentence)
{
	(void)fputs("aweigh: ", stderr);
	(void)escape_print(stderr, sentence);
	(void)fputc('\n', stderr);
	return (int)status;
}
