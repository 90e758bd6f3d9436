/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#include "base/dir.h"
#include "base/glob.h"
#include "base/scan.h"
#include "base/text.h"
#include "base/tree.h"
#include "engine/digests.h"
#include "engine/findings.h"
#include "engine/inspect.h"
#include "engine/locate.h"
#include "formats/formats.h"
#include "formats/page.h"
#include "formats/shard_index.h"
#include "hub/cache.h"
#include "util.h"

static uint64_t rotated(uint64_t word, unsigned bits)
{
	return word << bits | word >> (64 - bits);
}

static void mix(uint64_t v[4], unsigned rounds)
{
	while (rounds-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotated(v[1], 13) ^ v[0];
		v[3] = rotated(v[3], 16) ^ v[2];
		v[0] = rotated(v[0], 32) + v[3];
		v[2] += v[1];
		v[1] = rotated(v[1], 17) ^ v[2];
		v[3] = rotated(v[3], 21) ^ v[0];
		v[2] = rotated(v[2], 32);
	}
}

/*
 * SipHash-1-3 (Aumasson and Bernstein, 2012) with a key that the kernel gives each process: a file of a chosen name would
 * stand for a missing one otherwise. 0 marks an empty place.
 */
static uint64_t name_hash(const char *name)
{
	static const unsigned char none[16];
	size_t length = strlen(name), at = 0;
	uintptr_t random = getauxval(AT_RANDOM);
	const unsigned char *key = none;
	unsigned char last[8] = { 0 };
	uint64_t v[4];

	if (random != 0)
		memcpy(&key, &random, sizeof(key));
	v[0] = load_le64(key) ^ 0x736f6d6570736575u;
	v[1] = load_le64(key + 8) ^ 0x646f72616e646f6du;
	v[2] = load_le64(key) ^ 0x6c7967656e657261u;
	v[3] = load_le64(key + 8) ^ 0x7465646279746573u;
	for (;; at += 8) {
		uint64_t word;

		if (length - at < 8) {
			memcpy(last, name + at, length - at);
			last[7] = (unsigned char)length;
		}
		word = load_le64(length - at < 8 ? last : (const unsigned char *)name + at);
		v[3] ^= word;
		mix(v, 1);
		v[0] ^= word;
		if (length - at < 8)
			break;
	}
	v[2] ^= 0xff;
	mix(v, 3);
	v[0] ^= v[1] ^ v[2] ^ v[3];
	return v[0] == 0 ? 1 : v[0];
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

void seen_clear(struct seen_files *seen)
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

/* The payload of the shared blob store that a snapshot's link leads to by way of its blob. */
static int open_shared(const struct inspection *inspection, const char *name)
{
	char link[MAX_PATH_BYTES], target[MAX_SHARED_TARGET];
	ssize_t length = readlinkat(inspection->model->place.dir_fd, name, link, sizeof(link) - 1);
	const char *etag;

	link[length < 0 ? 0 : length] = '\0';
	etag = strrchr(link, '/');
	return etag == NULL || strncmp(link, "../", 3) != 0 ?
	               -EXDEV :
	               shared_blob_open(inspection->tree, &inspection->model->place, etag + 1,
	                                target);
}

/* A snapshot's links lead to ../../blobs, so its names are opened from the repository's directory. */
static int open_with(const struct inspection *inspection, const char *name, int flags)
{
	const struct model_view *view = inspection->model;
	char beneath[MAX_PATH_BYTES];
	int fd;

	if (view->place.repo_fd < 0)
		return tree_open_beneath(inspection->tree, view->place.dir_fd, name, flags);
	if (!path_join(beneath, sizeof(beneath),
	               view->place.path + strlen(view->place.repo_path) + 1, name))
		return -ENAMETOOLONG;
	fd = tree_open_beneath(inspection->tree, view->place.repo_fd, beneath, flags);
	return fd == -EXDEV ? open_shared(inspection, name) : fd;
}

static int open_file(const struct inspection *inspection, const char *name)
{
	return open_with(inspection, name, O_RDONLY);
}

static int open_anywhere(const struct inspection *inspection, const char *name, int flags)
{
	char path[MAX_PATH_BYTES];

	if (!path_join(path, sizeof(path), inspection->model->place.path, name))
		return -ENAMETOOLONG;
	return tree_open(inspection->tree, path, flags);
}

/* What the name leads to; with --root no link is followed onto this machine. 0 or a negative errno. */
static int stat_name(const struct inspection *inspection, const char *name, struct stat *st)
{
	CLEANUP(cleanup_fd) int fd = -1;

	if (inspection->tree->root_fd < 0)
		return fstatat(inspection->model->place.dir_fd, name, st, 0) != 0 ? -errno : 0;
	fd = open_with(inspection, name, O_PATH);
	if (fd == -EXDEV)
		fd = open_anywhere(inspection, name, O_PATH); /* beneath the root all the same */
	return fd < 0 ? fd : fstat(fd, st) != 0 ? -errno : 0;
}

bool model_has(const struct inspection *inspection, const char *name, uint64_t *size)
{
	const struct seen_files *seen = inspection->model->seen;
	const struct seen_file *file = seen->room == 0 ? NULL : seen_place(seen, name_hash(name));
	struct stat st;

	if (seen->complete && (file == NULL || file->hash == 0))
		return false;
	if (file != NULL && file->hash != 0) {
		if (size != NULL)
			*size = file->size;
		return true;
	}
	if (inspection->model->place.dir_fd < 0 || stat_name(inspection, name, &st) < 0 ||
	    !S_ISREG(st.st_mode))
		return false;
	if (size != NULL)
		*size = (uint64_t)st.st_size;
	return true;
}

bool model_has_directory(const struct inspection *inspection, const char *name)
{
	struct stat st;

	return inspection->model->place.dir_fd >= 0 && stat_name(inspection, name, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* The one file that the policy names: its way there is the policy's own, links and all. */
static bool is_named(const struct model_view *view, const char *path)
{
	return view->only != NULL && strcmp(view->only, path) == 0;
}

/* A policy that makes less of links that lead out than an error accepts what they lead to. */
static bool accepts_escapes(const struct inspection *inspection)
{
	return finding_severity(inspection->policy, FINDING_FILE_LINK_ESCAPES) < SEVERITY_ERROR;
}

/* Reads a link's text: only a finding or a digest needs it, so only then. */
static const char *link_text(const struct model_view *view, const char *path,
                             char text[static MAX_PATH_BYTES])
{
	ssize_t length = readlinkat(view->place.dir_fd, path, text, MAX_PATH_BYTES - 1);

	text[length < 0 ? 0 : length] = '\0';
	return text;
}

/* The way of an absolute link into the repository's own directory, or the model's; NULL: it leads elsewhere. */
static const char *way_within(const struct model_view *view, const char *link)
{
	size_t length = strlen(view->place.repo_path);

	return link[0] == '/' && path_is_beneath(link, view->place.repo_path) &&
	                       strlen(link) > length ?
	               link + length + 1 :
	               NULL;
}

static int open_within(const struct inspection *inspection, const char *way)
{
	const struct model_place *place = &inspection->model->place;

	return tree_open_beneath(inspection->tree,
	                         place->repo_fd < 0 ? place->dir_fd : place->repo_fd, way,
	                         O_RDONLY);
}

int model_open(const struct inspection *inspection, const char *name, uint64_t *size)
{
	char text[MAX_PATH_BYTES];
	const char *within;
	int fd;

	if (!model_has(inspection, name, size))
		return -ENOENT;
	fd = open_file(inspection, name);
	if (fd != -EXDEV)
		return fd;
	within = way_within(inspection->model, link_text(inspection->model, name, text));
	if (within != NULL)
		return open_within(inspection, within);
	return is_named(inspection->model, name) || accepts_escapes(inspection) ?
	               open_anywhere(inspection, name, O_RDONLY) :
	               fd;
}

int model_open_manifest(const struct inspection *inspection)
{
	const struct model_view *view = inspection->model;
	char name[128];
	struct text text = TEXT_OVER(name);
	bool plain = view->place.repo_fd < 0;
	int directory = plain ? view->place.dir_fd : view->place.repo_fd;
	struct stat st;

	if (view->place.commit[0] == '\0')
		return -ENOENT;
	text_addf(&text, "%s/%s.json", plain ? DIRECTORY_TREES : "trees", view->place.commit);
	if (fstatat(directory, name, &st, 0) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	return tree_open_beneath(inspection->tree, directory, name, O_RDONLY);
}

/* A model of one file may keep the rest beside it: the other parts of a split one, an OpenVINO graph's weights. */
static bool is_needed_by(const char *path, const char *only)
{
	struct shard_number one, other;
	size_t stem = strlen(only) - 4;

	if (shard_number_read(only, &one))
		return shard_number_read(path, &other) && other.count == one.count &&
		       other.prefix == one.prefix && strncmp(path, only, one.prefix) == 0 &&
		       strcmp(other.ending, one.ending) == 0;
	return path_ends(only, ".xml") && strlen(path) == stem + 4 &&
	       strncmp(path, only, stem) == 0 && path_ends(path, ".bin");
}

bool model_wants(const struct inspection *inspection, const char *path)
{
	if (inspection->model->only != NULL)
		return strcmp(inspection->model->only, path) == 0 ||
		       is_needed_by(path, inspection->model->only);
	return model_selects(inspection->model->model, path);
}

static void keep_name(char *out, size_t size, const char *name)
{
	struct text text = text_over(out, size);

	if (strlen(name) < size)
		text_add(&text, name);
}

void model_mark_lists(const struct model *model, struct lists_met *met, const char *path)
{
	for (size_t i = 0; i < model->files.count; i++)
		if ((met->files >> i & 1) == 0 && glob_matches(model->files.items[i], path))
			met->files |= 1ull << i;
	for (size_t i = 0; i < model->require.count; i++)
		if ((met->require >> i & 1) == 0 && glob_any(&model->require.items[i].any, path))
			met->require |= 1ull << i;
}

/* Whoever copies lets less pass between two files. A volume whose clock goes before ours has none that is young. */
bool file_is_young(const struct stat *st)
{
	time_t now = time(NULL);

	return st->st_ctime <= now && st->st_ctime >= now - YOUNG_S;
}

static void count_file(struct model_view *view, const struct file_view *file)
{
	view->files++;
	if (S_ISREG(file->st.st_mode)) {
		view->young |= file_is_young(&file->st);
		seen_add(view->seen, file->path, (uint64_t)file->st.st_size);
		model_mark_lists(view->model, &view->met, file->path);
	} else if (
	        S_ISDIR(file->st.st_mode)) /* a link to a directory, which the walk does not enter */
		view->seen->missed = true;
	if (file->error != 0) {
		view->broken_files++;
		model_mark_lists(view->model, &view->broken, file->path);
		return;
	}
	if (S_ISREG(file->st.st_mode))
		view->bytes += (uint64_t)file->st.st_size;
	view->paper_files += path_name(file->path)[0] == '.' || format_is_paper(file->path);
	if (path_ends(file->path, ".py") && view->python_files++ == 0)
		keep_name(view->first_python, sizeof(view->first_python), file->path);
	if (!S_ISREG(file->st.st_mode))
		return;
	if (file->format != NULL && file->format->weights) {
		struct format_files *of = &view->of_format[file->format - formats];

		view->weight_files++;
		view->checkpoint_files += strncmp(file->path, "checkpoint-", 11) == 0;
		if (of->files++ == 0)
			keep_name(of->first, sizeof(of->first), file->path);
	} else if (file->format == NULL && !format_is_plain(file->path)) {
		if (view->unknown_files++ == 0)
			keep_name(view->first_unknown, sizeof(view->first_unknown), file->path);
	}
}

/*
 * Opens a file after a look at what it is: nothing but a regular file is ever opened, since a FIFO
 * would wait and a device act. If it is exchanged in between, O_NONBLOCK keeps open() from waiting.
 */
static void open_view(struct inspection *inspection, struct file_view *file, bool is_link,
                      char text[static MAX_PATH_BYTES])
{
	struct model_view *view = inspection->model;
	int error = stat_name(inspection, file->path, &file->st);

	if (error < 0)
		file->error = -error;
	else if (S_ISREG(file->st.st_mode) && (file->fd = open_file(inspection, file->path)) < 0)
		file->error = -file->fd;
	if (is_link && (file->error != 0 || view->level >= LEVEL_DIGEST))
		file->link = link_text(view, file->path, text);
	if (file->error == EXDEV && file->link != NULL && way_within(view, file->link) != NULL) {
		file->absolute = true;
		file->fd = open_within(inspection, way_within(view, file->link));
		file->error = file->fd < 0 ? -file->fd : 0;
	}
	file->escapes = file->error == EXDEV && !is_named(view, file->path);
	if (file->error == EXDEV && (!file->escapes || accepts_escapes(inspection))) {
		file->fd = open_anywhere(inspection, file->path, O_RDONLY);
		file->error = file->fd < 0 ? -file->fd : 0;
	}
}

static void inspect_file(struct inspection *inspection, const char *path, bool is_link)
{
	struct model_view *view = inspection->model;
	unsigned char head[4096];
	char text[MAX_PATH_BYTES];
	struct file_view file = { .path = path, .is_link = is_link, .fd = -1, .head = head };

	file.format = format_by_name(path);
	open_view(inspection, &file, is_link, text);
	if (file.fd >= 0 && (view->level >= LEVEL_SIZE || view->model->formats.count > 0) &&
	    ((file.format != NULL && file.format->weights) ||
	     file.st.st_size < (off_t)MAX_POINTER_BYTES || view->level >= LEVEL_STRUCTURE)) {
		ssize_t got = pread(file.fd, head, sizeof(head), 0);

		if (got < 0)
			file.error = errno;
		else
			file.head_length = (size_t)got;
		file.format = format_by_bytes(file.format, file.fd, (uint64_t)file.st.st_size, head,
		                              file.head_length);
		file.page = page_words(file.format, path, head, file.head_length,
		                       (uint64_t)file.st.st_size);
	}
	count_file(view, &file);
	inspection->file = &file;
	inspection_run_checks(inspection, SCOPE_FILE, view->level);
	inspection->file = NULL;
	if (file.fd >= 0)
		(void)close(file.fd);
}

/* Directories that belong to tools, not to the model. */
static bool is_tool_directory(const struct model_view *view, const char *path)
{
	char now[MAX_NAME_BYTES] = "";

	/* What a kubelet swaps beneath the links of a ConfigMap or a projected volume (atomic_writer.go). */
	if (path[0] == '.' && path[1] == '.' && strchr(path, '/') == NULL)
		return readlinkat(view->place.dir_fd, "..data", now, sizeof(now) - 1) > 0 &&
		       strcmp(now, path) == 0;
	return strcmp(path, ".git") == 0 ||
	       (view->place.kind == PLACE_DIRECTORY && strcmp(path, ".cache") == 0);
}

/* Required, perhaps, though not wanted; and a lock file names all that is there. */
static void meet_unwanted(struct inspection *inspection, const char *path, bool is_link)
{
	struct file_view file = { .path = path, .is_link = is_link, .fd = -1 };
	char text[MAX_PATH_BYTES];

	model_mark_lists(inspection->model->model, &inspection->model->met, path);
	if (!inspection->locking || inspection->model->only != NULL)
		return;
	open_view(inspection, &file, is_link, text);
	digest_queue_file(inspection, &file);
	cleanup_fd(&file.fd);
}

static void inspect_name(struct inspection *inspection, const char *path)
{
	struct file_view file = { .path = path, .fd = -1 };

	inspection->file = &file;
	inspection_run_checks(inspection, SCOPE_NAME, inspection->model->level);
	inspection->file = NULL;
}

struct walk {
	struct inspection *inspection;
	char path[MAX_PATH_BYTES];
	uint64_t entries, too_deep;
	struct {
		dev_t dev;
		ino_t ino;
	} way[MAX_DEPTH_DIRECTORIES]; /* the directories on it: links may lead in circles */
};

/* model.safetensors/: the libraries' exists() is content with a directory, their open() is not. */
static bool is_named_like_a_file(const char *path)
{
	static const char *const endings[] = { ".json", ".safetensors", ".gguf", ".bin", ".onnx",
		                               ".pt",   ".pth",         ".ckpt", ".npz" };

	for (size_t i = 0; i < LENGTH_OF(endings); i++)
		if (path_ends(path, endings[i]))
			return true;
	return false;
}

static void walk_directory(struct walk *walk, int fd, unsigned depth);

/* A directory that takes part as a file that it is not, or cannot be opened: only its name is looked at. */
static void inspect_directory(struct inspection *inspection, const char *path,
                              const struct stat *st, int error)
{
	struct file_view file = { .path = path, .fd = -1, .error = error, .st = *st };

	inspection->model->broken_files++;
	inspection->file = &file;
	inspection_run_checks(inspection, SCOPE_FILE, inspection->model->level);
	inspection->file = NULL;
}

/* Of a directory that the model's files are in or beneath; `path` as it is shown. */
static void inspect_container(struct inspection *inspection, const char *path, int fd)
{
	struct file_view file = { .path = path, .fd = fd };

	if (fd < 0 || fstat(fd, &file.st) != 0)
		return;
	inspection->file = &file;
	inspection_run_checks(inspection, SCOPE_DIRECTORY, inspection->model->level);
	inspection->file = NULL;
}

/* The shared blob store beside the repository, where the cache has one. */
static void inspect_store(struct inspection *inspection)
{
	const char *repository = inspection->model->place.repo_path;
	const char *slash = strrchr(repository, '/');
	char path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(path);
	CLEANUP(cleanup_fd) int fd = -1;

	if (inspection->model->place.repo_fd < 0 || slash == NULL)
		return;
	text_add_bytes(&text, repository, (size_t)(slash - repository));
	text_add(&text, "/blobs");
	fd = tree_open(inspection->tree, path, O_PATH | O_NOFOLLOW | O_DIRECTORY);
	if (fd >= 0 && !text.cut)
		inspect_container(inspection, path, fd);
}

/* What links and new snapshots are put into. */
static void inspect_containers(struct inspection *inspection)
{
	char ref[MAX_PATH_BYTES];
	const char *const names[] = { ".", "blobs", "refs", "snapshots", ref };
	int repo = inspection->model->place.repo_fd;
	struct text text = TEXT_OVER(ref);

	/* Who may write it chooses the snapshot. */
	text_addf(&text, "refs/%s", inspection->model->model->revision);
	for (size_t i = 0; repo >= 0 && i < LENGTH_OF(names); i++) {
		CLEANUP(cleanup_fd)
		int fd = openat(repo, names[i], O_PATH | O_NOFOLLOW | O_CLOEXEC);
		char shown[MAX_PATH_BYTES];

		if (path_join(shown, sizeof(shown), inspection->model->place.repo_path,
		              i == 0 ? "" : names[i]))
			inspect_container(inspection, shown, fd);
	}
}

/* What the walk does not reach is no pass. */
static void report_depth(struct walk *walk)
{
	const struct list *files = &walk->inspection->model->model->files;
	bool wanted = files->count == 0 || walk->inspection->model->locked != NULL;

	for (size_t i = 0; i < files->count; i++)
		wanted |= strpbrk(files->items[i], "*?[/") != NULL;
	walk->inspection->model->seen->missed = true;
	if (wanted && walk->too_deep++ == 0)
		inspection_report(walk->inspection, FINDING_MODEL_LIMIT,
		                  (struct report_at){ .path = walk->path },
		                  "lies deeper than the %u directories that aweigh looks into",
		                  MAX_DEPTH_DIRECTORIES);
}

static bool lies_within(int fd, int directory_fd)
{
	char path[MAX_PATH_BYTES], directory[MAX_PATH_BYTES];

	if (directory_fd < 0)
		return false;
	descriptor_name(fd, path, sizeof(path));
	descriptor_name(directory_fd, directory, sizeof(directory));
	return path[0] == '/' && directory[0] == '/' && path_is_beneath(path, directory);
}

/* Whether the policy wants anything directly in it: the rest of a directory outside is not asked about. */
static bool holds_wanted(const struct walk *walk, int fd)
{
	const struct model *model = walk->inspection->model->model;
	CLEANUP(dir_close) struct dir dir = dir_open(fd, ".", MAX_DIRECTORY_ENTRIES);
	const struct dirent *entry;
	char path[MAX_PATH_BYTES];
	struct text text = TEXT_OVER(path);

	text_addf(&text, "%s/", walk->path);
	if (glob_any(&model->exclude, walk->path) || glob_any(&model->exclude, path))
		return false;
	while (model->files.count > 0 && (entry = dir_next(&dir)) != NULL)
		if (path_join(path, sizeof(path), walk->path, entry->d_name) &&
		    model_wants(walk->inspection, path))
			return true;
	return model->files.count == 0;
}

/* Tells of a link out; false: it is not followed. */
static bool tell_escape(struct walk *walk, bool accepted)
{
	struct inspection *inspection = walk->inspection;
	char text[MAX_PATH_BYTES];
	struct file_view file = { .path = walk->path,
		                  .is_link = true,
		                  .fd = -1,
		                  .link = link_text(inspection->model, walk->path, text),
		                  .escapes = true,
		                  .error = accepted ? 0 : EXDEV };

	inspection->model->broken_files += !accepted;
	inspection->file = &file;
	inspection_run_checks(inspection, SCOPE_FILE, LEVEL_PRESENCE);
	inspection->file = NULL;
	return accepted;
}

/*
 * A link to a directory: what lies in the model is met there (latest -> v1, ConfigMap's ..data), what lies beside a
 * snapshot in its repository is met here, and what lies outside is a link that escapes, met here where the policy
 * accepts that.
 */
static void walk_link(struct walk *walk, unsigned depth)
{
	struct inspection *inspection = walk->inspection;
	const struct model_view *view = inspection->model;
	CLEANUP(cleanup_fd)
	int fd = open_anywhere(inspection, walk->path, O_RDONLY | O_DIRECTORY);
	struct stat st = { .st_mode = S_IFDIR };

	inspection->model->seen->missed = true;
	if (fd < 0 && model_wants(inspection, walk->path))
		inspect_directory(inspection, walk->path, &st, -fd);
	if (fd < 0 || lies_within(fd, view->place.dir_fd))
		return;
	if ((inspection->locking || view->locked != NULL) &&
	    !lies_within(fd, view->place.repo_fd) && !accepts_escapes(inspection))
		inspection_report(
		        inspection, FINDING_LOCK_EXTRA,
		        (struct report_at){ .path = walk->path, .severity = SEVERITY_ERROR },
		        "is a link to a directory outside of the model, of which no lock file can say anything");
	if (!holds_wanted(walk, fd))
		return;
	/* The repository itself, by a way around. */
	if (lies_within(fd, view->place.repo_fd) && lies_within(view->place.dir_fd, fd))
		return;
	if (!lies_within(fd, view->place.repo_fd) &&
	    !tell_escape(walk, accepts_escapes(inspection)))
		return;
	if (depth + 1 >= MAX_DEPTH_DIRECTORIES)
		report_depth(walk);
	else
		walk_directory(walk, take_fd(&fd), depth + 1);
}

static bool is_directory_link(const struct walk *walk, unsigned char type)
{
	struct stat st;

	return type == DT_LNK && !is_named_like_a_file(walk->path) &&
	       stat_name(walk->inspection, walk->path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void walk_entry(struct walk *walk, int directory, const char *name, unsigned char type,
                       unsigned depth)
{
	struct inspection *inspection = walk->inspection;
	struct stat st = { 0 };
	int fd, error;

	if (type == DT_UNKNOWN || type == DT_DIR) { /* not every file system says the type */
		if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return;
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_REG;
	}
	if (is_directory_link(walk, type)) {
		walk_link(walk, depth);
		return;
	}
	if (type != DT_DIR) {
		if (inspection->model->locked != NULL &&
		    (inspection->model->only == NULL || model_wants(inspection, walk->path)))
			inspect_name(inspection, walk->path);
		if (model_wants(inspection, walk->path))
			inspect_file(inspection, walk->path, type == DT_LNK);
		else if (stat_name(inspection, walk->path, &st) == 0 && S_ISREG(st.st_mode))
			meet_unwanted(inspection, walk->path, type == DT_LNK);
		return;
	}
	if (is_tool_directory(inspection->model, walk->path)) {
		inspection->model->seen->missed = true;
		return;
	}
	if (depth + 1 >= MAX_DEPTH_DIRECTORIES) {
		report_depth(walk);
		return;
	}
	fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	error = fd < 0 ? errno : 0;
	if (is_named_like_a_file(walk->path) && model_wants(inspection, walk->path))
		inspect_directory(inspection, walk->path, &st, 0);
	if (fd >= 0) {
		walk_directory(walk, fd, depth + 1);
	} else {
		inspection->model->seen->missed = true;
		inspect_directory(inspection, walk->path, &st, error);
	}
}

static void walk_directory(struct walk *walk, int fd, unsigned depth)
{
	CLEANUP(dir_close) struct dir directory = dir_over(fd, MAX_FILES_PER_MODEL);
	size_t length = strlen(walk->path);
	struct dirent *entry;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return;
	for (unsigned i = 0; i < depth; i++)
		if (walk->way[i].dev == st.st_dev && walk->way[i].ino == st.st_ino)
			return;
	walk->way[depth].dev = st.st_dev;
	walk->way[depth].ino = st.st_ino;
	inspect_container(walk->inspection, length == 0 ? "." : walk->path, fd);
	while (walk->entries < MAX_FILES_PER_MODEL && walk->inspection->failed == 0 &&
	       (entry = dir_next(&directory)) != NULL) {
		size_t more = strlen(entry->d_name);

		if (length + more + 2 > sizeof(walk->path)) {
			walk->inspection->model->seen->missed = true;
			continue;
		}
		walk->entries++;
		if (length > 0)
			walk->path[length] = '/';
		memcpy(walk->path + length + (length > 0), entry->d_name, more + 1);
		walk_entry(walk, dir_fd(&directory), entry->d_name, entry->d_type, depth);
		walk->path[length] = '\0';
	}
	if (directory.error != 0)
		walk->inspection->model->seen->missed = true;
}

void walk_model(struct inspection *inspection)
{
	struct walk walk = { .inspection = inspection };
	struct model_view *view = inspection->model;
	int fd = openat(view->place.dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	inspect_containers(inspection);
	inspect_store(inspection);
	if (fd >= 0)
		walk_directory(&walk, fd, 0);
	if (walk.entries >= MAX_FILES_PER_MODEL)
		inspection_report(inspection, FINDING_MODEL_LIMIT,
		                  (struct report_at){ .path = view->place.path },
		                  "has more than the %u files that aweigh looks at",
		                  MAX_FILES_PER_MODEL);
	view->seen->complete = fd >= 0 && !view->seen->missed &&
	                       walk.entries < MAX_FILES_PER_MODEL && view->only == NULL &&
	                       view->model->files.count == 0 && view->model->exclude.count == 0;
}
