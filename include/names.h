/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of the policy's enums, once: NAMES(X) lists X(ENUMERATOR, "word") in the order of the
 * values. The enums, their words in messages and reports, and what a key takes come from here.
 */
#ifndef AWEIGH_NAMES_H
#define AWEIGH_NAMES_H

#include <stddef.h>

#define SEVERITIES(X)                                                                              \
	X(SEVERITY_OFF, "off")                                                                     \
	X(SEVERITY_NOTE, "note") X(SEVERITY_WARNING, "warning") X(SEVERITY_ERROR, "error")
#define LEVELS(X)                                                                                  \
	X(LEVEL_PRESENCE, "presence")                                                              \
	X(LEVEL_SIZE, "size") X(LEVEL_STRUCTURE, "structure") X(LEVEL_DIGEST, "digest")
#define MODES(X) X(MODE_OFFLINE, "offline") X(MODE_AUTO, "auto") X(MODE_ONLINE, "online")
#define HOMES(X) X(HOME_KEEP, "keep") X(HOME_SET, "set") X(HOME_AUTO, "auto")
#define CODE_RULES(X) X(CODE_DENY, "deny") X(CODE_ALLOW, "allow") X(CODE_LOCKED, "locked")
#define OFFLINE_RULES(X)                                                                           \
	X(OFFLINE_SET, "set") X(OFFLINE_REQUIRE, "require") X(OFFLINE_LEAVE, "leave")
#define LANDLOCK_RULES(X) X(LANDLOCK_TRY, "try") X(LANDLOCK_REQUIRE, "require")
#define OBSERVED_RULES(X) X(OBSERVED_REPORT, "report") X(OBSERVED_REFUSE, "refuse")
#define SIGNAL_TARGETS(X) X(TARGET_CHILD, "child") X(TARGET_GROUP, "group")
/* What of [confine] the kernel and the platform let aweigh keep from the service. */
#define MODELS_KEPT(X)                                                                             \
	X(MODELS_NOT_KEPT, "no")                                                                   \
	X(MODELS_KEPT_BY_LANDLOCK, "landlock") X(MODELS_KEPT_BY_MOUNT, "mount")

#define NAMES_ENUMERATOR(id, word) id,
#define NAMES_WORD(id, word) word,
/* enum NAME, and const char *NAME_words[], which ends with a NULL. */
#define NAMES_DEFINE(name, NAMES)                                                                  \
	enum name { NAMES(NAMES_ENUMERATOR) };                                                     \
	static const char *const name##_words[]                                                    \
	        __attribute__((unused)) = { NAMES(NAMES_WORD) NULL };

NAMES_DEFINE(severity, SEVERITIES)
enum { SEVERITY_COUNT = SEVERITY_ERROR + 1 };
NAMES_DEFINE(level, LEVELS)
NAMES_DEFINE(mode, MODES)
NAMES_DEFINE(home_rule, HOMES)
NAMES_DEFINE(code_rule, CODE_RULES)
NAMES_DEFINE(offline_rule, OFFLINE_RULES)
NAMES_DEFINE(landlock_rule, LANDLOCK_RULES)
NAMES_DEFINE(observed_rule, OBSERVED_RULES)
NAMES_DEFINE(signal_target, SIGNAL_TARGETS)
NAMES_DEFINE(models_kept, MODELS_KEPT)

#endif
