/* SPDX-License-Identifier: Apache-2.0 */
/* The name that a DNS query asks for: RFC 1035, 4.1. */
#ifndef AWEIGH_QUESTION_H
#define AWEIGH_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

#define QUESTION_NAME_BYTES 256u
/* false: these bytes are no query for one name; a name is printable, without a dot at its end. */
bool question_read(const unsigned char *bytes, size_t length,
                   char name[static QUESTION_NAME_BYTES]);

#endif
