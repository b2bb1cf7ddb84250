/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsnd= of xl: each value of the key is a card, a line of it one of CARD, PCM and STREAM with its
 * parameters; what a line says holds for those below it. */
#include "hvxl-config-keys.h"

#include <string.h>

#define MAX_ITEMS 64 /* of a list, and of PCMs and streams */

static gboolean
wrong(const char *text, GError **error)
{
    return hvxl_invalid(error, "metadata: '%s' can't be a value of xl's vsnd", text);
}

/* ---- parameters that all have ---- */

static gboolean
parse_u32(const char *text, uint32_t *ret)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT32, &number, NULL))
        return FALSE;
    *ret = (uint32_t)number;
    return TRUE;
}

static gboolean
set_rates(libxl_vsnd_params *params, const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, ";", MAX_ITEMS);
    guint n = g_strv_length(words);

    params->sample_rates = g_renew(uint32_t, params->sample_rates, n);
    params->num_sample_rates = (int)n;
    for (guint i = 0; i < n; i++) {
        if (!parse_u32(g_strstrip(words[i]), &params->sample_rates[i]))
            return FALSE;
    }
    return TRUE;
}

static gboolean
set_formats(libxl_vsnd_params *params, const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, ";", MAX_ITEMS);
    guint n = g_strv_length(words);

    params->sample_formats = g_renew(libxl_vsnd_pcm_format, params->sample_formats, n);
    params->num_sample_formats = (int)n;
    for (guint i = 0; i < n; i++) {
        if (libxl_vsnd_pcm_format_from_string(g_strstrip(words[i]), &params->sample_formats[i]))
            return FALSE;
    }
    return TRUE;
}

/* *ret_known: it is one of these. */
static gboolean
set_common(libxl_vsnd_params *params, const char *name, const char *value, bool *ret_known)
{
    *ret_known = true;
    if (strcmp(name, "sample-rates") == 0)
        return set_rates(params, value);
    if (strcmp(name, "sample-formats") == 0)
        return set_formats(params, value);
    if (strcmp(name, "channels-min") == 0)
        return parse_u32(value, &params->channels_min);
    if (strcmp(name, "channels-max") == 0)
        return parse_u32(value, &params->channels_max);
    if (strcmp(name, "buffer-size") == 0)
        return parse_u32(value, &params->buffer_size);
    *ret_known = false;
    return TRUE;
}

/* ---- one line ---- */

typedef struct Place {
    libxl_device_vsnd *card;
    libxl_vsnd_pcm *pcm;       /* NULL: none yet */
    libxl_vsnd_stream *stream; /* NULL: none yet */
} Place;

static gboolean
set_own(Place *place, const char *name, const char *value)
{
    if (place->stream && (strcmp(name, "unique-id") == 0 || strcmp(name, "id") == 0)) {
        hvxl_set_string(&place->stream->unique_id, value);
        return TRUE;
    }
    if (place->stream)
        return strcmp(name, "type") == 0 &&
               libxl_vsnd_stream_type_from_string(value, &place->stream->type) == 0;
    if (place->pcm) {
        hvxl_set_string(&place->pcm->name, value);
        return strcmp(name, "name") == 0;
    }
    if (strcmp(name, "backend") == 0)
        hvxl_set_string(&place->card->backend_domname, value);
    else if (strcmp(name, "short-name") == 0)
        hvxl_set_string(&place->card->short_name, value);
    else if (strcmp(name, "long-name") == 0)
        hvxl_set_string(&place->card->long_name, value);
    else
        return FALSE;
    return TRUE;
}

static gboolean
begin_item(Place *place, const char *word)
{
    libxl_device_vsnd *card = place->card;

    if (g_ascii_strcasecmp(word, "CARD") == 0)
        return place->pcm == NULL;
    if (g_ascii_strcasecmp(word, "PCM") == 0 && card->num_vsnd_pcms < MAX_ITEMS) {
        card->pcms = g_renew(libxl_vsnd_pcm, card->pcms, card->num_vsnd_pcms + 1);
        place->pcm = &card->pcms[card->num_vsnd_pcms++];
        libxl_vsnd_pcm_init(place->pcm);
        place->stream = NULL;
        return TRUE;
    }
    if (g_ascii_strcasecmp(word, "STREAM") != 0 || place->pcm == NULL ||
        place->pcm->num_vsnd_streams == MAX_ITEMS)
        return FALSE;
    place->pcm->streams = g_renew(libxl_vsnd_stream, place->pcm->streams,
                                  place->pcm->num_vsnd_streams + 1);
    place->stream = &place->pcm->streams[place->pcm->num_vsnd_streams++];
    libxl_vsnd_stream_init(place->stream);
    return TRUE;
}

static gboolean
build_line(Place *place, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, ",", MAX_ITEMS);
    libxl_vsnd_params *params;

    if (words[0] == NULL || !begin_item(place, g_strstrip(words[0])))
        return FALSE;
    params = place->stream ? &place->stream->params
             : place->pcm  ? &place->pcm->params
                           : &place->card->params;
    for (char **word = words + 1; *word; word++) {
        char *equals = strchr(*word, '=');
        bool known;

        if (equals == NULL)
            return FALSE;
        *equals = '\0';
        const char *name = g_strstrip(*word), *value = g_strstrip(equals + 1);
        if (!set_common(params, name, value, &known) || (!known && !set_own(place, name, value)))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_key_build_vsnd(HvxlBuild *b, const HvxlKey *key, const GPtrArray *values, void *base,
                    GError **error)
{
    for (guint i = 0; i < values->len; i++) {
        g_auto(GStrv) lines = g_strsplit(values->pdata[i], "\n", -1);
        Place place = { .card = HVXL_ADD(b->config, vsnds, num_vsnds, vsnd) };

        place.card->devid = b->config->num_vsnds - 1;
        for (char **line = lines; *line; line++) {
            if (!build_line(&place, *line))
                return wrong(*line, error);
        }
    }
    return TRUE;
}

/* ---- back ---- */

static void
put(GString *out, const char *name, const char *value)
{
    if (value && *value)
        g_string_append_printf(out, ", %s=%s", name, value);
}

static void
put_number(GString *out, const char *name, uint32_t value)
{
    if (value)
        g_string_append_printf(out, ", %s=%u", name, value);
}

static void
put_params(GString *out, const libxl_vsnd_params *params)
{
    for (int i = 0; i < params->num_sample_rates; i++)
        g_string_append_printf(out, "%s%u", i ? ";" : ", sample-rates=", params->sample_rates[i]);
    for (int i = 0; i < params->num_sample_formats; i++)
        g_string_append_printf(out, "%s%s", i ? ";" : ", sample-formats=",
                               libxl_vsnd_pcm_format_to_string(params->sample_formats[i]));
    put_number(out, "channels-min", params->channels_min);
    put_number(out, "channels-max", params->channels_max);
    put_number(out, "buffer-size", params->buffer_size);
}

static void
put_pcm(GString *out, const libxl_vsnd_pcm *pcm)
{
    g_string_append(out, "\nPCM");
    put(out, "name", pcm->name);
    put_params(out, &pcm->params);
    for (int i = 0; i < pcm->num_vsnd_streams; i++) {
        const libxl_vsnd_stream *stream = &pcm->streams[i];

        g_string_append(out, "\nSTREAM");
        put(out, "unique-id", stream->unique_id);
        put(out, "type", stream->type ? libxl_vsnd_stream_type_to_string(stream->type) : NULL);
        put_params(out, &stream->params);
    }
}

void
hvxl_key_adopt_vsnd(const void *base, const HvxlKey *key, GPtrArray *keys)
{
    const libxl_domain_config *config = base;

    for (int i = 0; i < config->num_vsnds; i++) {
        const libxl_device_vsnd *card = &config->vsnds[i];
        g_autoptr(GString) out = g_string_new("CARD");

        put(out, "backend", card->backend_domname);
        put(out, "short-name", card->short_name);
        put(out, "long-name", card->long_name);
        put_params(out, &card->params);
        for (int k = 0; k < card->num_vsnd_pcms; k++)
            put_pcm(out, &card->pcms[k]);
        conf_xl_keys_add_item(keys, key->name, out->str);
    }
}
