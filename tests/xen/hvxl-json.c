/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-json.h"

#define HAVE_YAJL_YAJL_VERSION_H 1 /* which libxl_json.h asks for */
#include <libxl_json.h>

char *
hvxl_json_of(libxl_domain_config *config)
{
    yajl_gen gen = libxl_yajl_gen_alloc(NULL);
    const unsigned char *text = NULL;
    libxl_yajl_length len = 0;
    char *json = NULL;

    if (libxl_domain_config_gen_json(gen, config) == yajl_gen_status_ok &&
        yajl_gen_get_buf(gen, &text, &len) == yajl_gen_status_ok)
        json = g_strndup((const char *)text, len);
    yajl_gen_free(gen);
    return json;
}

char *
hvxl_json(const HvxlConfigEnv *env, const ConfDomain *def, GPtrArray *warnings, GError **error)
{
    libxl_domain_config config;
    char *json = NULL;

    libxl_domain_config_init(&config);
    if (hvxl_config_build(env, def, &config, warnings, error))
        json = hvxl_json_of(&config);
    libxl_domain_config_dispose(&config);
    return json;
}
