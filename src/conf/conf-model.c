/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Life and death of the model's structs: all of it follows the rows of conf-schema.c. */
#include "conf-schema.h"

#include <stdio.h>
#include <string.h>

/* ---- any struct ---- */

static void
init_lists(const ConfSchema *schema, void *owner)
{
    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];
        void *field = conf_row_field(row, owner);

        if (row->kind == CONF_FIELD_LIST)
            *(GPtrArray **)field = g_ptr_array_new_with_free_func(row->schema->free);
        else if (row->kind == CONF_FIELD_STRUCT)
            init_lists(row->schema, field);
    }
}

void *
conf_schema_new(const ConfSchema *schema)
{
    void *owner = g_malloc0(schema->size);

    init_lists(schema, owner);
    return owner;
}

static void schema_free(const ConfSchema *schema, void *owner);

static void
clear_pointer(const ConfRow *row, void **field)
{
    if (row->kind == CONF_FIELD_STRING)
        g_free(*field);
    else if (row->kind == CONF_FIELD_BITMAP)
        conf_bitmap_free(*field);
    else if (row->kind == CONF_FIELD_LIST && *field)
        g_ptr_array_unref(*field);
    else if (row->kind == CONF_FIELD_POINTER)
        schema_free(row->schema, *field);
    else
        return;
    *field = NULL; /* several rows may name one field */
}

/* Frees what it owns, not itself. */
static void
schema_clear(const ConfSchema *schema, void *owner)
{
    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];

        if (row->kind == CONF_FIELD_STRUCT)
            schema_clear(row->schema, conf_row_field(row, owner));
        else
            clear_pointer(row, conf_row_field(row, owner));
    }
}

static void
schema_free(const ConfSchema *schema, void *owner)
{
    if (!owner)
        return;
    schema_clear(schema, owner);
    g_free(owner);
}

static void schema_copy_into(const ConfSchema *schema, void *dest, const void *src);

void *
conf_schema_copy(const ConfSchema *schema, const void *src)
{
    void *dest = g_malloc(schema->size);

    schema_copy_into(schema, dest, src);
    return dest;
}

static GPtrArray *
copy_list(const ConfSchema *schema, const GPtrArray *src)
{
    GPtrArray *dest = g_ptr_array_new_full(src->len, schema->free);

    for (guint i = 0; i < src->len; i++)
        g_ptr_array_add(dest, conf_schema_copy(schema, src->pdata[i]));
    return dest;
}

static void
copy_pointer(const ConfRow *row, void **dest, void *const *src)
{
    /* Another row of the same field was here already, or there is nothing to copy. */
    if (*dest != *src || !*src)
        return;
    if (row->kind == CONF_FIELD_STRING)
        *dest = g_strdup(*src);
    else if (row->kind == CONF_FIELD_BITMAP)
        *dest = conf_bitmap_copy(*src);
    else if (row->kind == CONF_FIELD_LIST)
        *dest = copy_list(row->schema, *src);
    else if (row->kind == CONF_FIELD_POINTER)
        *dest = conf_schema_copy(row->schema, *src);
}

static bool
is_pointer(const ConfRow *row)
{
    return row->kind == CONF_FIELD_STRING || row->kind == CONF_FIELD_BITMAP ||
           row->kind == CONF_FIELD_LIST || row->kind == CONF_FIELD_POINTER;
}

static void
schema_copy_into(const ConfSchema *schema, void *dest, const void *src)
{
    memcpy(dest, src, schema->size);
    for (unsigned i = 0; i < schema->n_rows; i++) {
        const ConfRow *row = &schema->rows[i];
        void *to = conf_row_field(row, dest);
        const void *from = conf_row_const_field(row, src);

        if (row->kind == CONF_FIELD_STRUCT)
            schema_copy_into(row->schema, to, from);
        else if (is_pointer(row))
            copy_pointer(row, to, from);
    }
}

#define DEFINE_FREE(type, short_name)                                                              \
    void conf_schema_free_##short_name(void *owner)                                                \
    {                                                                                              \
        schema_free(&conf_schema_##short_name, owner);                                             \
    }
CONF_SCHEMAS(DEFINE_FREE)

/* ---- members ---- */

#define DEFINE_NEW(type, short_name)                                                               \
    type *conf_##short_name##_new(void)                                                            \
    {                                                                                              \
        return conf_schema_new(&conf_schema_##short_name);                                         \
    }
DEFINE_NEW(ConfDisk, disk)
DEFINE_NEW(ConfInterface, interface)
DEFINE_NEW(ConfChardev, chardev)
DEFINE_NEW(ConfGraphics, graphics)
DEFINE_NEW(ConfVideo, video)
DEFINE_NEW(ConfInput, input)
DEFINE_NEW(ConfSound, sound)
DEFINE_NEW(ConfController, controller)
DEFINE_NEW(ConfHostdev, hostdev)
DEFINE_NEW(ConfWatchdog, watchdog)
DEFINE_NEW(ConfLease, lease)
DEFINE_NEW(ConfMemballoon, memballoon)
DEFINE_NEW(ConfCpu, cpu)
DEFINE_NEW(ConfCpuFeature, cpu_feature)
DEFINE_NEW(ConfNumaCell, numa_cell)
DEFINE_NEW(ConfTimer, timer)
DEFINE_NEW(ConfVcpu, vcpu)
DEFINE_NEW(ConfVcpuPin, vcpu_pin)
DEFINE_NEW(ConfSeclabel, seclabel)
DEFINE_NEW(ConfHypervFeature, hyperv_feature)
DEFINE_NEW(ConfBoot, boot)
DEFINE_NEW(ConfAcpiTable, acpi_table)
DEFINE_NEW(ConfArg, arg)
DEFINE_NEW(ConfIp, ip)
DEFINE_NEW(ConfVlanTag, vlan_tag)
DEFINE_NEW(ConfDiskHost, disk_host)
DEFINE_NEW(ConfListen, listen)
DEFINE_NEW(ConfNumaDistance, numa_distance)
DEFINE_NEW(ConfNumaMemnode, numa_memnode)
DEFINE_NEW(ConfAddress, address)
DEFINE_NEW(ConfRawElement, raw_element)

#define DEFINE_PUBLIC_FREE(type, short_name)                                                       \
    void conf_##short_name##_free(type *member)                                                    \
    {                                                                                              \
        schema_free(&conf_schema_##short_name, member);                                            \
    }
DEFINE_PUBLIC_FREE(ConfDisk, disk)
DEFINE_PUBLIC_FREE(ConfInterface, interface)
DEFINE_PUBLIC_FREE(ConfChardev, chardev)
DEFINE_PUBLIC_FREE(ConfGraphics, graphics)
DEFINE_PUBLIC_FREE(ConfController, controller)
DEFINE_PUBLIC_FREE(ConfHostdev, hostdev)

/* ---- the domain ---- */

ConfDomain *
conf_domain_new(void)
{
    ConfDomain *def = conf_schema_new(&conf_schema_domain);

    g_atomic_ref_count_init(&def->refs);
    def->type = g_strdup("xen");
    def->id = -1;
    return def;
}

ConfDomain *
conf_domain_ref(ConfDomain *def)
{
    g_atomic_ref_count_inc(&def->refs);
    return def;
}

void
conf_domain_unref(ConfDomain *def)
{
    if (def && g_atomic_ref_count_dec(&def->refs))
        schema_free(&conf_schema_domain, def);
}

ConfDomain *
conf_domain_copy(const ConfDomain *def)
{
    ConfDomain *copy = conf_schema_copy(&conf_schema_domain, def);

    g_atomic_ref_count_init(&copy->refs);
    return copy;
}

uint64_t
conf_domain_current_memory(const ConfDomain *def)
{
    return def->cur_memory_kib ? MIN(def->cur_memory_kib, def->memory_kib) : def->memory_kib;
}

unsigned
conf_domain_current_vcpus(const ConfDomain *def)
{
    unsigned most = MAX(def->vcpus_max, 1);

    return def->vcpus ? MIN(def->vcpus, most) : most;
}

ConfDiskType
conf_disk_source_type(const ConfDisk *disk)
{
    return disk->type == CONF_DISK_TYPE_VOLUME && disk->volume_type ? disk->volume_type
                                                                    : disk->type;
}

const char *
conf_domain_os_type_name(const ConfDomain *def)
{
    switch (def->os.type) {
    case CONF_OS_HVM:
        return "hvm";
    case CONF_OS_XENPVH:
        return "xenpvh";
    case CONF_OS_EXE:
        return "exe";
    case CONF_OS_LINUX:
    case CONF_OS_ABSENT:
        break;
    }
    return "linux"; /* what Xen runs when only a boot loader is named */
}

/* ---- uuid ---- */

bool
conf_uuid_parse(const char *text, uint8_t ret_uuid[16])
{
    uint8_t uuid[16];
    unsigned n = 0;

    for (; g_ascii_isspace(*text); text++)
        ;
    while (n < 32) {
        int digit = g_ascii_xdigit_value(*text);

        /* A dash may stand between bytes, not inside one. */
        if (*text == '-' && n % 2 == 0 && n > 0) {
            text++;
            continue;
        }
        if (digit < 0)
            return false;
        uuid[n / 2] = n % 2 ? uuid[n / 2] | digit : digit << 4;
        n++;
        text++;
    }
    for (; g_ascii_isspace(*text); text++)
        ;
    if (*text)
        return false;
    memcpy(ret_uuid, uuid, sizeof(uuid));
    return true;
}

void
conf_uuid_format(const uint8_t uuid[16], char ret_text[37])
{
    static const char digits[] = "0123456789abcdef";
    char *at = ret_text;

    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[uuid[i] >> 4];
        *at++ = digits[uuid[i] & 15];
    }
    *at = '\0';
}

void
conf_uuid_generate(uint8_t ret_uuid[16])
{
    g_autofree char *text = g_uuid_string_random();
    bool ok = conf_uuid_parse(text, ret_uuid);

    g_assert(ok);
}
