/* SPDX-License-Identifier: Apache-2.0 */
/* checks/formats/: what a name and first bytes say, and what proves an end. */
#include "unit.h"

#include <unistd.h>

#include "base/text.h"
#include "formats/cursor.h"
#include "formats/formats.h"
#include "formats/onnx.h"
#include "formats/page.h"
#include "formats/protobuf.h"
#include "util.h"

static void names_say_formats(void **state)
{
	static const struct {
		const char *path, *name; /* NULL: none */
	} cases[] = { { "model.safetensors", "safetensors" },
		      { "a/B.GGUF", "gguf" },
		      { "pytorch_model.bin", "pickle" },
		      { "model.bin", "bin" },
		      { "openvino_model.bin", "openvino" },
		      { "optimizer.pt", "training state" },
		      { "x.onnx_data", "onnx" },
		      { "config.json", "json" },
		      { "vocab.txt", NULL },
		      { ".safetensors", NULL } };

	(void)state;
	for (size_t i = 0; i < LENGTH_OF(cases); i++) {
		const struct format *format = format_by_name(cases[i].path);

		if (cases[i].name == NULL)
			assert_null(format);
		else
			assert_string_equal(format->name, cases[i].name);
	}
}

static enum extent_result examine(const char *path, const void *bytes, size_t length)
{
	CLEANUP(cleanup_fd) int fd = memfd_create("file", MFD_CLOEXEC);
	struct examined file = { .fd = fd,
		                 .size = length,
		                 .path = path,
		                 .head = (const unsigned char *)guarded(bytes, length),
		                 .head_length = length };
	const struct format *format = format_by_bytes(format_by_name(path), file.fd, file.size,
	                                              file.head, file.head_length);
	struct extent extent;

	assert_int_equal(write(fd, bytes, length), length);
	format->examine(&file, &extent);
	return extent.result;
}

static void ends_are_proven(void **state)
{
	static const char whole[] = "\x20\0\0\0\0\0\0\0"
	                            "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
	                            "\"data_offsets\":[0,4]}}"
	                            "abcd";
	char tensors[sizeof(whole)];
	static const char zip[] =
	        "PK\3\4....PK\1\2....PK\5\6\0\0\0\0\1\0\1\0\x08\0\0\0\x08\0\0\0\0\0";

	(void)state;
	memcpy(tensors, whole, sizeof(whole));
	tensors[0] = (char)(sizeof(whole) - 1 - 8 - 4);
	assert_int_equal(examine("a.safetensors", tensors, sizeof(whole) - 1), EXTENT_WHOLE);
	assert_int_equal(examine("a.safetensors", tensors, sizeof(whole) - 2), EXTENT_SHORT);
	assert_int_equal(examine("a.safetensors", tensors, sizeof(whole)), EXTENT_LONG);
	assert_int_equal(examine("a.pt", zip, sizeof(zip) - 1), EXTENT_WHOLE);
	assert_int_equal(examine("a.pt", zip, sizeof(zip) - 2), EXTENT_SHORT);
	assert_int_equal(examine("a.npz", "PK\3\4", 4), EXTENT_SHORT);
	assert_int_equal(examine("a.pt", "\x80\2}q\0.", 6), EXTENT_WHOLE);
	assert_int_equal(examine("a.pt", "\1\2\3", 3), EXTENT_BROKEN);
	assert_int_equal(examine("config.json", "{}", 2), EXTENT_WHOLE);
	assert_int_equal(examine("config.json", "[]", 2), EXTENT_BROKEN);
	assert_int_equal(examine("a_index.json", "[]", 2), EXTENT_WHOLE);
	assert_int_equal(examine("data_config.json", "[]", 2),
	                 EXTENT_WHOLE); /* all-MiniLM has one */
}

static bool is_page(const char *path, const char *text)
{
	size_t length = strlen(text);

	return page_words(format_by_name(path), path, (const unsigned char *)guarded(text, length),
	                  length, length) != NULL;
}

static void pages_are_told_from_files(void **state)
{
	(void)state;
	assert_true(is_page("vocab.txt", "\xEF\xBB\xBF \n<!DOCTYPE html>"));
	assert_true(is_page("config.json", "<h1>502</h1>"));
	assert_true(is_page("model.safetensors", "Entry not found"));
	assert_true(is_page("config.json", "{\"error\": \"no\"}"));
	assert_true(is_page("vocab.txt", "<?xml version=\"1.0\"?><Error>"));
	assert_false(is_page("label2id.json", "{\"error\": 1}"));
	assert_false(is_page("index.html", "<html>"));
	assert_false(is_page("model.xml", "<?xml version=\"1.0\"?><net>"));
	assert_false(is_page("vocab.txt", "<unk>\n<s>"));
	assert_false(is_page("model.pt", "(dp0\n."));
	assert_false(is_page("config.json", "{}"));
	assert_false(is_page("config.json", ""));
	assert_false(is_page("model.safetensors", "<\1"));
}

/* A protobuf field of bytes: its number, and what is in it, shorter than 128 bytes. */
static size_t put_field(char *out, unsigned number, const char *bytes, size_t length)
{
	out[0] = (char)(number << 3 | 2);
	out[1] = (char)length;
	memcpy(out + 2, bytes, length);
	return length + 2;
}

static void meet(void *context, const char *location, uint64_t end)
{
	struct text *text = context;

	text_addf(text, "%s:%llu ", location, (unsigned long long)end);
}

/* model.graph.initializer.external_data: where tensors are kept beside the model. */
static void external_tensors_are_met(void **state)
{
	char entry[64], tensor[128], graph[140], model[160], said[256] = "";
	struct text text = TEXT_OVER(said);
	size_t length, at = 0;
	int fd = memfd_create("onnx", MFD_CLOEXEC), error;

	(void)state;
	static const char *const rows[][2] = { { "location", "weights.bin" },
		                               { "offset", "100" },
		                               { "length", "28" } };
	for (size_t i = 0; i < LENGTH_OF(rows); i++) {
		length = put_field(entry, 1, rows[i][0], strlen(rows[i][0]));
		length += put_field(entry + length, 2, rows[i][1], strlen(rows[i][1]));
		at += put_field(tensor + at, 13, entry, length);
	}
	memcpy(tensor + at, "\x70\1", 2); /* data_location: EXTERNAL */
	length = put_field(graph, 5, tensor, at + 2);
	length = put_field(model, 7, graph, length);
	assert_int_equal(write(fd, model, length), (ssize_t)length);
	assert_int_equal(onnx_read(fd, length, meet, &text, &error), ONNX_OK);
	assert_string_equal(said, "weights.bin:128 ");
	for (size_t cut = 1; cut < length; cut++)
		assert_int_not_equal(onnx_read(fd, length - cut, meet, &text, &error), ONNX_OK);
	assert_true(strlen(onnx_words(ONNX_SHORT)) > 5);
	(void)close(fd);
}

static void a_cursor_stays_within_its_file(void **state)
{
	unsigned char bytes[10000], out[16];
	struct examined file = { .fd = memfd_create("cursor", MFD_CLOEXEC), .size = sizeof(bytes) };
	struct cursor cursor = { .file = &file };
	uint32_t number;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 7);
	assert_int_equal(write(file.fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	for (uint64_t at = 0; at + 16 <= sizeof(bytes);
	     at += 16) { /* across the buffer's end, too */
		assert_true(cursor_take(&cursor, out, 15));
		assert_memory_equal(out, bytes + at, 15);
		assert_true(cursor_skip(&cursor, 1));
	}
	assert_int_equal(cursor.at, sizeof(bytes));
	assert_false(cursor_take(&cursor, out, 1));
	cursor.at = sizeof(bytes) - 4;
	assert_true(cursor_take_u32(&cursor, &number));
	assert_int_equal(number & 0xff, bytes[sizeof(bytes) - 4]);
	cursor.at = 0; /* behind the buffer */
	assert_true(cursor_take(&cursor, out, 16));
	assert_memory_equal(out, bytes, 16);
	assert_false(cursor_skip(&cursor, sizeof(bytes)));
	cursor.at = 1;
	assert_false(cursor_skip(&cursor, UINT64_MAX));
	(void)close(file.fd);
}

/* One field of each type, and what is none. */
static void fields_are_read_by_their_types(void **state)
{
	static const char bytes[] = "\x08\x96\x01" /* 1: varint 150 */
	                            "\x12\x03"
	                            "abc" /* 2: three bytes */
	                            "\x19"
	                            "12345678" /* 3: 64 bits */
	                            "\x25"
	                            "1234"; /* 4: 32 bits */
	static const uint64_t ends[] = { 3, 8, 17, 22 };
	struct wire wire = { .fd = memfd_create("wire", MFD_CLOEXEC) };
	struct field field;
	uint64_t at = 0, size = sizeof(bytes) - 1;

	(void)state;
	assert_int_equal(write(wire.fd, bytes, size), (ssize_t)size);
	for (size_t i = 0; i < LENGTH_OF(ends); i++) {
		assert_true(wire_field(&wire, &at, size, &field));
		assert_int_equal(field.number, i + 1);
		assert_int_equal(at, ends[i]);
		if (i == 0)
			assert_int_equal(field.value, 150);
	}
	assert_int_equal(wire.result, WIRE_OK);
	for (at = 17; at < size; at = 17) { /* a message that ends too soon */
		assert_false(wire_field(&wire, &at, --size, &field));
		assert_int_equal(wire.result, WIRE_SHORT);
	}
	for (size_t i = 0; i < 2; i++) { /* field 0; a group's end */
		struct wire other = { .fd = memfd_create("wire", MFD_CLOEXEC) };

		at = 0;
		assert_int_equal(write(other.fd, i == 0 ? "\x02\0" : "\x0c\0", 2), 2);
		assert_false(wire_field(&other, &at, 2, &field));
		assert_int_equal(other.result, WIRE_NOT);
		(void)close(other.fd);
	}
	(void)close(wire.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_say_formats),
		cmocka_unit_test(ends_are_proven),
		cmocka_unit_test(pages_are_told_from_files),
		cmocka_unit_test(external_tensors_are_met),
		cmocka_unit_test(fields_are_read_by_their_types),
		cmocka_unit_test(a_cursor_stays_within_its_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
