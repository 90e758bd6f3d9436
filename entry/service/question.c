/* SPDX-License-Identifier: Apache-2.0 */
#include "service/question.h"

#include "base/scan.h"
#include "base/text.h"

#define HEADER_BYTES 12u

bool question_read(const unsigned char *bytes, size_t length, char name[static QUESTION_NAME_BYTES])
{
	struct text text = text_over(name, QUESTION_NAME_BYTES);
	size_t at = HEADER_BYTES;

	/* A standard query, one question, no answer and no authority; one additional record is EDNS. */
	if (length < HEADER_BYTES + 5 || (bytes[2] & 0xF8) != 0 || (bytes[3] & 0x0F) != 0 ||
	    bytes[4] != 0 || bytes[5] != 1 || bytes[6] != 0 || bytes[7] != 0 || bytes[8] != 0 ||
	    bytes[9] != 0 || bytes[10] != 0 || bytes[11] > 2)
		return false;
	while (at < length && bytes[at] != 0) {
		size_t label = bytes[at++];

		if (label > 63 || at + label > length)
			return false;
		if (text.length > 0)
			text_add(&text, ".");
		for (size_t i = 0; i < label; i++, at++) {
			char c = (char)bytes[at];

			if (!scan_is_name(c) && c != '-')
				return false;
			text_add_bytes(&text, &c, 1);
		}
	}
	/* Its end, type and class IN. */
	return text.length > 0 && !text.cut && at + 5 <= length && bytes[at + 3] == 0 &&
	       bytes[at + 4] == 1;
}
