/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small words that all native formats share: actions, rates, MAC addresses, paths. */
#include "conf-schema.h"

#include <string.h>

bool
conf_set_string(char **field, const char *value)
{
    g_free(*field);
    *field = g_strdup(value);
    return true;
}

/* ---- actions ---- */

/* The words are those of domXML, in the table that its schema has. */
ConfAction
conf_action_parse(const char *name)
{
    unsigned action = CONF_ACTION_ABSENT;

    if (name)
        conf_name_find(conf_action_names, name, &action);
    return (ConfAction)action;
}

const char *
conf_action_name(ConfAction action)
{
    return conf_name_of(conf_action_names, action);
}

/* ---- rates ---- */

#define RATE_INTERVAL_US 50000 /* xl-network-configuration(5) */

static const struct RateUnit {
    char prefix;
    guint64 bytes;
} rate_units[] = { { 'G', 1000000000 }, { 'M', 1000000 }, { 'K', 1000 } };

/* "@20ms", "@100us", "@1s"; a bare number is seconds for xl, whatever its manual says. */
static bool
rate_interval(const char *text, guint64 *ret_us)
{
    guint64 unit = 1000000;
    char *end;

    if (*text++ != '@' || !g_ascii_isdigit(*text))
        return false;
    guint64 number = g_ascii_strtoull(text, &end, 10);
    if (*end == 'm' || *end == 'u') {
        unit = *end++ == 'm' ? 1000 : 1;
        if (*end != 's')
            return false;
    }
    if (*end == 's')
        end++;
    *ret_us = number <= G_MAXUINT32 ? number * unit : 0;
    return *end == '\0' && *ret_us > 0 && *ret_us <= G_MAXUINT32;
}

/* xl counts KB as 1000 bytes; bits are an eighth. */
bool
conf_rate_split(const char *text, guint64 *ret_bytes, guint64 *ret_interval_us)
{
    char *end;
    guint64 unit = 1;

    if (!g_ascii_isdigit(*text))
        return false;
    guint64 number = g_ascii_strtoull(text, &end, 10);
    for (size_t i = 0; i < G_N_ELEMENTS(rate_units); i++) {
        if (*end == rate_units[i].prefix) {
            unit = rate_units[i].bytes;
            end++;
            break;
        }
    }
    if ((*end != 'B' && *end != 'b') || number > G_MAXINT64 / 1000000000)
        return false;
    *ret_bytes = number * unit / (*end == 'b' ? 8 : 1);
    if (!g_str_has_prefix(++end, "/s"))
        return false;
    *ret_interval_us = RATE_INTERVAL_US;
    return end[2] == '\0' || rate_interval(end + 2, ret_interval_us);
}

bool
conf_rate_parse(const char *text, int64_t *ret_kib_per_s)
{
    guint64 bytes, interval;

    if (!conf_rate_split(text, &bytes, &interval))
        return false;
    guint64 kib = (bytes + 512) / 1024;
    *ret_kib_per_s = (int64_t)(kib == 0 && bytes > 0 ? 1 : kib);
    return true;
}

char *
conf_rate_format(int64_t kib_per_s)
{
    guint64 bytes = (guint64)MAX(kib_per_s, 0) * 1024;

    for (size_t i = 0; i < G_N_ELEMENTS(rate_units); i++) {
        guint64 number = (bytes + rate_units[i].bytes / 2) / rate_units[i].bytes;
        char *text = g_strdup_printf("%" G_GUINT64_FORMAT "%cB/s", number, rate_units[i].prefix);
        int64_t back;

        if (number > 0 && conf_rate_parse(text, &back) && back == kib_per_s)
            return text;
        g_free(text);
    }
    return g_strdup_printf("%" G_GUINT64_FORMAT "B/s", bytes);
}

int64_t
conf_mib_of_kib(int64_t kib)
{
    return kib / 1024 + (kib % 1024 > 0);
}

#define DEFAULT_PERIOD 100000 /* us */

int64_t
conf_cap_of_quota(int64_t quota, int64_t period, int64_t most)
{
    double cap = (double)quota * 100 / (double)(period > 0 ? period : DEFAULT_PERIOD);

    return (int64_t)CLAMP(cap, 1, (double)most);
}

/* ---- MAC addresses ---- */

char *
conf_mac_canonical(const char *text)
{
    unsigned bytes[6];

    for (int i = 0; i < 6; i++) {
        int first = g_ascii_xdigit_value(*text);
        if (first < 0)
            return NULL;
        int second = g_ascii_xdigit_value(*++text);
        bytes[i] = (unsigned)(second < 0 ? first : first * 16 + second);
        if (second >= 0)
            text++;
        if (i < 5 && *text != ':' && *text != '-')
            return NULL;
        if (i < 5)
            text++;
    }
    if (*text != '\0')
        return NULL;
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", bytes[0], bytes[1], bytes[2], bytes[3],
                           bytes[4], bytes[5]);
}

char *
conf_mac_derive(const ConfDomain *def, unsigned index)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 digest[32];
    gsize len = sizeof digest;
    guint8 number[4] = { (guint8)(index >> 24), (guint8)(index >> 16), (guint8)(index >> 8),
                         (guint8)index };

    if (def->uuid_set)
        g_checksum_update(sum, def->uuid, sizeof def->uuid);
    else
        g_checksum_update(sum, (const guchar *)(def->name ? def->name : ""), -1);
    g_checksum_update(sum, number, sizeof number);
    g_checksum_get_digest(sum, digest, &len);
    /* The Xen toolstacks keep to the lower half of their OUI. */
    return g_strdup_printf("00:16:3e:%02x:%02x:%02x", digest[0] & 0x7f, digest[1], digest[2]);
}

/* ---- paths ---- */

const char *
conf_number_format(char text[CONF_NUMBER], gint64 number)
{
    guint64 left = number < 0 ? -(guint64)number : (guint64)number;
    char *at = text + CONF_NUMBER;

    *--at = '\0';
    do
        *--at = (char)('0' + left % 10);
    while (left /= 10);
    if (number < 0)
        *--at = '-';
    return memmove(text, at, (size_t)(text + CONF_NUMBER - at));
}

const char *
conf_item_path(char path[CONF_ITEM_PATH], const char *key, unsigned index)
{
    char number[CONF_NUMBER];
    size_t len = strnlen(key, CONF_ITEM_PATH - 16);

    memcpy(path, key, len);
    path[len++] = '[';
    conf_number_format(number, index);
    g_stpcpy(g_stpcpy(path + len, number), "]");
    return path;
}

char *
conf_path_absolute(const char *path, const char *file)
{
    while (g_str_has_prefix(path, "./"))
        path += 2;
    if (path[0] == '/')
        return g_strdup(path);
    if (file == NULL || file[0] != '/')
        return g_strconcat("/", path, NULL);
    g_autofree char *folder = g_path_get_dirname(file);
    return g_build_filename(folder, path, NULL);
}

char *
conf_pci_name(const ConfHostdev *dev)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", (unsigned)dev->domain.value,
                           (unsigned)dev->bus.value, (unsigned)dev->slot.value,
                           (unsigned)dev->function.value);
}
