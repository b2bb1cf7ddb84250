/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON as a native tree. */
#pragma once

#include "conf-private.h"
#include "conf-text.h"

/* One document: objects are GROUPs, arrays LISTs; true and false are strings, null is NONE. Not
 * deeper than CONF_MAX_DEPTH, at most CONF_MAX_NODES values. A key that an object has twice is
 * there twice. CONF_ERROR_SYNTAX or CONF_ERROR_LIMIT with the place. */
ConfNode *conf_json_parse(const char *text, gsize len, const char *file, GError **error);
