/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The modules os, sys and platform, and xm's own xm_vars; others stand in conf-py-re.c,
 * conf-py-dice.c, conf-py-text.c and conf-py-more.c. What of them asks the machine
 * (files, the environment) answers OPAQUE, or the default that the program itself gives, with a
 * note.
 */
#include "conf-py-value.h"

#include <string.h>

/* ---- os, sys, platform ---- */

static const char *
machine_of(const ConfPy *py)
{
    const char *machine = py->options != NULL ? py->options->machine : NULL;

    return machine != NULL ? machine : "x86_64";
}

/* Of the host that the config is for, only the machine is known. */
static ConfPyValue *
os_uname(ConfPy *py, const ConfPyCall *call)
{
    static const char *const unknown[] = { "os.uname()[1]", "os.uname()[2]", "os.uname()[3]" };
    ConfPyValue *tuple = conf_py_new(py, CONF_PY_V_TUPLE);

    if (!conf_py_append(py, tuple, conf_py_static(py, CONF_PY_V_STR, "Linux"), call->pos))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(unknown); i++) {
        if (!conf_py_append(py, tuple, conf_py_unknown(py, call->pos, "%s", unknown[i]), call->pos))
            return NULL;
    }
    return conf_py_append(py, tuple,
                          conf_py_str(py, call->pos, machine_of(py), strlen(machine_of(py))),
                          call->pos)
               ? tuple
               : NULL;
}

static ConfPyValue *
platform_machine(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_str(py, call->pos, machine_of(py), strlen(machine_of(py)));
}

static ConfPyValue *
os_getenv(ConfPy *py, const ConfPyCall *call)
{
    if (call->n_args < 2)
        return conf_py_opaque(py, call->pos, "a variable of the environment");
    conf_py_remark(py, call->pos,
                   "the environment is not looked into: the default of the config is taken");
    return call->args[1].value;
}

static ConfPyValue *
need_path(ConfPy *py, const ConfPyCall *call)
{
    for (unsigned i = 0; i < call->n_args; i++) {
        if (call->args[i].value->type != CONF_PY_V_STR)
            return conf_py_raise(py, call->args[i].pos, "TypeError", "a path has to be a string");
    }
    return &conf_py_none;
}

static ConfPyValue *
path_join(ConfPy *py, const ConfPyCall *call)
{
    g_autoptr(GString) path = g_string_new(NULL);

    if (need_path(py, call) == NULL)
        return NULL;
    for (unsigned i = 0; i < call->n_args; i++) {
        const ConfPyValue *part = call->args[i].value;

        if (part->len > 0 && part->str[0] == '/')
            g_string_truncate(path, 0);
        else if (path->len > 0 && path->str[path->len - 1] != '/')
            g_string_append_c(path, '/');
        g_string_append_len(path, part->str, (gssize)part->len);
    }
    return conf_py_str(py, call->pos, path->str, path->len);
}

/* Bytes of the part up to and with the last slash. */
static gsize
head_length(const ConfPyValue *path)
{
    const char *slash = path->len > 0 ? memrchr(path->str, '/', path->len) : NULL;

    return slash != NULL ? (gsize)(slash - path->str) + 1 : 0;
}

static ConfPyValue *
path_basename(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *path = call->args[0].value;

    if (need_path(py, call) == NULL)
        return NULL;
    return conf_py_str(py, call->pos, path->str + head_length(path), path->len - head_length(path));
}

static ConfPyValue *
path_dirname(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *path = call->args[0].value;
    gsize len;

    if (need_path(py, call) == NULL)
        return NULL;
    len = head_length(path);
    while (len > 1 && path->str[len - 1] == '/')
        len--;
    return conf_py_str(py, call->pos, path->str, len);
}

static ConfPyValue *
path_splitext(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *path = call->args[0].value;
    gsize head, dot;

    if (need_path(py, call) == NULL)
        return NULL;
    head = head_length(path);
    for (dot = path->len; dot > head && path->str[dot - 1] != '.'; dot--)
        ;
    dot = dot > head + 1 ? dot - 1 : path->len; /* ".profile" is all name */

    ConfPyValue *name = conf_py_str(py, call->pos, path->str, dot);
    ConfPyValue *ext = conf_py_str(py, call->pos, path->str + dot, path->len - dot);

    return name != NULL && ext != NULL ? conf_py_pair(py, call->pos, name, ext) : NULL;
}

static ConfPyValue *
path_split(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *head = path_dirname(py, call);
    ConfPyValue *tail = head != NULL ? path_basename(py, call) : NULL;

    return tail != NULL ? conf_py_pair(py, call->pos, head, tail) : NULL;
}

static ConfPyValue *
path_isabs(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *path = call->args[0].value;

    return need_path(py, call) == NULL ? NULL : conf_py_bool(path->len > 0 && *path->str == '/');
}

/* Without "." and "..", which only texts go into: what is a link, nobody looks. */
static ConfPyValue *
path_normpath(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *path = call->args[0].value;
    g_autoptr(GPtrArray) kept = g_ptr_array_new();
    g_autofree char *joined = NULL, *text = NULL;
    g_auto(GStrv) parts = NULL;
    bool absolute;

    if (need_path(py, call) == NULL || !conf_py_step(py, call->pos, 1 + path->len / 4))
        return NULL;
    absolute = path->len > 0 && *path->str == '/';
    parts = g_strsplit(path->str != NULL ? path->str : "", "/", -1);
    for (char **part = parts; *part != NULL; part++) {
        const char *last = kept->len > 0 ? kept->pdata[kept->len - 1] : "..";

        if (**part == '\0' || g_str_equal(*part, "."))
            continue;
        if (!g_str_equal(*part, "..") || (!absolute && g_str_equal(last, "..")))
            g_ptr_array_add(kept, *part);
        else if (kept->len > 0)
            g_ptr_array_set_size(kept, (gint)kept->len - 1);
    }
    g_ptr_array_add(kept, NULL);
    joined = g_strjoinv("/", (char **)kept->pdata);
    text = g_strconcat(absolute ? "/" : *joined == '\0' ? "." : "", joined, NULL);
    return conf_py_str(py, call->pos, text, strlen(text));
}

/* Where a relative path starts, is not known. */
static ConfPyValue *
path_abspath(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *absolute = path_isabs(py, call);

    if (absolute == NULL)
        return NULL;
    return conf_py_truth(absolute) ? path_normpath(py, call)
                                   : conf_py_opaque(py, call->pos, "the folder that xm runs in");
}

static ConfPyValue *
sys_exit(ConfPy *py, const ConfPyCall *call)
{
    return conf_py_raise(py, call->pos, "SystemExit", "the program ends itself with sys.exit()");
}

/* ---- xm_vars: parameters of a config ---- */

/* What was given on the command line: a string, and a check function makes of it what it wants;
 * without one, what looks like a number is a number. */
static ConfPyValue *
given_value(ConfPy *py, const ConfPyCall *call, const char *name, bool checked)
{
    const char *text = py->options != NULL && py->options->set != NULL
                           ? g_hash_table_lookup(py->options->set, name)
                           : NULL;
    gint64 number;

    if (text == NULL)
        return NULL;
    g_hash_table_add(py->given, (gpointer)name);
    if (!checked && conf_text_to_int(text, &number))
        return conf_py_int(py, number);
    return conf_py_str(py, call->pos, text, MIN(strlen(text), CONF_PY_MAX_VALUE));
}

static ConfPyValue *
xm_vars_var(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *name = call->args[0].value;
    ConfPyValue *check = conf_py_named_arg(call, "check"), *use = conf_py_named_arg(call, "use");
    bool checked = check != NULL && check->type != CONF_PY_V_NONE;
    ConfPyValue *value;

    if (name->type != CONF_PY_V_STR || name->len == 0)
        return conf_py_raise(py, call->pos, "TypeError", "xm_vars.var() needs a name");
    value = given_value(py, call, name->str, checked);
    if (value == NULL && py->fatal != NULL)
        return NULL;
    if (value == NULL)
        value = conf_py_named_arg(call, "default");
    if (value == NULL) {
        const char *what = use != NULL && use->type == CONF_PY_V_STR ? use->str : "";

        g_hash_table_insert(py->wanted, (gpointer)name->str, (gpointer)what);
        return &conf_py_none;
    }
    if (checked) {
        ConfPyItem items[] = { { call->args[0].value, call->pos }, { value, call->pos } };
        ConfPyCall inner = { .pos = call->pos, .args = items, .n_args = 2 };

        value = conf_py_call(py, check, &inner);
        if (value == NULL)
            return NULL;
    }
    conf_py_set_global(py, name->str, value, call->pos);
    return &conf_py_none;
}

static ConfPyValue *
xm_vars_check(ConfPy *py, const ConfPyCall *call)
{
    GHashTableIter iter;
    gpointer name, use;

    g_hash_table_iter_init(&iter, py->wanted);
    if (!g_hash_table_iter_next(&iter, &name, &use))
        return &conf_py_none;
    return conf_py_stop(py, call->pos, CONF_ERROR_INVALID,
                        "this config needs a value for '%s'%s%.100s%s: give it with --set %s=N",
                        (char *)name, *(char *)use != '\0' ? " (" : "", (char *)use,
                        *(char *)use != '\0' ? ")" : "", (char *)name);
}

/* ---- the table ---- */

const ConfPyBuiltin conf_py_modules[] = {
    { "os", "uname", 0, 0, 0, os_uname },
    { "os", "getenv", 1, 2, 0, os_getenv },
    { "os.environ", "get", 1, 2, 0, os_getenv },
    { "os.path", "abspath", 1, 1, 0, path_abspath },
    { "os.path", "isabs", 1, 1, 0, path_isabs },
    { "os.path", "join", 1, 255, 0, path_join },
    { "os.path", "normpath", 1, 1, 0, path_normpath },
    { "os.path", "split", 1, 1, 0, path_split },
    { "os.path", "basename", 1, 1, 0, path_basename },
    { "os.path", "dirname", 1, 1, 0, path_dirname },
    { "os.path", "splitext", 1, 1, 0, path_splitext },
    { "platform", "machine", 0, 0, 0, platform_machine },
    { "sys", "exit", 0, 1, CONF_PY_TAKES_OPAQUE, sys_exit },
    { "xm_vars", "check", 0, 0, 0, xm_vars_check },
    { "xm_vars", "var", 1, 1, CONF_PY_TAKES_NAMED | CONF_PY_TAKES_OPAQUE, xm_vars_var },
    { NULL, NULL, 0, 0, 0, NULL },
};
