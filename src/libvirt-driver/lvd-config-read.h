/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The syntax of libvirt's configuration files:
 *
 *     file    = { [ KEY '=' value ] newline }
 *     value   = STRING | [ '-' ] DIGITS | '[' [ value { ',' value } [ ',' ] ] ']'
 *     STRING  = "..." or '...' on one line, or """...""" on several; no escapes
 *
 * '#' begins a comment. Between brackets newlines are blanks. It differs from xl's syntax in signs,
 * escapes and separators, so it has a reader of its own.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum { LVD_SETTING_STRING, LVD_SETTING_NUMBER, LVD_SETTING_LIST } LvdSettingKind;

typedef struct LvdSetting {
    char *key;
    guint line, column; /* of the key, from 1; columns count bytes */
    guint value_line, value_column;
    LvdSettingKind kind;
    char *text;    /* STRING */
    gint64 number; /* NUMBER */
    guint n_items; /* LIST: no key that has an effect takes items, so they are only counted */
} LvdSetting;

/* GPtrArray of LvdSetting in the order of the file. NULL and "FILE:LINE:COLUMN: reason" where it is
 * wrong. */
GPtrArray *lvd_settings_read(const char *text, gsize length, const char *file, GError **error);

G_END_DECLS
