/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit of aweigh by name: unit in the name, reason beside it, source where a format or a
 * library sets it. What goes beyond a limit is an error or a finding that names the limit.
 */
#ifndef AWEIGH_BOUNDS_H
#define AWEIGH_BOUNDS_H

#define MAX_PATH_BYTES 4096u /* PATH_MAX of linux/limits.h, terminator included */
#define MAX_NAME_BYTES 256u /* NAME_MAX of linux/limits.h and a terminator */
#define MAX_LINKS_FOLLOWED 40u /* as the kernel follows: path_resolution(7) */
#define MAX_DEPTH_DIRECTORIES 32u /* deepest seen on the hub is below 10 */

#define MAX_POLICY_BYTES (4ul << 20) /* 10,000 models with ten keys each fit three times */
#define MAX_POLICY_ERRORS 64u /* one screenful; the rest is counted */
#define MAX_MODELS 20000u /* twice what the benchmark holds aweigh to */
#define MAX_SETTING_BYTES 32768u /* a list over several lines, expanded */
#define MAX_MARKED_ELEMENTS 64u /* of files and require: a bit each while the model is walked */
#define MAX_MANIFEST_LINE_BYTES 1024u /* repo id, revision, selector and a comment */

#define MAX_REPO_PART_BYTES 96u /* huggingface_hub 1.28 utils/_validators.py */
#define MAX_REVISION_BYTES 255u /* a git ref's file name: NAME_MAX */
#define COMMIT_HEX 40u
#define SHA256_HEX 64u

#define MAX_ZIP_DIRECTORY_BYTES (8ul << 20) /* of an archive of arrays: 80,000 names */
#define YOUNG_S 2 /* of a file: whoever fills the model may not be done */
#define MAX_FORMATS 32u /* rows of formats/formats.c */
#define MAX_FILES_PER_MODEL 1000000u /* ten times the largest snapshot of the benchmark */
#define MAX_SHARDS 4096u /* the largest published model has below 700 */
#define MAX_JSON_DEPTH 512u /* real configurations stay below 20; Python's json takes some 990 */
#define MAX_STRICT_JSON_DEPTH 128u /* serde_json's, by which headers and tokenizer.json are read */
#define MAX_JSON_TOKEN_BYTES (16ul << 20) /* training tags of a LoRA file's header are 5 MB */
#define MAX_JSON_KEY_BYTES 1024u /* tensor names and repository paths */
#define MAX_CONFIG_BYTES (8ul << 20) /* configuration files are kilobytes */
#define MAX_INDEX_BYTES (256ul << 20) /* shard index, trees/ manifest of a million files */
#define WHOLE_JSON_BYTES                                                                           \
	(16ul << 10) /* larger vocabularies are read at both ends below level digest */
#define MAX_SAFETENSORS_HEADER_BYTES 100000000u /* safetensors/src/tensor.rs MAX_HEADER_SIZE */
#define MAX_TENSORS 1000000u /* sorted in memory: 24 bytes each */
#define GGML_NAME_BYTES 63u /* ggml.h GGML_MAX_NAME, its NUL not counted */
#define GGML_DIMENSIONS 4u /* ggml.h GGML_MAX_DIMS */
#define MAX_GGUF_NAME_BYTES 255u /* four times GGML_NAME_BYTES */
#define MAX_GGUF_DIMENSIONS 8u
#define MAX_GGUF_HEADER_BYTES (256ul << 20) /* token arrays of large vocabularies are 10 MB */
#define MAX_GGUF_ARRAY 1073741824u /* ggml gguf.cpp GGUF_MAX_ARRAY_ELEMENTS */
#define MAX_POINTER_BYTES 1024u /* git-lfs docs/spec.md */
#define MAX_PROTOBUF_FIELDS 4000000u /* an ONNX graph of 2 GiB has below a million */
#define MAX_PROTOBUF_DEPTH 100u /* protobuf io/coded_stream.h, default_recursion_limit_ */
#define ZERO_TAIL_BYTES (1024ul << 10) /* all zero at the end of a larger weight file: lost */
#define READ_BYTES (64ul << 10) /* one read of a header */
#define HASH_READ_BYTES (256ul << 10) /* one read while hashing */
#define MAX_DIGEST_THREADS 64u /* more cores than any disk can feed */

#define MAX_ENDPOINTS 8u /* a mirror or two before the hub */
#define MAX_REDIRECT_PORTS 8u /* of object stores behind a hub: one, or two */
#define MAX_URL_BYTES 8192u /* signed addresses of the CDN are below 2 kB */
#define MAX_SEARCH_DOMAINS 8u /* of resolv.conf: Kubernetes writes three, and the node's */
#define MAX_RESOLV_BYTES (64ul << 10)
#define SILENT_NAME_MS 2000u /* a name server that has not answered by then is asked once more */
#define HURRIED_CONNECT_MS                                                                         \
	3000u /* where another server has the same, of connect_timeout and stall_timeout */
#define HURRIED_STALL_MS 10000u
#define MAX_IDLE_WAIT_S 10u /* for a server that asks for a pause, while another has the same */
#define MAX_REDIRECTS 10u /* a renamed repository and a CDN need two */
#define MAX_HEADERS_BYTES (256ul << 10) /* of one response; curl's own limit is 300 kB */
#define MIN_OPEN_FILES 24u /* of a gate; with fewer an inspector cannot work */
#define MIN_STACK_BYTES (256ul << 10)
#define PATIENCE_MS 20000u /* for the policy and what it names, before its deadline is known */
#define REPORT_WITHIN_MS 1000u /* for a report, where the deadline has passed already */
#define MAX_TERMINATION_BYTES                                                                      \
	4096u /* the kubelet keeps the last of a termination message: pkg/kubelet, tail.ReadAtMost */
#define MAX_SUMMARY_BYTES                                                                          \
	((1ul << 20) - 1) /* of $GITHUB_STEP_SUMMARY: one above 1 MiB is dropped */
#define MAX_ENV_FILE_BYTES (1ul << 20) /* of --env-file; execve(2) takes 2 MB */
#define MAX_IMAGE_CONFIG_BYTES                                                                     \
	(4ul << 20) /* what registries take of a configuration: distribution-spec */
#define MAX_SECRET_BYTES (64ul << 10) /* a variable of execve(2) has at most 128 KiB */
#define MAX_TOKEN_BYTES 1024u /* hub tokens have 37 characters, OAuth's some hundred */
#define MAX_API_BYTES (64ul << 20) /* one page of a listing: the hub's have 1,000 entries */
#define MAX_LISTING_BYTES (64ul << 20) /* names and digests in memory: 400,000 files */
#define MAX_LISTING_PAGES 10000u
#define MAX_FETCH_BYTES (1ull << 50) /* of one file */
#define MAX_EXPANDED_SECRETS                                                                       \
	256u /* variables with secret names that a policy expands, kept so that nothing prints them */
#define ERROR_BODY_BYTES 4096u /* of a refusal, kept for the sentence about it */
#define CHUNK_BYTES (1ul << 20) /* what a killed fetch forgets of each connection */
#define MAX_CHUNKS 65536u /* of one file: beyond, chunks are larger */
#define MIN_RUN_BYTES (4ul << 20) /* one request for a part of a large file */
#define MAX_RUN_BYTES (64ul << 20)
#define WRITE_BYTES                                                                                \
	(256ul                                                                                     \
	 << 10) /* one write while fetching: TLS hands out 16 kB, which costs twice the time */
#define WRITE_PIECES 16u /* of WRITE_BYTES, between the network and the disk */
#define FETCH_BUFFER_BYTES (512ul << 10) /* CURLOPT_BUFFERSIZE; a connection */
#define STALLED_BYTES 1000L /* a second, over fetch.stall_timeout: less is standing still */
#define MAX_HASH_THREADS 8u /* beside the one that talks: more wait for the disk only */
#define NAMES_WAIT_MS                                                                              \
	10000u /* giving names takes moments, file by file on an object store seconds */
#define LOCK_POLL_MS 100u /* as often as filelock asks twice */
#define STALE_PARTIAL_S 60 /* where locks do nothing: untouched for so long, its writer is gone */
#define PROGRESS_MS 250u /* between two records about a file on its way */

#define MAX_LOCK_BYTES (64ul << 20) /* 300,000 files */

#define MAX_LOG_LINE_BYTES 16384u /* of a service: what is longer comes in pieces */
#define MAX_READY_TARGETS 16u
#define MAX_ATTEMPTS 128u /* of a service to reach out, each host and port once */
#define MAX_OBSERVED_FILES 65536u
#define MAX_FILES_ASIDE 16384u /* of those, by names that lead into a model by links at most */

#define MAX_PASSWD_BYTES (4ul << 20) /* 40,000 users */
#define MAX_GROUPS 1024u /* supplementary groups; the kernel takes 65,536 */
#define MAX_MOUNTINFO_BYTES (4ul << 20)
#define MAX_DIRECTORY_ENTRIES 200000u /* names looked at in a cache root or site-packages */

#define MAX_EGRESS_PORTS 64u /* of the hosts that a service talks to: a handful */
#define MAX_OPENED_BEFORE 16u /* models in the container beside: KServe has one */
#define MAX_PLACES 128u /* directories with models that are kept from changes, and their parents */
#define MAX_GRANTED_NEIGHBOURS                                                                     \
	10000u /* beside them in one directory; each costs the kernel an object */

#define REAPED_AT_ONCE 256u /* before init looks at signals again */
#define MAX_GENERATIONS 64u /* from a process up to init */
#define KILLED_WITHIN_MS 2000u /* SIGKILL waits for nothing but the disk */

#define MIN_REPORT_WIDTH 60u /* columns; below, sentences fall apart */
#define MAX_REPORT_WIDTH 160u /* beyond, the eye loses the line */

#define MAX_FINDINGS 20000u /* further ones are counted, not kept */
#define FINDINGS_PER_KIND 8u /* of a model: further ones are counted */

#endif
