/* SPDX-License-Identifier: Apache-2.0 */
#include "hub/lock.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/array.h"
#include "base/file.h"
#include "base/json.h"
#include "base/scan.h"
#include "hub/cache.h"
#include "hub/digest.h"
#include "util.h"

bool lock_init(struct lock *lock)
{
	memset(lock, 0, sizeof(*lock));
	lock->arena = arena_new();
	return lock->arena != NULL;
}

void lock_release(struct lock *lock)
{
	for (size_t i = 0; i < lock->count; i++)
		free(lock->models[i].files);
	free(lock->models);
	arena_free(lock->arena);
	memset(lock, 0, sizeof(*lock));
}

/* Making */

static const char *keep(struct lock *lock, const char *text)
{
	return text == NULL ? NULL : arena_copy(lock->arena, text, strlen(text));
}

struct lock_model *lock_add_model(struct lock *lock, const char *name, const char *repo,
                                  const char *revision)
{
	struct lock_model *model;

	if (!ARRAY_MAKE_ROOM(lock->models, lock->count, lock->room))
		return NULL;
	model = &lock->models[lock->count++];
	*model = (struct lock_model){ .name = keep(lock, name),
		                      .repo = keep(lock, repo),
		                      .revision = keep(lock, revision) };
	return model;
}

struct lock_file *lock_add_file(struct lock *lock, struct lock_model *model, const char *path,
                                size_t length)
{
	struct lock_file *file;

	if (!ARRAY_MAKE_ROOM(model->files, model->count, model->room))
		return NULL;
	file = &model->files[model->count];
	*file = (struct lock_file){ .path = arena_copy(lock->arena, path, length),
		                    .size = LOCK_NO_SIZE };
	model->count += file->path != NULL;
	return file->path == NULL ? NULL : file;
}

static int by_path(const void *a, const void *b)
{
	const struct lock_file *left = a, *right = b;

	return strcmp(left->path, right->path);
}

const char *lock_close_model(struct lock_model *model)
{
	bool sorted = true;

	for (size_t i = 1; sorted && i < model->count; i++)
		sorted = by_path(&model->files[i - 1], &model->files[i]) < 0;
	if (sorted)
		return NULL;
	qsort(model->files, model->count, sizeof(model->files[0]), by_path);
	for (size_t i = 1; i < model->count; i++)
		if (by_path(&model->files[i - 1], &model->files[i]) == 0)
			return model->files[i].path;
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	const struct lock_model *left = a, *right = b;

	return strcmp(left->name, right->name);
}

void lock_sort_models(struct lock *lock)
{
	if (lock->count > 1)
		qsort(lock->models, lock->count, sizeof(lock->models[0]), by_name);
}

/* Finding */

const struct lock_model *lock_find_model(const struct lock *lock, const char *name)
{
	for (size_t i = 0; i < lock->count; i++)
		if (lock->is_list || strcmp(lock->models[i].name, name) == 0)
			return &lock->models[i];
	return NULL;
}

const struct lock_file *lock_find_file(const struct lock_model *model, const char *path)
{
	const struct lock_file key = { .path = path };

	return model->count == 0 ? NULL :
	                           bsearch(&key, model->files, model->count, sizeof(key), by_path);
}

/* The set */

#define LINE_BUCKETS 65536u

/* A line by its first digits, which nearly always tell two apart. */
struct line {
	uint64_t begin;
	const struct lock_file *file;
};

static int by_bytes(const void *a, const void *b)
{
	const struct line *left = a, *right = b;
	int order;

	if (left->begin != right->begin)
		return left->begin < right->begin ? -1 : 1;
	order = memcmp(left->file->sha256, right->file->sha256, sizeof(left->file->sha256));
	return order != 0 ? order : strcmp(left->file->path, right->file->path);
}

/* In order. By the first two bytes at once, since digests are spread evenly; what meets there is compared. */
static void sort_lines(struct line *out, const struct line *lines, size_t count, uint32_t *bucket)
{
	size_t begin = 0;

	for (size_t i = 0; i < count; i++)
		bucket[lines[i].begin >> 48]++;
	for (size_t i = 0; i < LINE_BUCKETS; i++) {
		begin += bucket[i];
		bucket[i] = (uint32_t)begin; /* where it ends, for now */
	}
	for (size_t i = count; i-- > 0;)
		out[--bucket[lines[i].begin >> 48]] = lines[i];
	for (size_t i = 0; i < LINE_BUCKETS; i++) {
		size_t end = i + 1 < LINE_BUCKETS ? bucket[i + 1] : count;

		if (end - bucket[i] > 1)
			qsort(out + bucket[i], end - bucket[i], sizeof(*out), by_bytes);
	}
}

static void hash_lines(const struct line *lines, size_t count, char hex[static SHA256_HEX + 1])
{
	char bytes[16384];
	struct digest digest;
	size_t used = 0;

	digest_begin(&digest, DIGEST_SHA256, 0);
	for (size_t i = 0; i < count; i++) {
		const struct lock_file *file = lines[i].file;
		size_t length = strlen(file->path);

		if (used + SHA256_HEX + MAX_PATH_BYTES + 4 > sizeof(bytes)) {
			digest_feed(&digest, bytes, used);
			used = 0;
		}
		if (i > 0)
			bytes[used++] = '\n';
		hex_encode(bytes + used, file->sha256, sizeof(file->sha256));
		used += SHA256_HEX;
		bytes[used++] = ' ';
		bytes[used++] = ' ';
		memcpy(bytes + used, file->path, length);
		used += length;
	}
	digest_feed(&digest, bytes, used);
	digest_end(&digest, hex);
}

bool lock_set(const struct lock_model *model, char hex[static SHA256_HEX + 1])
{
	size_t count = model->count;
	bool many = count > LINE_BUCKETS / 64; /* else it is sorted before the table is made */
	/* The lines as they come, in order, and behind them the table. */
	CLEANUP(cleanup_free)
	struct line *lines = calloc(1, (2 * count + 1) * sizeof(*lines) +
	                                       (many ? LINE_BUCKETS * sizeof(uint32_t) : 0));

	if (lines == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < sizeof(lines[i].begin); k++)
			lines[i].begin = lines[i].begin << 8 | model->files[i].sha256[k];
		lines[i].file = &model->files[i];
	}
	if (many)
		sort_lines(lines + count, lines, count,
		           (uint32_t *)(void *)(lines + 2 * count + 1));
	else
		qsort(lines, count, sizeof(*lines), by_bytes);
	hash_lines(lines + (many ? count : 0), count, hex);
	return true;
}

/* Reading */

struct reader {
	struct lock *lock;
	struct lock_model *model;
	struct lock_file file; /* its path is in the arena */
	char set[SHA256_HEX + 1];
	bool version, has_sha256;
	struct text *why;
};

static bool __attribute__((format(printf, 2, 3)))
refuse(struct reader *reader, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (reader->why->length == 0)
		text_addv(reader->why, format, arguments);
	va_end(arguments);
	return false;
}

static const char *name_of(const struct reader *reader)
{
	return reader->model == NULL || reader->model->name == NULL ? "?" : reader->model->name;
}

static bool take_string(struct reader *reader, const struct json_value *value, const char **out)
{
	if (value->kind == JSON_NULL && *out == NULL)
		return true;
	if (value->kind != JSON_STRING || *out != NULL ||
	    memchr(value->text, '\0', value->length) != NULL)
		return refuse(reader, "is damaged: [model %.128s] has a %.32s that is not one word",
		              name_of(reader), value->key[value->depth - 1]);
	*out = arena_copy(reader->lock->arena, value->text, value->length);
	return *out != NULL || refuse(reader, "cannot be kept: out of memory");
}

static bool take_hex(struct reader *reader, const struct json_value *value, size_t digits,
                     unsigned char *bytes)
{
	if (value->kind != JSON_STRING || value->length != digits ||
	    !hex_decode(bytes, value->text, digits))
		return refuse(
		        reader,
		        "is damaged: [model %.128s] has a %s that is not %zu hexadecimal digits",
		        name_of(reader), value->key[value->depth - 1], digits);
	return true;
}

static bool take_model_field(struct reader *reader, const struct json_value *value)
{
	struct lock_model *model = reader->model;
	static const char prefix[] = "sha256:";
	size_t length = sizeof(prefix) - 1;

	if (json_key_is(value, 2, "name"))
		return take_string(reader, value, &model->name);
	if (json_key_is(value, 2, "repo"))
		return take_string(reader, value, &model->repo);
	if (json_key_is(value, 2, "revision"))
		return take_string(reader, value, &model->revision);
	if (json_key_is(value, 2, "commit"))
		return value->kind == JSON_NULL ||
		       json_copy_hex(value, model->commit, COMMIT_HEX) ||
		       refuse(reader, "is damaged: the commit of [model %.128s] is not a commit",
		              name_of(reader));
	if (json_key_is(value, 2, "set")) {
		if (value->kind != JSON_STRING || value->length != length + SHA256_HEX ||
		    memcmp(value->text, prefix, length) != 0 ||
		    !scan_is_hex(value->text + length, SHA256_HEX, SHA256_HEX))
			return refuse(reader,
			              "is damaged: the set of [model %.128s] is not a digest",
			              name_of(reader));
		memcpy(reader->set, value->text + length, SHA256_HEX);
		reader->set[SHA256_HEX] = '\0';
		return true;
	}
	if (json_key_is(value, 2, "files") && value->kind != JSON_ARRAY &&
	    value->kind != JSON_ARRAY_END)
		return refuse(reader, "is damaged: the files of [model %.128s] are not a list",
		              name_of(reader));
	return true;
}

static bool take_path(struct reader *reader, const struct json_value *value)
{
	struct lock_file *file;
	char shown[128];
	struct text text = TEXT_OVER(shown);

	if (value->kind == JSON_STRING)
		text_add_bytes(&text, value->text, value->length < 100 ? value->length : 100);
	text_mark_cut(&text);
	if (value->kind != JSON_STRING || !repo_path_is_legal(value->text, value->length))
		return refuse(reader,
		              "names a file '%s' in [model %.128s], which no repository may have",
		              shown, name_of(reader));
	file = lock_add_file(reader->lock, reader->model, value->text, value->length);
	if (file == NULL)
		return refuse(reader, "cannot be kept: out of memory");
	reader->model->count--; /* until all of it is there */
	if (reader->file.path != NULL)
		return refuse(reader, "is damaged: a file of [model %.128s] has two paths",
		              name_of(reader));
	reader->file.path = file->path;
	return true;
}

static bool take_file_field(struct reader *reader, const struct json_value *value)
{
	struct lock_file *file = &reader->file;

	if (json_key_is(value, 4, "path"))
		return take_path(reader, value);
	if (json_key_is(value, 4, "size"))
		return (value->kind == JSON_NUMBER &&
		        scan_u64(value->text, value->length, &file->size) &&
		        file->size < LOCK_NO_SIZE) ||
		       refuse(reader, "is damaged: [model %.128s] has a size that is not a number",
		              name_of(reader));
	if (json_key_is(value, 4, "sha256"))
		return reader->has_sha256 = take_hex(reader, value, SHA256_HEX, file->sha256);
	if (json_key_is(value, 4, "git_sha1"))
		return file->has_git_sha1 = take_hex(reader, value, COMMIT_HEX, file->git_sha1);
	return true;
}

static bool end_file(struct reader *reader)
{
	struct lock_model *model = reader->model;

	if (reader->file.path == NULL || reader->file.size == LOCK_NO_SIZE || !reader->has_sha256)
		return refuse(
		        reader,
		        "is damaged: file %zu of [model %.128s] lacks its path, size or sha256",
		        model->count + 1, name_of(reader));
	model->files[model->count++] = reader->file;
	return true;
}

static bool end_model(struct reader *reader)
{
	struct lock_model *model = reader->model;
	const char *twice;
	char set[SHA256_HEX + 1];

	if (model->name == NULL)
		return refuse(reader, "is damaged: a model has no name");
	twice = lock_close_model(model);
	if (twice != NULL)
		return refuse(reader, "names %.200s twice in [model %.128s]", twice, model->name);
	if (!lock_set(model, set))
		return refuse(reader, "cannot be kept: out of memory");
	return strcmp(set, reader->set) == 0 ||
	       refuse(reader,
	              "is damaged: the set of [model %.128s] does not fit its files, as after a change by hand or a merge",
	              model->name);
}

static bool visit_model(struct reader *reader, const struct json_value *value)
{
	if (value->kind == JSON_OBJECT_END)
		return end_model(reader);
	if (value->kind != JSON_OBJECT)
		return refuse(reader, "is damaged: a model is not an object");
	reader->set[0] = '\0';
	reader->model = lock_add_model(reader->lock, NULL, NULL, NULL);
	return reader->model != NULL || refuse(reader, "cannot be kept: out of memory");
}

static bool visit_file(struct reader *reader, const struct json_value *value)
{
	if (value->kind == JSON_OBJECT_END)
		return end_file(reader);
	if (value->kind != JSON_OBJECT)
		return refuse(reader, "is damaged: a file of [model %.128s] is not an object",
		              name_of(reader));
	reader->file = (struct lock_file){ .size = LOCK_NO_SIZE };
	reader->has_sha256 = false;
	return true;
}

static bool take_version(struct reader *reader, const struct json_value *value)
{
	reader->version = value->kind == JSON_NUMBER && value->length == 1 && value->text[0] == '1';
	return reader->version ||
	       refuse(reader, "is of format %.*s, and this version of aweigh reads format 1",
	              value->kind == JSON_NUMBER && value->length < 8 ? (int)value->length : 1,
	              value->kind == JSON_NUMBER && value->length < 8 ? value->text : "?");
}

static bool visit(void *context, const struct json_value *value)
{
	struct reader *reader = context;

	if (value->depth == 0)
		return value->kind == JSON_OBJECT || value->kind == JSON_OBJECT_END ||
		       refuse(reader, "is not a lock file: it is not a JSON object");
	if (value->depth == 1 && json_key_is(value, 0, "aweigh_lock"))
		return take_version(reader, value);
	if (!json_key_is(value, 0, "models"))
		return refuse(reader,
		              "has '%.32s' beside aweigh_lock and models, which format 1 has not",
		              value->key[0]);
	if (value->depth == 1)
		return value->kind == JSON_ARRAY || value->kind == JSON_ARRAY_END ||
		       refuse(reader, "is damaged: its models are not a list");
	if (value->depth == 2)
		return visit_model(reader, value);
	if (value->depth == 3)
		return take_model_field(reader, value);
	if (!json_key_is(value, 2, "files"))
		return true;
	if (value->depth == 4)
		return visit_file(reader, value);
	return value->depth != 5 || take_file_field(reader, value);
}

/* The models stay in the order of the file. */
static bool check_names(struct reader *reader)
{
	const struct lock *lock = reader->lock;
	const char **names = calloc(lock->count + 1, sizeof(*names));
	bool well = true;

	if (names == NULL)
		return refuse(reader, "cannot be kept: out of memory");
	for (size_t i = 0; i < lock->count; i++)
		names[i] = lock->models[i].name;
	qsort(names, lock->count, sizeof(*names), text_order);
	for (size_t i = 1; well && i < lock->count; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			well = refuse(reader, "names [model %.128s] twice", names[i]);
	free(names);
	return well;
}

static bool read_json(struct reader *reader, int fd)
{
	int error;
	enum json_result result = json_read_as(fd, MAX_LOCK_BYTES, false, visit, reader, &error);

	if (reader->why->length > 0)
		return false;
	if (error != 0)
		return refuse(reader, "cannot be read: %s", strerror(error));
	if (result != JSON_OK)
		return refuse(reader, "%s", json_words(result));
	if (!reader->version)
		return refuse(reader, "is not a lock file: it has no aweigh_lock");
	return check_names(reader);
}

/* The name as sha256sum(1) escapes it where the line begins with a backslash. Returns its length. */
static size_t unescape(char *name, size_t length)
{
	size_t to = 0;

	for (size_t i = 0; i < length; i++, to++) {
		bool escape = name[i] == '\\' && i + 1 < length;

		i += escape;
		name[to] = (char)(escape && name[i] == 'n' ? '\n' : name[i]);
	}
	return to;
}

/* "<hex>  <path>" or "<hex> *<path>", as sha256sum(1) writes them; empty lines say nothing. */
static bool read_line(struct reader *reader, char *line, size_t length, size_t number)
{
	bool escaped = length > 0 && line[0] == '\\';
	unsigned char sha256[SHA256_HEX / 2];
	struct lock_file *file;
	char *path;

	line += escaped;
	length -= escaped;
	if (length == 0)
		return true;
	for (size_t i = 0; i < SHA256_HEX && i < length; i++)
		line[i] = scan_lower(line[i]);
	if (length <= SHA256_HEX + 2 || !hex_decode(sha256, line, SHA256_HEX) ||
	    line[SHA256_HEX] != ' ' || (line[SHA256_HEX + 1] != ' ' && line[SHA256_HEX + 1] != '*'))
		return refuse(
		        reader,
		        "has a line %zu that is not as sha256sum writes it: 64 hexadecimal digits, two blanks, a path",
		        number);
	path = line + SHA256_HEX + 2;
	length -= SHA256_HEX + 2;
	if (escaped)
		length = unescape(path, length);
	if (length > 2 && memcmp(path, "./", 2) == 0) {
		path += 2;
		length -= 2;
	}
	if (!repo_path_is_legal(path, length))
		return refuse(reader,
		              "names a file on line %zu that no repository may have: '%.*s'",
		              number, (int)(length > 100 ? 100 : length), path);
	file = lock_add_file(reader->lock, reader->model, path, length);
	if (file == NULL)
		return refuse(reader, "cannot be kept: out of memory");
	memcpy(file->sha256, sha256, sizeof(sha256));
	return true;
}

static bool read_list(struct reader *reader, int fd)
{
	CLEANUP(cleanup_free) char *data = NULL;
	const char *twice;
	size_t length, number = 0;
	int error = read_whole(fd, MAX_LOCK_BYTES, &data, &length);

	if (error != 0)
		return refuse(reader, "cannot be read: %s", strerror(-error));
	reader->lock->is_list = true;
	reader->model = lock_add_model(reader->lock, NULL, NULL, NULL);
	if (reader->model == NULL)
		return refuse(reader, "cannot be kept: out of memory");
	for (size_t at = 0, end; at < length; at = end + 1) {
		const char *stop = memchr(data + at, '\n', length - at);

		end = stop == NULL ? length : (size_t)(stop - data);
		if (!read_line(reader, data + at, end - at - (end > at && data[end - 1] == '\r'),
		               ++number))
			return false;
	}
	twice = lock_close_model(reader->model);
	return twice == NULL || refuse(reader, "names %.200s twice", twice);
}

/* The first byte that is no blank, in lower case; 0: there is none at the beginning. */
static char first_byte(int fd)
{
	char bytes[512];
	ssize_t got = pread(fd, bytes, sizeof(bytes), 0);

	for (ssize_t i = 0; i < got; i++)
		if (!scan_is_space(bytes[i]) && bytes[i] != '\n' && bytes[i] != '\r')
			return scan_lower(bytes[i]);
	return '\0';
}

void lock_name_misfit(int error, struct text *why)
{
	if (error == -EFBIG)
		text_addf(why, "is larger than %lu MiB, which no lock file is",
		          MAX_LOCK_BYTES >> 20);
	else
		text_add(why, "is not a regular file");
}

bool lock_read(struct lock *lock, int fd, struct text *why)
{
	struct reader reader = { .lock = lock, .why = why };
	struct stat st;
	char first;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		lock_name_misfit(-EINVAL, why);
		return false;
	}
	if (st.st_size > (off_t)MAX_LOCK_BYTES) {
		lock_name_misfit(-EFBIG, why);
		return false;
	}
	if (st.st_size == 0)
		return refuse(&reader, "is empty");
	first = first_byte(fd);
	return scan_is_hex(&first, 1, 1) || first == '\\' ? read_list(&reader, fd) :
	                                                    read_json(&reader, fd);
}
