/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate verification that was switched off for a build and left off, and bundles that are not there. */
#include <string.h>

#include "engine/inspection.h"
#include "hub/variables.h"
#include "base/text.h"
#include "base/tree.h"
#include "util.h"

enum { TLS_OFF, BUNDLE, PROXY };
static const struct finding_kind kinds[] = {
	[TLS_OFF] = { "env.tls-off", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	              "a variable switches the verification of certificates off",
	              "name the company's CA file in the variable instead" },
	[BUNDLE] = { "env.ca-bundle", SEVERITY_WARNING, STATUS_ENVIRONMENT,
	             "a variable names a certificate file that is not there: the HTTP library fails when it starts",
	             "name a readable PEM file, or do not set the variable" },
	[PROXY] = { "env.proxy", SEVERITY_NOTE, STATUS_ENVIRONMENT,
	            "a proxy is set in one spelling only",
	            "set the variable in both cases, since libraries differ in which they read" },
};

static void check_bundles(struct look *look)
{
	static const char *const names[] = { "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
		                             "CURL_CA_BUNDLE" };

	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		const char *value = environment_get(look->env, names[i]);
		struct stat st;

		if (value == NULL)
			continue;
		if (value[0] == '\0')
			look_report(
			        look, &kinds[TLS_OFF], (struct report_at){ .path = names[i] },
			        "%s is set but empty, an old trick that switches verification off in some libraries",
			        names[i]);
		else if (value[0] == '/' && tree_stat(look->tree, value, &st) != 0)
			look_report(look, &kinds[BUNDLE], (struct report_at){ .path = names[i] },
			            "%s names %.256s, which the service cannot find", names[i],
			            value);
	}
}

static void check_switches(struct look *look)
{
	static const struct {
		const char *name, *off;
	} switches[] = {
		{ "PYTHONHTTPSVERIFY", "0" },         { "GIT_SSL_NO_VERIFY", "1" },
		{ "GIT_SSL_NO_VERIFY", "true" },      { "NODE_TLS_REJECT_UNAUTHORIZED", "0" },
		{ "HF_HUB_DISABLE_SSL_VERIFY", "1" }, { "HF_HUB_DISABLE_SSL_VERIFICATION", "1" },
		{ "CURL_SSL_NO_VERIFY", "1" },
	};

	for (size_t i = 0; i < LENGTH_OF(switches); i++) {
		const char *value = environment_get(look->env, switches[i].name);

		if (value != NULL && strcmp(value, switches[i].off) == 0)
			look_report(look, &kinds[TLS_OFF],
			            (struct report_at){ .path = switches[i].name },
			            "%s=%s switches the verification of certificates off",
			            switches[i].name, value);
	}
}

static void check(struct look *look)
{
	check_bundles(look);
	check_switches(look);
	if (look->mode != MODE_OFFLINE &&
	    (environment_get(look->env, "HTTPS_PROXY") == NULL) !=
	            (environment_get(look->env, "https_proxy") == NULL))
		look_report(look, &kinds[PROXY], (struct report_at){ .path = "HTTPS_PROXY" },
		            "only one of HTTPS_PROXY and https_proxy is set");
}

const struct check check_env_tls = { "env_tls", SCOPE_RUN,        LEVEL_PRESENCE,
	                             kinds,     LENGTH_OF(kinds), check };
