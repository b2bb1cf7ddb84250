/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl and xm: from a domain to text. */
#include "conf-cfg.h"

#include <string.h>

#define MAX_WIDTH 88 /* of a list in one line */

/* ---- values as both xl and Python read them ---- */

static void
append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c == '"' || c == '\\')
            g_string_append_printf(out, "\\%c", c);
        else if (c == '\n')
            g_string_append(out, "\\n");
        else if (c == '\t')
            g_string_append(out, "\\t");
        else if (c < 0x20 || c == 0x7f)
            g_string_append_printf(out, "\\x%02x", c);
        else
            g_string_append_c(out, (char)c);
    }
    g_string_append_c(out, '"');
}

void
cfg_put_string(CfgWriter *w, const char *key, const char *value)
{
    g_string_append_printf(w->out, "%s = ", key);
    append_quoted(w->out, value);
    g_string_append_c(w->out, '\n');
}

/* xl's lexer knows no minus sign: a negative number is a quoted one. */
void
cfg_put_int(CfgWriter *w, const char *key, int64_t value)
{
    const char *quote = value < 0 ? "\"" : "";

    g_string_append_printf(w->out, "%s = %s%" G_GINT64_FORMAT "%s\n", key, quote, value, quote);
}

/* What fits a line stands in one; else one item a line, aligned with the first. */
void
cfg_put_list(CfgWriter *w, const char *key, GPtrArray *strings)
{
    size_t width = strlen(key);

    if (strings->len == 0)
        return;
    for (guint i = 0; i < strings->len; i++)
        width += strlen(g_ptr_array_index(strings, i)) + 4;
    g_string_append_printf(w->out, "%s = [ ", key);
    for (guint i = 0; i < strings->len; i++) {
        if (i > 0 && width > MAX_WIDTH)
            g_string_append_printf(w->out, ",\n%*s", (int)strlen(key) + 5, "");
        else if (i > 0)
            g_string_append(w->out, ", ");
        append_quoted(w->out, g_ptr_array_index(strings, i));
    }
    g_string_append(w->out, " ]\n");
}

void
cfg_put_lists(CfgWriter *w, const char *key, GPtrArray *texts)
{
    if (texts->len == 0)
        return;
    g_string_append_printf(w->out, "%s = [ ", key);
    for (guint i = 0; i < texts->len; i++) {
        g_auto(GStrv) lines = g_strsplit(texts->pdata[i], "\n", -1);

        if (i > 0)
            g_string_append_printf(w->out, ",\n%*s", (int)strlen(key) + 5, "");
        g_string_append(w->out, "[ ");
        for (char **line = lines; *line; line++) {
            if (line != lines)
                g_string_append_printf(w->out, ",\n%*s", (int)strlen(key) + 7, "");
            append_quoted(w->out, *line);
        }
        g_string_append(w->out, " ]");
    }
    g_string_append(w->out, " ]\n");
}

static void
report_va(CfgWriter *w, ConfOutcome outcome, const char *value, const char *reason,
          const char *path, va_list args)
{
    g_autofree char *full = g_strdup_vprintf(path, args);

    conf_report_add(w->report, outcome, 0, 0, full, value, "%s", reason);
}

void
cfg_lost(CfgWriter *w, const char *value, const char *reason, const char *path, ...)
{
    va_list args;

    va_start(args, path);
    report_va(w, CONF_OUTCOME_LOST, value, reason, path, args);
    va_end(args);
}

void
cfg_changed(CfgWriter *w, const char *value, const char *reason, const char *path, ...)
{
    va_list args;

    va_start(args, path);
    report_va(w, CONF_OUTCOME_CHANGED, value, reason, path, args);
    va_end(args);
}

/* ---- rows ---- */

static const char *
name_of(const CfgKey *key, const char *value)
{
    for (const CfgName *name = key->names; name && name->word; name++) {
        if (name->value && g_str_equal(name->value, value))
            return name->word;
    }
    return key->names ? NULL : value;
}

static void
write_plain(CfgWriter *w, const CfgKey *key)
{
    const char *base = key->in_parts ? (const char *)&w->parts : (const char *)w->def;
    const void *field = base + key->offset;

    switch (key->type) {
    case CFG_TYPE_HOOK:
        return;
    case CFG_TYPE_STRING: {
        const char *text = *(char *const *)field;

        if (text && name_of(key, text))
            cfg_put_string(w, key->name, name_of(key, text));
        else if (text)
            cfg_lost(w, text, "no word for this value", "%s", key->name);
        return;
    }
    case CFG_TYPE_OPTINT: {
        const ConfOptInt *number = field;

        if (number->set)
            cfg_put_int(w, key->name, number->value);
        return;
    }
    case CFG_TYPE_TRISTATE: {
        ConfTristate value = *(const ConfTristate *)field;

        if (value != CONF_TRISTATE_ABSENT)
            cfg_put_int(w, key->name, value == CONF_TRISTATE_ON);
        return;
    }
    case CFG_TYPE_ACTION: {
        const char *name = conf_action_name(*(const ConfAction *)field);

        if (name)
            cfg_put_string(w, key->name, name);
        return;
    }
    case CFG_TYPE_BOOL:
        if (*(const bool *)field)
            cfg_put_int(w, key->name, 1);
        return;
    }
}

static void
write_keys(CfgWriter *w)
{
    for (size_t i = 0; i < cfg_n_keys; i++) {
        const CfgKey *key = &cfg_keys[i];

        if (!(key->who & w->who) || key->read_only || (key->guests && !(key->guests & w->guest)))
            continue;
        if (key->carry == CFG_CARRY_ALL ||
            (key->carry == CFG_CARRY_INSTEAD && w->who == CFG_XL && cfg_is_carried(w, key->name)))
            cfg_write_carried(w, key);
        else if (key->write)
            key->write(w, key);
        else
            write_plain(w, key);
    }
}

static gboolean
is_ascii(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text >= 0x80)
            return FALSE;
    }
    return TRUE;
}

static CfgGuest
guest_of(const ConfDomain *def)
{
    if (def->os.type == CONF_OS_HVM)
        return CFG_HVM;
    if (def->os.type == CONF_OS_XENPVH)
        return CFG_PVH;
    /* The stock driver takes both spellings of a PVH domain. */
    return g_strcmp0(def->os.machine, "xenpvh") == 0 ? CFG_PVH : CFG_PV;
}

char *
conf_cfg_from_domain(const ConfDomain *def, ConfFormat format, ConfReport *report, GError **error)
{
    CfgWriter w = {
        .def = def,
        .report = report,
        .who = format == CONF_FORMAT_XM ? CFG_XM : CFG_XL,
        .guest = guest_of(def),
    };

    if (w.guest == CFG_PVH && w.who == CFG_XM) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED,
                    "domain %s is a PVH domain, which xm never knew", def->name);
        return NULL;
    }
    if (def->os.type == CONF_OS_EXE) {
        g_set_error(error, CONF_ERROR, CONF_ERROR_UNSUPPORTED,
                    "domain %s is a container, which Xen does not know", def->name);
        return NULL;
    }
    g_autoptr(ConfXlExt) ext = w.ext = conf_xl_ext_load(def, error);
    if (ext == NULL)
        return NULL;
    g_autoptr(GString) out = w.out = g_string_new(NULL);
    cfg_base_split(&w);
    cfg_cpu_split(&w);
    cfg_graphics_split(&w);
    cfg_devices_split(&w);
    write_keys(&w);
    cfg_report_unwritten(&w);
    cfg_report_uncarried(&w);
    cfg_parts_clear(&w.parts);
    /* Python 2 refuses bytes above 127 in a file that does not say what they are. */
    if (w.who == CFG_XM && !is_ascii(out->str))
        g_string_prepend(out, "# -*- coding: utf-8 -*-\n");
    return g_string_free(g_steal_pointer(&out), FALSE);
}
