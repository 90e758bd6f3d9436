/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for the formats that are JSON: yajl's generator with what every one of them needs. */
#ifndef AWEIGH_GEN_H
#define AWEIGH_GEN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <yajl/yajl_gen.h>

/* NULL: out of memory. Beautiful: two blanks a level; else one line. Free it with yajl_gen_free(). */
yajl_gen gen_new(FILE *out, bool beautiful);
/* A key, or a string that is known to be sound. */
void gen_word(yajl_gen gen, const char *word);
/* Text from outside: what is not printable UTF-8 is escaped as everywhere, so JSON never breaks. NULL: null. */
void gen_text(yajl_gen gen, const char *name, const char *text);
void gen_number(yajl_gen gen, const char *name, uint64_t number);
void gen_bool(yajl_gen gen, const char *name, bool value);

#endif
