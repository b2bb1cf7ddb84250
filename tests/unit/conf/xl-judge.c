/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xl-judge.h"

#define HAVE_YAJL_V2 1 /* else the header speaks to yajl 1 */
#include <libxl_json.h>
#include <stdio.h>
#include <string.h>

/* libxlutil forgets some of what it has read of a text that it refuses. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
    return "leak:libxlutil";
}

void
xl_judge_init(XlJudge *judge, const char *text, size_t len)
{
    *judge = (XlJudge){ NULL };
    judge->log = open_memstream(&judge->text, &judge->len);
    g_assert_nonnull(judge->log);
    judge->config = xlu_cfg_init(judge->log, "xl");
    g_assert_nonnull(judge->config);
    judge->readable = xlu_cfg_readdata(judge->config, text, (int)len) == 0;
}

void
xl_judge_clear(XlJudge *judge)
{
    if (judge->config == NULL)
        return;
    xlu_cfg_destroy(judge->config);
    fclose(judge->log);
    free(judge->text);
    judge->config = NULL;
}

const char *
xl_judge_complaint(XlJudge *judge)
{
    fflush(judge->log);
    return judge->text;
}

/* ---- structs as text ---- */

#define DEFINE_JSON(type)                                                                          \
    static char *json_##type(type *value)                                                          \
    {                                                                                              \
        yajl_gen gen = yajl_gen_alloc(NULL);                                                       \
        const unsigned char *text;                                                                 \
        size_t len;                                                                                \
                                                                                                   \
        g_assert_cmpint(type##_gen_json(gen, value), ==, yajl_gen_status_ok);                      \
        yajl_gen_get_buf(gen, &text, &len);                                                        \
        char *copy = g_strndup((const char *)text, len);                                           \
        yajl_gen_free(gen);                                                                        \
        return copy;                                                                               \
    }
DEFINE_JSON(libxl_device_disk)
DEFINE_JSON(libxl_device_pci)
DEFINE_JSON(libxl_device_nic)
DEFINE_JSON(libxl_rdm_reserve)

char *
xl_judge_disk(XlJudge *judge, const char *spec)
{
    libxl_device_disk disk;
    char *text = NULL;

    libxl_device_disk_init(&disk);
    if (xlu_disk_parse(judge->config, 1, &spec, &disk) == 0)
        text = json_libxl_device_disk(&disk);
    libxl_device_disk_dispose(&disk);
    return text;
}

char *
xl_judge_pci(XlJudge *judge, const char *spec)
{
    libxl_device_pci pci;
    char *text = NULL;

    libxl_device_pci_init(&pci);
    if (xlu_pci_parse_spec_string(judge->config, &pci, spec) == 0)
        text = json_libxl_device_pci(&pci);
    libxl_device_pci_dispose(&pci);
    return text;
}

static char *
judge_rdm(XlJudge *judge, const char *spec)
{
    libxl_rdm_reserve rdm;
    char *text = NULL;

    libxl_rdm_reserve_init(&rdm);
    if (xlu_rdm_parse(judge->config, &rdm, spec) == 0)
        text = json_libxl_rdm_reserve(&rdm);
    libxl_rdm_reserve_dispose(&rdm);
    return text;
}

static char *
judge_rate(XlJudge *judge, const char *rate)
{
    libxl_device_nic nic;
    char *text = NULL;

    libxl_device_nic_init(&nic);
    if (xlu_vif_parse_rate(judge->config, rate, &nic) == 0)
        text = json_libxl_device_nic(&nic);
    libxl_device_nic_dispose(&nic);
    return text;
}

/* ---- KEY=VALUE,KEY=VALUE: blanks and the order say nothing ---- */

static int
compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *
judge_word(XlJudge *judge, char *word)
{
    g_strstrip(word);
    char *equals = strchr(word, '=');
    if (equals == NULL)
        return g_strdup(word);
    g_autofree char *name = g_strstrip(g_strndup(word, (gsize)(equals - word)));
    g_autofree char *value = g_strstrip(g_strdup(equals + 1));
    if (strcmp(name, "rate") == 0) {
        g_autofree char *rate = judge_rate(judge, value);
        return g_strdup_printf("rate=%s", rate ? rate : "refused");
    }
    return g_strdup_printf("%s=%s", name, value);
}

static char *
judge_words(XlJudge *judge, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);

    for (char **word = words; *word; word++) {
        char *told = judge_word(judge, *word);

        g_free(*word);
        *word = told;
    }
    if (strchr(text, '='))
        qsort(words, g_strv_length(words), sizeof *words, compare_words);
    return g_strjoinv(",", words);
}

static char *
judge_text(XlJudge *judge, const char *key, const char *text)
{
    bool disk = strcmp(key, "disk") == 0, pci = strcmp(key, "pci") == 0;
    bool rdm = strcmp(key, "rdm") == 0;
    char *told;

    if (!disk && !pci && !rdm)
        return judge_words(judge, text);
    told = disk  ? xl_judge_disk(judge, text)
           : pci ? xl_judge_pci(judge, text)
                 : judge_rdm(judge, text);
    return told ? told : g_strdup("refused");
}

/* ---- values ---- */

static void
append_list(XlJudge *judge, const char *key, const XLU_ConfigList *list, GString *out)
{
    XLU_ConfigValue *item;

    g_string_append_c(out, '[');
    for (int i = 0; (item = xlu_cfg_get_listitem2(list, i)) != NULL; i++) {
        XLU_ConfigList *inner;
        char *text;

        if (i > 0)
            g_string_append(out, " | ");
        if (xlu_cfg_value_type(item) == XLU_LIST) {
            g_assert_cmpint(xlu_cfg_value_get_list(judge->config, item, &inner, 1), ==, 0);
            append_list(judge, key, inner, out);
            continue;
        }
        g_assert_cmpint(xlu_cfg_value_get_string(judge->config, item, &text, 1), ==, 0);
        g_autofree char *told = judge_text(judge, key, text);
        g_string_append(out, told);
    }
    g_string_append_c(out, ']');
}

char *
xl_judge_value(XlJudge *judge, const char *key)
{
    XLU_ConfigList *list;
    const char *text;
    int n;

    if (xlu_cfg_get_list(judge->config, key, &list, &n, 1) == 0) {
        GString *out = g_string_new(NULL);

        append_list(judge, key, list, out);
        return g_string_free(out, FALSE);
    }
    return xlu_cfg_get_string(judge->config, key, &text, 1) == 0 ? judge_text(judge, key, text)
                                                                 : NULL;
}
