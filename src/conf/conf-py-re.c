/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The module re, as far as a matcher that backtracks can be bounded. */
#include "conf-py-value.h"

#include <string.h>

#define MAX_PATTERN 256
#define MAX_SUBJECT 512
#define MATCH_COST  5000 /* steps: a match may take a while, however small it is */

/* May the pattern be given to a matcher that backtracks? A group that is repeated and a reference
 * back make that exponential; how many plain repeats are in it bounds the power. */
static bool
is_tame(const char *pattern)
{
    unsigned repeats = 0;
    bool in_class = false;

    for (const char *p = pattern; *p != '\0'; p++) {
        if (*p == '\\') {
            if (g_ascii_isdigit(p[1]) || p[1] == 'g' || p[1] == 'k' || p[1] == '\0')
                return false;
            p++;
        } else if (in_class || *p == '[') {
            in_class = *p != ']';
        } else if (*p == '*' || *p == '+' || *p == '{') {
            repeats++;
        } else if (*p == ')' && p[1] != '\0' && strchr("*+{?", p[1]) != NULL) {
            return false;
        } else if (*p == '(' && p[1] == '?' && p[2] != ':' && p[2] != 'P' && p[2] != 'i') {
            return false;
        }
    }
    return repeats <= 3;
}

/* One use of a pattern. */
typedef struct Search {
    ConfPy *py;
    const ConfPyCall *call;
    GRegex *regex;
    GMatchInfo *info;
    const ConfPyValue *subject;
} Search;

static void
search_clear(Search *s)
{
    g_clear_pointer(&s->info, g_match_info_free);
    g_clear_pointer(&s->regex, g_regex_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Search, search_clear)

/* NULL, or OPAQUE: that is what the function returns. Else there is a regex and the subject is a
 * string. */
static ConfPyValue *
begin(Search *s, const ConfPyValue *pattern, const ConfPyValue *flags, bool at_start)
{
    bool fold = flags != NULL && conf_py_truth(flags);
    g_autoptr(GError) error = NULL;

    if (pattern->type != CONF_PY_V_STR || s->subject->type != CONF_PY_V_STR)
        return conf_py_raise(s->py, s->call->pos, "TypeError", "re needs a pattern and a string");
    if (pattern->len > MAX_PATTERN || s->subject->len > MAX_SUBJECT || !is_tame(pattern->str))
        return conf_py_opaque(s->py, s->call->pos, "this search with a pattern");
    if (!conf_py_step(s->py, s->call->pos, MATCH_COST))
        return NULL;
    s->regex = g_regex_new(
        pattern->str,
        G_REGEX_RAW | (fold ? G_REGEX_CASELESS : 0) | (at_start ? G_REGEX_ANCHORED : 0), 0, &error);
    if (s->regex == NULL)
        return conf_py_raise(s->py, s->call->pos, "error", "the pattern cannot be read: %s",
                             error->message);
    return &conf_py_none;
}

static ConfPyValue *
group_at(const Search *s, gint i)
{
    g_autofree char *text = g_match_info_fetch(s->info, i);
    gint start = -1;

    if (!g_match_info_fetch_pos(s->info, i, &start, NULL) || start < 0 || text == NULL)
        return &conf_py_none;
    return conf_py_str(s->py, s->call->pos, text, strlen(text));
}

static ConfPyValue *
groups_of(const Search *s)
{
    ConfPyValue *match = conf_py_new(s->py, CONF_PY_V_MATCH);
    gint count = g_match_info_get_match_count(s->info);

    for (gint i = 0; i < count; i++) {
        ConfPyValue *value = group_at(s, i);

        if (value == NULL || !conf_py_append(s->py, match, value, s->call->pos))
            return NULL;
    }
    return match;
}

static ConfPyValue *
run(ConfPy *py, const ConfPyCall *call, bool at_start)
{
    g_auto(Search) s = { .py = py, .call = call, .subject = call->args[1].value };
    g_autoptr(GError) error = NULL;
    const ConfPyValue *flags = call->n_args > 2 ? call->args[2].value : NULL;
    ConfPyValue *begun = begin(&s, call->args[0].value, flags, at_start);

    if (begun != &conf_py_none)
        return begun;
    if (g_regex_match_full(s.regex, s.subject->str, (gssize)s.subject->len, 0, 0, &s.info, &error))
        return groups_of(&s);
    return error != NULL ? conf_py_opaque(py, call->pos, "this search with a pattern")
                         : &conf_py_none;
}

static ConfPyValue *
re_search(ConfPy *py, const ConfPyCall *call)
{
    return run(py, call, false);
}

static ConfPyValue *
re_match(ConfPy *py, const ConfPyCall *call)
{
    return run(py, call, true);
}

/* At most `max` matches; 0: all. */
static ConfPyValue *
replace_all(const Search *s, const ConfPyValue *with, gint64 max)
{
    g_autoptr(GString) out = g_string_new(NULL);
    gsize at = 0;

    for (gint64 n = 0; g_match_info_matches(s->info) && (max == 0 || n < max); n++) {
        gint start = 0, end = 0;

        g_match_info_fetch_pos(s->info, 0, &start, &end);
        g_string_append_len(out, s->subject->str + at, start - (gssize)at);
        g_string_append_len(out, with->str, (gssize)with->len);
        at = (gsize)end;
        if (!conf_py_step(s->py, s->call->pos, MATCH_COST) ||
            !(conf_py_room(&s->py->arena, out->len) ||
              conf_py_may_make(s->py, s->call->pos, out->len)))
            return NULL;
        g_match_info_next(s->info, NULL);
    }
    g_string_append_len(out, s->subject->str + at, (gssize)(s->subject->len - at));
    return conf_py_str(s->py, s->call->pos, out->str, out->len);
}

/* re.sub(pattern, with, text[, count]) */
static ConfPyValue *
re_sub(ConfPy *py, const ConfPyCall *call)
{
    const ConfPyValue *with = call->args[1].value;
    gint64 max = call->n_args > 3 && call->args[3].value->type == CONF_PY_V_INT
                     ? call->args[3].value->i
                     : 0;
    g_auto(Search) s = { .py = py, .call = call, .subject = call->args[2].value };
    ConfPyValue *begun;

    /* A function, or a text with references to groups. */
    if (with->type != CONF_PY_V_STR || memchr(with->str, '\\', with->len) != NULL)
        return conf_py_opaque(py, call->pos, "this replacement");
    begun = begin(&s, call->args[0].value, NULL, false);
    if (begun != &conf_py_none)
        return begun;
    g_regex_match_full(s.regex, s.subject->str, (gssize)s.subject->len, 0, 0, &s.info, NULL);
    return replace_all(&s, with, max);
}

static bool
add_text(const Search *s, ConfPyValue *list, gsize from, gsize to)
{
    ConfPyValue *text = conf_py_str(s->py, s->call->pos, s->subject->str + from, to - from);

    return text != NULL && conf_py_append(s->py, list, text, s->call->pos);
}

static ConfPyValue *
pieces(ConfPy *py, const ConfPyCall *call, bool between)
{
    ConfPyValue *list = conf_py_new(py, CONF_PY_V_LIST);
    g_auto(Search) s = { .py = py, .call = call, .subject = call->args[1].value };
    ConfPyValue *begun = begin(&s, call->args[0].value, NULL, false);
    gsize at = 0;

    if (begun != &conf_py_none)
        return begun;
    if (g_regex_get_capture_count(s.regex) > (between ? 0 : 1))
        return conf_py_opaque(py, call->pos, "this use of groups in a pattern");
    g_regex_match_full(s.regex, s.subject->str, (gssize)s.subject->len, 0, 0, &s.info, NULL);
    for (; g_match_info_matches(s.info); g_match_info_next(s.info, NULL)) {
        gint start = 0, end = 0;

        g_match_info_fetch_pos(s.info, between ? 0 : g_regex_get_capture_count(s.regex), &start,
                               &end);
        if (!conf_py_step(py, call->pos, MATCH_COST))
            return NULL;
        if (between && start == end)
            continue; /* Python 2 splits at no empty match */
        if (start >= 0 &&
            !add_text(&s, list, between ? at : (gsize)start, between ? (gsize)start : (gsize)end))
            return NULL;
        at = (gsize)MAX(end, 0);
    }
    return !between || add_text(&s, list, at, s.subject->len) ? list : NULL;
}

static ConfPyValue *
re_split(ConfPy *py, const ConfPyCall *call)
{
    return pieces(py, call, true);
}

static ConfPyValue *
re_findall(ConfPy *py, const ConfPyCall *call)
{
    return pieces(py, call, false);
}

/* re.compile(pattern[, flags]): what comes of it is used once or twice, so it is kept as it is. */
static ConfPyValue *
re_compile(ConfPy *py, const ConfPyCall *call)
{
    ConfPyValue *pattern = conf_py_new(py, CONF_PY_V_PATTERN);

    for (unsigned i = 0; i < call->n_args; i++) {
        if (!conf_py_append(py, pattern, call->args[i].value, call->args[i].pos))
            return NULL;
    }
    return pattern;
}

/* A method of a compiled pattern: the function, with the pattern put first. */
static ConfPyValue *
with_pattern(ConfPy *py, const ConfPyCall *call, unsigned flags_at,
             ConfPyValue *(*function)(ConfPy *py, const ConfPyCall *call))
{
    const ConfPyList *compiled = &call->self->list;
    ConfPyItem args[3] = { compiled->items[0], call->args[0], { &conf_py_none, call->pos } };
    ConfPyCall inner = { .pos = call->pos, .args = args, .n_args = call->n_args + 1 };

    if (call->n_args > 1)
        args[2] = call->args[1];
    if (compiled->n > 1 && flags_at == 0)
        return conf_py_opaque(py, call->pos, "a pattern with flags");
    if (compiled->n > 1) {
        args[flags_at] = compiled->items[1];
        inner.n_args = flags_at + 1;
    }
    return function(py, &inner);
}

static ConfPyValue *
pattern_search(ConfPy *py, const ConfPyCall *call)
{
    return with_pattern(py, call, 2, re_search);
}

static ConfPyValue *
pattern_match(ConfPy *py, const ConfPyCall *call)
{
    return with_pattern(py, call, 2, re_match);
}

static ConfPyValue *
pattern_sub(ConfPy *py, const ConfPyCall *call)
{
    return with_pattern(py, call, 0, re_sub);
}

static ConfPyValue *
pattern_split(ConfPy *py, const ConfPyCall *call)
{
    return with_pattern(py, call, 0, re_split);
}

static ConfPyValue *
pattern_findall(ConfPy *py, const ConfPyCall *call)
{
    return with_pattern(py, call, 0, re_findall);
}

const ConfPyBuiltin conf_py_re[] = {
    { "re", "compile", 1, 2, 0, re_compile },
    { "re", "findall", 2, 2, 0, re_findall },
    { "re", "match", 2, 3, 0, re_match },
    { "re", "search", 2, 3, 0, re_search },
    { "re", "split", 2, 2, 0, re_split },
    { "re", "sub", 3, 4, 0, re_sub },
    { "pattern", "findall", 1, 1, 0, pattern_findall },
    { "pattern", "match", 1, 1, 0, pattern_match },
    { "pattern", "search", 1, 1, 0, pattern_search },
    { "pattern", "split", 1, 1, 0, pattern_split },
    { "pattern", "sub", 2, 2, 0, pattern_sub },
    { NULL, NULL, 0, 0, 0, NULL },
};
