/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-private.h"

#include <string.h>

#define DEFAULT_LIMIT 65536

ConfBitmap *
conf_bitmap_new(unsigned n_bits)
{
    ConfBitmap *map = g_new0(ConfBitmap, 1);

    map->len = ((size_t)n_bits + 7) / 8;
    map->bits = g_malloc0(map->len);
    return map;
}

ConfBitmap *
conf_bitmap_copy(const ConfBitmap *map)
{
    ConfBitmap *copy;

    if (!map)
        return NULL;
    copy = g_new0(ConfBitmap, 1);
    copy->len = map->len;
    copy->bits = g_memdup2(map->bits, map->len);
    return copy;
}

void
conf_bitmap_free(ConfBitmap *map)
{
    if (!map)
        return;
    g_free(map->bits);
    g_free(map);
}

bool
conf_bitmap_get(const ConfBitmap *map, unsigned n)
{
    return n / 8 < map->len && map->bits[n / 8] & 1u << n % 8;
}

void
conf_bitmap_set(ConfBitmap *map, unsigned n, bool on)
{
    if (n / 8 >= map->len) {
        size_t len = n / 8 + 1;

        if (!on)
            return;
        map->bits = g_realloc(map->bits, len);
        memset(map->bits + map->len, 0, len - map->len);
        map->len = len;
    }
    if (on)
        map->bits[n / 8] |= 1u << n % 8;
    else
        map->bits[n / 8] &= ~(1u << n % 8);
}

unsigned
conf_bitmap_count(const ConfBitmap *map)
{
    unsigned count = 0;

    for (size_t i = 0; i < map->len; i++)
        count += __builtin_popcount(map->bits[i]);
    return count;
}

int
conf_bitmap_last(const ConfBitmap *map)
{
    for (size_t i = map ? map->len : 0; i > 0; i--)
        if (map->bits[i - 1])
            return (i - 1) * 8 + 31 - __builtin_clz(map->bits[i - 1]);
    return -1;
}

char *
conf_bitmap_format(const ConfBitmap *map)
{
    GString *text = g_string_new(NULL);
    int last = conf_bitmap_last(map);

    for (int n = 0; n <= last; n++) {
        int first = n;

        if (!conf_bitmap_get(map, n))
            continue;
        while (conf_bitmap_get(map, n + 1))
            n++;
        g_string_append_printf(text, "%s%d", text->len ? "," : "", first);
        if (n > first)
            g_string_append_printf(text, "-%d", n);
    }
    return g_string_free(text, FALSE);
}

/* ---- reading ---- */

static const char *
skip_space(const char *at)
{
    while (g_ascii_isspace(*at))
        at++;
    return at;
}

/* NULL when there is no number below `limit`. */
static const char *
read_number(const char *at, unsigned limit, unsigned *ret_n)
{
    unsigned n = 0;

    if (!g_ascii_isdigit(*at))
        return NULL;
    for (; g_ascii_isdigit(*at); at++) {
        n = n * 10 + (*at - '0');
        if (n >= limit)
            return NULL;
    }
    *ret_n = n;
    return at;
}

/* Whole bytes at once, so that a text full of "0-65535" costs little. */
static void
set_range(ConfBitmap *map, unsigned first, unsigned last, bool on)
{
    conf_bitmap_set(map, last, on);
    if (!on && map->len) /* clearing past the end is nothing to do */
        last = MIN(last, map->len * 8 - 1);
    for (unsigned n = first; n <= last && n / 8 < map->len; n++) {
        if (n % 8 == 0 && last - n >= 8) {
            size_t bytes = (last - n) / 8;

            memset(map->bits + n / 8, on ? 0xff : 0, bytes);
            n += bytes * 8 - 1;
            continue;
        }
        conf_bitmap_set(map, n, on);
    }
}

/* One of "3", "0-3", "^2", "^1-2"; `ret_map` is changed. NULL when it is none of them. */
static const char *
read_range(const char *at, unsigned limit, ConfBitmap *ret_map)
{
    bool on = *at != '^';
    unsigned first, last;

    at = read_number(skip_space(on ? at : at + 1), limit, &first);
    if (!at)
        return NULL;
    last = first;
    at = skip_space(at);
    if (*at == '-') {
        at = read_number(skip_space(at + 1), limit, &last);
        if (!at || last < first)
            return NULL;
        at = skip_space(at);
    }
    set_range(ret_map, first, last, on);
    return at;
}

ConfBitmap *
conf_bitmap_parse(const char *text, unsigned limit, GError **error)
{
    g_autoptr(ConfBitmap) map = conf_bitmap_new(0);
    const char *at = skip_space(text);

    limit = limit ? MIN(limit, DEFAULT_LIMIT) : DEFAULT_LIMIT;
    while (*at) {
        at = read_range(at, limit, map);
        if (!at || (*at && *at != ',')) {
            g_set_error(error, CONF_ERROR, CONF_ERROR_INVALID,
                        "'%.80s' is no list of numbers below %u such as 0-3,^2,7", text, limit);
            return NULL;
        }
        if (*at == ',')
            at = skip_space(at + 1);
    }
    return g_steal_pointer(&map);
}
