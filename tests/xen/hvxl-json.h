/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl's JSON of a configuration, without a libxl_ctx. */
#pragma once

#include <libxl/hvxl-config.h>

/* NULL and *error as hvxl_config_build(); g_free() it. */
char *hvxl_json(const HvxlConfigEnv *env, const ConfDomain *def, GPtrArray *warnings,
                GError **error);
char *hvxl_json_of(libxl_domain_config *config);
