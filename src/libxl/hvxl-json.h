/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON as QEMU speaks it, read where it stands: no tree is built, nothing recurses, so a text costs
 * what it is long. A value is a pointer to its first character in a NUL-terminated text. Functions
 * accept NULL for "there is none", which makes chains of them.
 */
#pragma once

#include <glib.h>

/* Behind the value; NULL: it has no end. Brackets are counted, not matched by kind. */
const char *hvxl_json_skip(const char *value);
/* Nothing but one object, and blanks? */
gboolean hvxl_json_is_object(const char *text);
/* The value of a member of `object`; NULL: there is none. */
const char *hvxl_json_get(const char *object, const char *key);
/* The element of `array` behind `element`, the first one behind NULL; NULL: there is none. */
const char *hvxl_json_next(const char *array, const char *element);

/* UTF-8, g_free() it; NULL: it is none. What is no character becomes U+FFFD. */
char *hvxl_json_string(const char *value);
/* The value is this string. */
gboolean hvxl_json_is(const char *value, const char *text);
/* FALSE: there is none, or it does not fit. */
gboolean hvxl_json_uint(const char *value, guint64 *ret_number);
gboolean hvxl_json_true(const char *value);

/* A JSON string of this text, with its quotes; g_free() it. */
char *hvxl_json_quote(const char *text);
