/* SPDX-License-Identifier: Apache-2.0 */
/* What a server answered, saved in the place of a file: pages of proxies and logins, messages of hubs and storages. */
#ifndef AWEIGH_PAGE_H
#define AWEIGH_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "formats/formats.h"

/*
 * What it is, to be put after the file's name; NULL: no page. `size` is the whole file's, in bytes, of which
 * `head` has the first `length`.
 */
const char *page_words(const struct format *format, const char *path, const unsigned char *head,
                       size_t length, uint64_t size);

#endif
