/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of looking: the surroundings, then model by model its place, each of its files, and the
 * whole; digests last, over all models together.
 */
#include "engine/inspect.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#include "base/glob.h"
#include "hub/cache.h"
#include "system/mounts.h"
#include "base/scan.h"
#include "base/text.h"
#include "util.h"

static void __attribute__((format(printf, 4, 0)))
send_finding(struct look *look, const struct finding_kind *kind, struct report_at at,
             const char *format, va_list arguments)
{
	struct record record = { .magic = RECORD_MAGIC,
		                 .type = RECORD_FINDING,
		                 .kind = (uint16_t)catalogue_index(kind),
		                 .model = NO_MODEL };
	struct text message = TEXT_OVER(record.message), path = TEXT_OVER(record.path),
	            fix = TEXT_OVER(record.fix);

	text_addv(&message, format, arguments);
	text_mark_cut(&message);
	text_add(&path, at.path != NULL ? at.path : "");
	text_mark_cut(&path);
	text_add(&fix, at.fix != NULL ? at.fix : kind->fix);
	text_mark_cut(&fix);
	if (look->model != NULL) {
		record.model = look->model->index;
		record.line = look->model->model->line;
		record.source = look->model->model->source;
	}
	if (at.setting != NULL && at.setting->line != 0) {
		record.line = at.setting->line;
		record.source = at.setting->source;
	}
	if (at.line != 0)
		record.line = at.line;
	if (look->failed == 0)
		look->failed = look->send(look, &record);
}

void look_report(struct look *look, const struct finding_kind *kind, struct report_at at,
                 const char *format, ...)
{
	unsigned index = catalogue_index(kind);
	va_list arguments;

	if (index < LENGTH_OF(look->seen) && look->seen[index] < UINT16_MAX &&
	    ++look->seen[index] > FINDINGS_PER_KIND)
		return;
	va_start(arguments, format);
	send_finding(look, kind, at, format, arguments);
	va_end(arguments);
}

/* Kinds that were met more often than they are told: one line says how often. */
static void __attribute__((format(printf, 3, 4)))
report_more(struct look *look, const struct finding_kind *kind, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	send_finding(look, kind, (struct report_at){ 0 }, format, arguments);
	va_end(arguments);
}

static void report_rest(struct look *look)
{
	for (unsigned i = 0; i < catalogue_count() && i < LENGTH_OF(look->seen); i++)
		if (look->seen[i] > FINDINGS_PER_KIND)
			report_more(look, catalogue_at(i), "%u more like these",
			            look->seen[i] - FINDINGS_PER_KIND);
}

const char *model_title(const struct model *model)
{
	const char *path = MODEL_SET(model, PATH).text;

	return path != NULL ? path : MODEL_SET(model, REPO).text;
}

/* What the walk has met, so that later questions cost no system call: names by hash, with sizes. */
struct seen_files {
	size_t count, room; /* room: a power of two, at most half full */
	bool missed; /* the walk left something out */
	bool complete; /* the walk is over and missed nothing: what is not here is not there */
	struct seen_file {
		uint64_t hash, size;
	} * files;
};

/* 0 marks an empty place. A forged collision would only make a model's own list of files lie to itself. */
static uint64_t name_hash(const char *name)
{
	uint64_t hash = hash_bytes(name, strlen(name));

	return hash == 0 ? 1 : hash;
}

static struct seen_file *seen_place(const struct seen_files *seen, uint64_t hash)
{
	size_t at = (size_t)hash & (seen->room - 1);

	while (seen->files[at].hash != 0 && seen->files[at].hash != hash)
		at = (at + 1) & (seen->room - 1);
	return &seen->files[at];
}

/* Without memory for it nothing is remembered, and later questions go to the file system. */
static void seen_add(struct seen_files *seen, const char *name, uint64_t size)
{
	if (seen->count * 2 >= seen->room) {
		struct seen_files larger = { .count = seen->count,
			                     .room = seen->room == 0 ? 256 : seen->room * 2 };

		larger.files = calloc(larger.room, sizeof(*larger.files));
		larger.missed = seen->missed;
		if (larger.files == NULL) {
			seen->missed = true;
			return;
		}
		for (size_t i = 0; i < seen->room; i++)
			if (seen->files[i].hash != 0)
				*seen_place(&larger, seen->files[i].hash) = seen->files[i];
		free(seen->files);
		*seen = larger;
	}
	*seen_place(seen, name_hash(name)) = (struct seen_file){ name_hash(name), size };
	seen->count++;
}

static void seen_clear(struct seen_files *seen)
{
	if (seen->room > 256) {
		free(seen->files);
		*seen = (struct seen_files){ 0 };
	} else if (seen->count > 0) {
		memset(seen->files, 0, seen->room * sizeof(*seen->files));
		seen->count = 0;
	}
	seen->missed = seen->complete = false;
}

bool model_has(const struct look *look, const char *name, uint64_t *size)
{
	const struct seen_files *seen = look->model->seen;
	const struct seen_file *file = seen->room == 0 ? NULL : seen_place(seen, name_hash(name));
	struct stat st;

	if (seen->complete && (file == NULL || file->hash == 0))
		return false;
	if (file != NULL && file->hash != 0) {
		if (size != NULL)
			*size = file->size;
		return true;
	}
	if (look->model->dir_fd < 0 || fstatat(look->model->dir_fd, name, &st, 0) != 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	if (size != NULL)
		*size = (uint64_t)st.st_size;
	return true;
}

bool model_has_folder(const struct look *look, const char *name)
{
	struct stat st;

	return look->model->dir_fd >= 0 && fstatat(look->model->dir_fd, name, &st, 0) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* A snapshot's links lead to ../../blobs, so its names are opened from the repository's folder. */
static int open_file(const struct look *look, const char *name)
{
	const struct model_view *view = look->model;
	char beneath[MAX_PATH_BYTES];

	if (view->place == PLACE_FOLDER)
		return tree_open_beneath(look->tree, view->dir_fd, name, O_RDONLY);
	if (!path_join(beneath, sizeof(beneath), view->path + strlen(view->repo_path) + 1, name))
		return -ENAMETOOLONG;
	return tree_open_beneath(look->tree, view->repo_fd, beneath, O_RDONLY);
}

int model_open(const struct look *look, const char *name, uint64_t *size)
{
	if (!model_has(look, name, size))
		return -ENOENT;
	return open_file(look, name);
}

int model_open_manifest(const struct look *look)
{
	const struct model_view *view = look->model;
	char name[128];
	struct text text = TEXT_OVER(name);
	int folder = view->place == PLACE_FOLDER ? view->dir_fd : view->repo_fd;
	struct stat st;

	if (view->commit[0] == '\0')
		return -ENOENT;
	text_addf(&text, "%s/%s.json", view->place == PLACE_FOLDER ? FOLDER_TREES : "trees",
	          view->commit);
	if (fstatat(folder, name, &st, 0) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return tree_open_beneath(look->tree, folder, name, O_RDONLY);
}

bool model_wants(const struct look *look, const char *path)
{
	const char *files = MODEL_SET(look->model->model, FILES).text;

	return files == NULL || glob_list_matches(files, path);
}

void file_classify(const char *path, const char **format, bool *weights, bool *pickle)
{
	static const struct {
		const char *ending, *format;
		bool pickle;
	} endings[] = {
		{ ".safetensors", "safetensors", false },
		{ ".gguf", "gguf", false },
		{ ".onnx", "onnx", false },
		{ ".onnx_data", "onnx", false },
		{ ".onnx.data", "onnx", false },
		{ ".pt", "pickle", true },
		{ ".pth", "pickle", true },
		{ ".ckpt", "pickle", true },
		{ ".pkl", "pickle", true },
		{ ".pickle", "pickle", true },
		{ ".joblib", "pickle", true },
		{ ".dill", "pickle", true },
		{ ".h5", "h5", false },
		{ ".keras", "keras", false },
		{ ".msgpack", "msgpack", false },
		{ ".tflite", "tflite", false },
		{ ".ot", "ot", false },
		{ ".npz", "npz", false },
		{ ".nemo", "nemo", false },
		{ ".mlmodel", "coreml", false },
		{ ".engine", "tensorrt", false },
		{ ".bin", "bin", false },
	};
	size_t length = strlen(path);
	const char *name = strrchr(path, '/');

	name = name == NULL ? path : name + 1;
	*format = NULL;
	*weights = *pickle = false;
	for (size_t i = 0; i < LENGTH_OF(endings); i++) {
		size_t ending = strlen(endings[i].ending);

		if (length > ending &&
		    text_equals_any_case(path + length - ending, ending, endings[i].ending)) {
			*format = endings[i].format;
			*weights = true;
			*pickle = endings[i].pickle;
		}
	}
	/* .bin says nothing: these names do; others are told by their first bytes. */
	if (*format != NULL && strcmp(*format, "bin") == 0) {
		if (strncmp(name, "pytorch_model", 13) == 0 ||
		    strncmp(name, "adapter_model", 13) == 0 ||
		    strncmp(name, "diffusion_pytorch_model", 23) == 0 ||
		    strcmp(name, "training_args.bin") == 0) {
			*format = "pickle";
			*pickle = true;
		} else if (strncmp(name, "openvino_", 9) == 0) {
			*format = "openvino";
		}
	}
}

/* Bytes tell what a name may hide: zip archives of torch.save, and pickle's own opcode. */
static void classify_bytes(struct file_view *file)
{
	bool zip = file->head_length >= 4 && memcmp(file->head, "PK\3\4", 4) == 0;
	bool opcode = file->head_length >= 2 && file->head[0] == 0x80 && file->head[1] >= 2 &&
	              file->head[1] <= 5;

	if (opcode || (zip && file->format != NULL && strcmp(file->format, "bin") == 0)) {
		file->pickle = true;
		file->weights = true;
		file->format = "pickle";
	}
}

static void run_checks(struct look *look, enum scope scope, enum level level)
{
	for (size_t i = 0; i < check_count; i++)
		if (checks[i]->scope == scope && checks[i]->level <= level)
			checks[i]->look(look);
}

static void keep_name(char *out, size_t size, const char *name)
{
	struct text text = text_over(out, size);

	if (strlen(name) < size)
		text_add(&text, name);
}

/* A name that leads to a file counts for the lists of the policy; a dangling link does not. */
static void mark_lists(struct model_view *view, const char *path)
{
	const char *files = MODEL_SET(view->model, FILES).text;
	const char *require = MODEL_SET(view->model, REQUIRE).text;

	if (files != NULL)
		glob_mark(files, ',', &view->files_met, path);
	if (require != NULL)
		glob_mark(require, '|', &view->require_met, path);
}

static void count_file(struct model_view *view, const struct file_view *file)
{
	size_t length = strlen(file->path);

	view->files++;
	if (S_ISREG(file->st.st_mode)) {
		seen_add(view->seen, file->path, (uint64_t)file->st.st_size);
		mark_lists(view, file->path);
	} else if (
	        S_ISDIR(file->st.st_mode)) /* a link to a folder, which the walk does not enter */
		view->seen->missed = true;
	if (file->error != 0) {
		view->broken_files++;
		return;
	}
	view->bytes += (uint64_t)file->st.st_size;
	view->weight_files += file->weights;
	if (file->pickle && view->pickle_files++ == 0)
		keep_name(view->first_pickle, sizeof(view->first_pickle), file->path);
	if (length > 3 && strcmp(file->path + length - 3, ".py") == 0 && view->python_files++ == 0)
		keep_name(view->first_python, sizeof(view->first_python), file->path);
	if (file->format != NULL) {
		view->safetensors_files += strcmp(file->format, "safetensors") == 0;
		view->gguf_files += strcmp(file->format, "gguf") == 0;
		view->onnx_files += strcmp(file->format, "onnx") == 0;
	}
}

/* Reads a link's text: only a finding or a digest needs it, so only then. */
static const char *link_text(const struct model_view *view, const char *path,
                             char text[static MAX_PATH_BYTES])
{
	ssize_t length = readlinkat(view->dir_fd, path, text, MAX_PATH_BYTES - 1);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}

/*
 * Opens a file after a look at what it is: nothing but a regular file is ever opened, since a FIFO
 * would wait and a device act. If it is exchanged in between, O_NONBLOCK keeps open() from waiting.
 */
static void open_view(struct look *look, struct file_view *file, bool is_link,
                      char text[static MAX_PATH_BYTES])
{
	struct model_view *view = look->model;

	if (fstatat(view->dir_fd, file->path, &file->st, 0) != 0)
		file->error = errno;
	else if (S_ISREG(file->st.st_mode) && (file->fd = open_file(look, file->path)) < 0)
		file->error = -file->fd;
	if (is_link && (file->error != 0 || view->level >= LEVEL_DIGEST))
		file->link = link_text(view, file->path, text);
	if (file->error == EXDEV && file->link != NULL && file->link[0] == '/' &&
	    path_is_beneath(file->link, view->repo_path) &&
	    strlen(file->link) > strlen(view->repo_path)) {
		file->absolute = true;
		file->fd = tree_open_beneath(look->tree, view->repo_fd,
		                             file->link + strlen(view->repo_path) + 1, O_RDONLY);
		file->error = file->fd < 0 ? -file->fd : 0;
	}
	file->escapes = file->error == EXDEV;
}

static void look_at_file(struct look *look, const char *path, bool is_link)
{
	struct model_view *view = look->model;
	unsigned char head[4096];
	char text[MAX_PATH_BYTES];
	struct file_view file = { .path = path, .fd = -1, .head = head };

	file_classify(path, &file.format, &file.weights, &file.pickle);
	open_view(look, &file, is_link, text);
	if (file.fd >= 0 && view->level >= LEVEL_SIZE &&
	    (file.weights || file.st.st_size < (off_t)MAX_POINTER_BYTES ||
	     view->level >= LEVEL_STRUCTURE)) {
		ssize_t got = pread(file.fd, head, sizeof(head), 0);

		if (got < 0)
			file.error = errno;
		else
			file.head_length = (size_t)got;
		classify_bytes(&file);
	}
	count_file(view, &file);
	look->file = &file;
	run_checks(look, SCOPE_FILE, view->level);
	look->file = NULL;
	if (file.fd >= 0)
		(void)close(file.fd);
}

/* Folders that belong to tools, not to the model. */
static bool is_tool_folder(const struct model_view *view, const char *path)
{
	return strcmp(path, ".git") == 0 ||
	       (view->place == PLACE_FOLDER && strcmp(path, ".cache") == 0);
}

struct walk {
	struct look *look;
	char path[MAX_PATH_BYTES];
	uint64_t entries;
};

/* model.safetensors/: the libraries' exists() is content with a folder, their open() is not. */
static bool is_named_like_a_file(const char *path)
{
	static const char *const endings[] = { ".json", ".safetensors", ".gguf", ".bin" };
	size_t length = strlen(path);

	for (size_t i = 0; i < LENGTH_OF(endings); i++)
		if (length > strlen(endings[i]) &&
		    strcmp(path + length - strlen(endings[i]), endings[i]) == 0)
			return true;
	return false;
}

static void walk_folder(struct walk *walk, int fd, unsigned depth);

/* A folder that takes part as a file that it is not, or cannot be opened: only its name is looked at. */
static void look_at_folder(struct look *look, const char *path, const struct stat *st, int error)
{
	struct file_view file = { .path = path, .fd = -1, .error = error, .st = *st };

	look->model->broken_files++;
	look->file = &file;
	run_checks(look, SCOPE_FILE, look->model->level);
	look->file = NULL;
}

static void walk_entry(struct walk *walk, int folder, const char *name, unsigned char type,
                       unsigned depth)
{
	struct look *look = walk->look;
	struct stat st = { 0 };
	int fd, error;

	if (type == DT_UNKNOWN || type == DT_DIR) { /* not every file system says the type */
		if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return;
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_REG;
	}
	if (type != DT_DIR) {
		if (model_wants(look, walk->path))
			look_at_file(look, walk->path, type == DT_LNK);
		else if (fstatat(folder, name, &st, 0) == 0 && S_ISREG(st.st_mode))
			mark_lists(look->model, walk->path); /* required, though not wanted */
		return;
	}
	if (is_tool_folder(look->model, walk->path) || depth + 1 >= MAX_DEPTH_FOLDERS) {
		look->model->seen->missed = true;
		return;
	}
	fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	error = fd < 0 ? errno : 0;
	if (is_named_like_a_file(walk->path) && model_wants(look, walk->path))
		look_at_folder(look, walk->path, &st, 0);
	if (fd >= 0) {
		walk_folder(walk, fd, depth + 1);
	} else {
		look->model->seen->missed = true;
		look_at_folder(look, walk->path, &st, error);
	}
}

static void walk_folder(struct walk *walk, int fd, unsigned depth)
{
	DIR *folder = fdopendir(fd);
	size_t length = strlen(walk->path);
	struct dirent *entry;

	if (folder == NULL) {
		walk->look->model->seen->missed = true;
		(void)close(fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL && walk->entries < MAX_FILES_PER_MODEL &&
	       walk->look->failed == 0) {
		size_t more = strlen(entry->d_name);

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (length + more + 2 > sizeof(walk->path)) {
			walk->look->model->seen->missed = true;
			continue;
		}
		walk->entries++;
		if (length > 0)
			walk->path[length] = '/';
		memcpy(walk->path + length + (length > 0), entry->d_name, more + 1);
		walk_entry(walk, dirfd(folder), entry->d_name, entry->d_type, depth);
		walk->path[length] = '\0';
	}
	(void)closedir(folder);
}

static void walk_model(struct look *look)
{
	struct walk walk = { .look = look };
	struct model_view *view = look->model;
	int fd = openat(view->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		walk_folder(&walk, fd, 0);
	view->seen->complete = fd >= 0 && !view->seen->missed &&
	                       walk.entries < MAX_FILES_PER_MODEL &&
	                       MODEL_SET(view->model, FILES).text == NULL;
}

static void locate(struct look *look)
{
	struct model_view *view = look->model;
	const char *path = MODEL_SET(view->model, PATH).text;

	if (path == NULL) {
		if (look->hub_cache == NULL)
			view->outcome = CACHE_NO_HUB;
		else
			view->outcome = (int)hub_cache_locate(
			        look->tree, look->hub_cache, MODEL_SET(view->model, REPO).text,
			        MODEL_SET(view->model, REVISION).text, view);
		return;
	}
	if (!path_join(view->path, sizeof(view->path),
	               path[0] == '/' ? "/" : look->working_directory, path))
		return;
	memcpy(view->repo_path, view->path, sizeof(view->path));
	view->dir_fd = tree_open(look->tree, view->path, O_RDONLY | O_DIRECTORY);
	if (view->dir_fd < 0)
		view->error = -view->dir_fd;
	else
		view->place = PLACE_FOLDER;
	if (revision_is_commit(MODEL_SET(view->model, REVISION).text))
		memcpy(view->commit, MODEL_SET(view->model, REVISION).text, COMMIT_HEX + 1);
	else if (view->dir_fd >= 0)
		(void)folder_commit(tree_open_beneath(look->tree, view->dir_fd, FOLDER_TREES,
		                                      O_RDONLY | O_DIRECTORY),
		                    view->commit);
}

static void send_model(struct look *look)
{
	const struct model_view *view = look->model;
	struct record record = { .magic = RECORD_MAGIC,
		                 .type = RECORD_MODEL,
		                 .model = view->index,
		                 .level = (uint16_t)view->level,
		                 .files = view->files,
		                 .bytes = view->bytes };
	struct text path = TEXT_OVER(record.path);

	text_add(&path, view->place == PLACE_NONE ? "" : view->path);
	text_mark_cut(&path);
	memcpy(record.commit, view->commit, sizeof(view->commit));
	if (look->failed == 0)
		look->failed = look->send(look, &record);
}

static void inspect_model(struct look *look, struct model_view *view, int index,
                          struct digest_queue *digests)
{
	const struct setting *verify = &MODEL_SET(&look->policy->models[index], VERIFY_MODEL);

	view->model = &look->policy->models[index];
	view->index = index;
	view->place = PLACE_NONE;
	view->repo_fd = view->dir_fd = -1;
	view->error = view->outcome = 0;
	view->commit[0] = view->path[0] = view->repo_path[0] = '\0';
	view->first_pickle[0] = view->first_python[0] = '\0';
	view->files = view->bytes = view->weight_files = view->pickle_files =
	        view->safetensors_files = 0;
	view->gguf_files = view->onnx_files = view->python_files = view->broken_files = 0;
	view->files_met = view->require_met = 0;
	view->has_manifest = false;
	view->level = (enum level)look->policy->set[KEY_VERIFY].number;
	if (verify->text != NULL && verify->number > view->level)
		view->level = (enum level)verify->number;
	view->digests = digests;
	seen_clear(view->seen);
	look->model = view;
	memset(look->seen, 0, sizeof(look->seen));
	locate(look);
	run_checks(look, SCOPE_PLACE, view->level);
	if (view->place != PLACE_NONE) {
		walk_model(look);
		run_checks(look, SCOPE_MODEL, view->level);
		if (digests != NULL)
			digest_queue_model_done(look);
	}
	report_rest(look);
	send_model(look);
	cleanup_fd(&view->repo_fd);
	cleanup_fd(&view->dir_fd);
	look->model = NULL;
}

void inspect(struct look *look)
{
	struct model_view *view = malloc(sizeof(*view));
	struct seen_files seen = { 0 };
	struct digest_queue *digests = digest_queue_new();

	if (view == NULL || digests == NULL) {
		look->failed = -ENOMEM;
		free(view);
		digest_queue_free(digests);
		return;
	}
	view->seen = &seen;
	look->memory_limit = look->tree->root_fd < 0 ? memory_limit() : UINT64_MAX;
	run_checks(look, SCOPE_RUN, LEVEL_DIGEST);
	for (size_t i = 0; i < look->policy->model_count && look->failed == 0; i++)
		if (look->policy->models[i].selected)
			inspect_model(look, view, (int)i, digests);
	digest_queue_run(look, digests);
	digest_queue_free(digests);
	free(seen.files);
	free(view);
}
