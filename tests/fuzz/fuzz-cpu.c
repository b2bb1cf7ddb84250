/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processors: an index of definitions, a NUL, a <cpu>, a NUL, and what CPUID says. Without the
 * first NUL the input is a <cpu>, and the definitions are those of the unit tests.
 */
#include <conf/conf.h>

#include "../unit/cpu-map.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `data` is the text of the index, or NULL. */
static char *
read_file(const char *name, gpointer data, GError **error)
{
    g_assert(*name != '.' && !strchr(name, '/'));
    if (data && strcmp(name, "index.xml") == 0)
        return g_strdup(data);
    for (gsize i = 0; i < G_N_ELEMENTS(cpu_map_files); i++)
        if (strcmp(cpu_map_files[i].name, name) == 0)
            return g_strdup(cpu_map_files[i].text);
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "no %s", name);
    return NULL;
}

/* Whoever it is, it is what it is. */
static void
check_itself(const ConfCpuMap *map, const ConfCpuSpec *host)
{
    g_autoptr(GError) error = NULL;

    switch (conf_cpu_compare(map, host, host, NULL, &error)) {
    case CONF_CPU_COMPARE_ERROR:
        g_assert(error);
        break;
    case CONF_CPU_COMPARE_IDENTICAL:
        g_assert(!error);
        break;
    case CONF_CPU_COMPARE_INCOMPATIBLE:
        /* of another architecture, which nothing here is compared with */
        g_assert(conf_cpu_arch(host->arch) != CONF_CPU_ARCH_X86);
        break;
    case CONF_CPU_COMPARE_SUPERSET:
        g_assert_not_reached();
    }
}

static void
check_baseline(const ConfCpuMap *map, ConfCpuSpec *cpu, const ConfCpuSpec *limit, unsigned flags)
{
    g_autoptr(GPtrArray) cpus = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autoptr(ConfCpuSpec) again = NULL;

    g_ptr_array_add(cpus, cpu);
    g_ptr_array_add(cpus, cpu);
    text = conf_cpu_baseline(map, cpus, limit, flags, &error);
    g_assert(!text == !!error);
    if (!text)
        return;
    again = conf_cpu_spec_parse(text, FALSE, &error);
    /* Escapes may make a document longer than what is read. */
    if (!again && !g_error_matches(error, CONF_ERROR, CONF_ERROR_LIMIT))
        g_error("refused what was written: %s\n%s", error->message, text);
}

static ConfCpuSpec *
decode(const ConfCpuMap *map, const char *data, size_t size)
{
    g_autofree ConfCpuLeaf *leaves = g_new0(ConfCpuLeaf, size / sizeof(ConfCpuLeaf) + 1);
    size_t n = size / sizeof(ConfCpuLeaf);

    memcpy(leaves, data, n * sizeof(ConfCpuLeaf));
    return conf_cpu_decode(map, "x86_64", leaves, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size); /* NUL-terminated, NULs in it */
    g_autoptr(GError) error = NULL;
    g_autoptr(ConfCpuMap) map = NULL;
    g_autoptr(ConfCpuSpec) cpu = NULL, host = NULL;
    const char *xml, *rest;

    memcpy(text, data, size);
    xml = memchr(text, '\0', size);
    map = conf_cpu_map_new(read_file, xml ? text : NULL, &error);
    g_assert(!map == !!error);
    g_clear_error(&error);
    if (!map)
        return 0;
    xml = xml ? xml + 1 : text;
    rest = xml + MIN(strlen(xml) + 1, (size_t)(text + size - xml));
    host = decode(map, rest, (size_t)(text + size - rest));
    check_itself(map, host);
    cpu = conf_cpu_spec_parse(xml, FALSE, &error);
    g_assert(!cpu == !!error);
    if (!cpu)
        return 0;
    if (cpu->host)
        check_itself(map, cpu);
    conf_cpu_compare(map, host, cpu, NULL, NULL);
    for (unsigned flags = 0; flags < 8; flags++)
        check_baseline(map, cpu, flags & 1 ? host : NULL, flags);
    return 0;
}
