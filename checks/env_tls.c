/* SPDX-License-Identifier: Apache-2.0 */
/* Certificate verification that was switched off for a build and left off, and bundles that are not there. */
#include <string.h>

#include "base/text.h"
#include "base/tree.h"
#include "checks.h"
#include "engine/findings.h"
#include "engine/inspection.h"
#include "hub/variables.h"
#include "util.h"

static void check_bundles(struct inspection *inspection)
{
	static const char *const names[] = { "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
		                             "CURL_CA_BUNDLE" };

	for (size_t i = 0; i < LENGTH_OF(names); i++) {
		const char *value = environment_get(inspection->env, names[i]);
		struct stat st;

		if (value == NULL)
			continue;
		if (value[0] == '\0')
			inspection_report(
			        inspection, FINDING_ENV_TLS_OFF,
			        (struct report_at){ .path = names[i] },
			        "%s is set but empty, an old trick that switches verification off in some libraries",
			        names[i]);
		else if (value[0] == '/' && tree_stat(inspection->tree, value, &st) != 0)
			inspection_report(inspection, FINDING_ENV_CA_BUNDLE,
			                  (struct report_at){ .path = names[i] },
			                  "%s names %.256s, which the service cannot find",
			                  names[i], value);
	}
}

static void check_switches(struct inspection *inspection)
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
		const char *value = environment_get(inspection->env, switches[i].name);

		if (value != NULL && strcmp(value, switches[i].off) == 0)
			inspection_report(inspection, FINDING_ENV_TLS_OFF,
			                  (struct report_at){ .path = switches[i].name },
			                  "%s=%s switches the verification of certificates off",
			                  switches[i].name, value);
	}
}

void check_env_tls(struct inspection *inspection)
{
	check_bundles(inspection);
	check_switches(inspection);
	if (inspection->mode != MODE_OFFLINE &&
	    (environment_get(inspection->env, "HTTPS_PROXY") == NULL) !=
	            (environment_get(inspection->env, "https_proxy") == NULL))
		inspection_report(inspection, FINDING_ENV_PROXY,
		                  (struct report_at){ .path = "HTTPS_PROXY" },
		                  "only one of HTTPS_PROXY and https_proxy is set");
}
