/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vcpus, where they run and how much, in both directions. */
#include "conf-sxp.h"

#include <string.h>

#define MAX_VCPUS     4096
#define MAX_HOST_CPUS 4096
#define CAP_PERIOD    100000 /* us; a cap of 100 % is one whole cpu */

/* ---- how many ---- */

/* A mask is one decimal number, with a bit a vcpu: more than 64 bits are no rarity. */
static ConfBitmap *
mask_parse(const char *text)
{
    g_autoptr(ConfBitmap) map = conf_bitmap_new(MAX_VCPUS);
    guint8 bytes[MAX_VCPUS / 8] = { 0 };
    gsize used = 0; /* of them; a usual mask fits into one */

    if (*text == '\0' || strlen(text) > 1200)
        return NULL;
    for (const char *p = text; *p != '\0'; p++) {
        unsigned carry;

        if (*p == 'L' && p > text && p[1] == '\0')
            break; /* a long of Python */
        if (!g_ascii_isdigit(*p))
            return NULL;
        carry = (unsigned)(*p - '0');
        for (gsize i = 0; i < sizeof bytes && (i < used || carry != 0); i++) {
            carry += bytes[i] * 10u;
            bytes[i] = (guint8)carry;
            carry >>= 8;
            used = MAX(used, i + 1);
        }
    }
    for (unsigned i = 0; i < used * 8; i++) {
        if ((bytes[i / 8] >> (i % 8)) & 1)
            conf_bitmap_set(map, i, true);
    }
    return g_steal_pointer(&map);
}

static char *
mask_format(const ConfBitmap *map, unsigned n)
{
    /* Decimal digits, lowest first; each bit from the top doubles what is there. */
    g_autoptr(GByteArray) digits = g_byte_array_new();
    GString *out = g_string_new(NULL);

    for (unsigned bit = n; bit > 0; bit--) {
        unsigned carry = conf_bitmap_get(map, bit - 1);

        for (guint i = 0; i < digits->len; i++) {
            carry += digits->data[i] * 2u;
            digits->data[i] = (guint8)(carry % 10);
            carry /= 10;
        }
        if (carry != 0)
            g_byte_array_append(digits, (const guint8[]){ (guint8)carry }, 1);
    }
    for (guint i = digits->len; i > 0; i--)
        g_string_append_c(out, (char)('0' + digits->data[i - 1]));
    return g_string_free(out, FALSE);
}

static void
list_vcpus(ConfDomain *def, const ConfBitmap *online)
{
    for (unsigned i = 0; i < def->vcpus_max; i++) {
        ConfVcpu *vcpu = conf_vcpu_new();

        vcpu->id = i;
        vcpu->enabled = conf_bitmap_get(online, i) ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        vcpu->hotpluggable = i == 0 ? CONF_TRISTATE_OFF : CONF_TRISTATE_ON;
        g_ptr_array_add(def->vcpu_list, vcpu);
    }
}

static gboolean
derive_avail(SxpRead *in, GError **error)
{
    const SxpItem *item = sxp_item(in, "vcpu_avail");
    g_autoptr(ConfBitmap) mask = NULL;
    unsigned count = 0, last = 0;

    if (in->guest.vcpu_avail == NULL)
        return TRUE;
    mask = mask_parse(in->guest.vcpu_avail);
    if (mask == NULL)
        return sxp_fail(in, item, error, "'%s' is no bit mask as a decimal number",
                        in->guest.vcpu_avail);
    for (unsigned i = 0; i < in->def->vcpus_max; i++) {
        if (conf_bitmap_get(mask, i)) {
            count++;
            last = i;
        }
    }
    if (count == 0)
        return sxp_fail(in, item, error, "no vcpu would be online");
    if (count < in->def->vcpus_max)
        in->def->vcpus = count;
    if (last + 1 == count)
        return TRUE;
    if (conf_bitmap_get(mask, 0))
        list_vcpus(in->def, mask);
    else
        sxp_remark(in, item, CONF_OUTCOME_CHANGED,
                   "vcpu 0 is always online in libvirt: the first %u vcpus are", count);
    return TRUE;
}

gboolean
sxp_vcpus_to_domain(SxpRead *in, GError **error)
{
    SxpGuest *guest = &in->guest;
    const SxpItem *item = sxp_item(in, "vcpus");

    if (item == NULL)
        item = sxp_item(in, "VCPUs_max");
    if (item == NULL)
        item = sxp_item(in, "image/*/vcpus");
    in->def->vcpus_max = 1;
    if (guest->vcpus.set) {
        if (guest->vcpus.value < 1 || guest->vcpus.value > MAX_VCPUS)
            return sxp_fail(in, item, error, "%" G_GINT64_FORMAT " vcpus are not within 1 to %d",
                            guest->vcpus.value, MAX_VCPUS);
        in->def->vcpus_max = (unsigned)guest->vcpus.value;
    }
    if (guest->vcpus_at_startup.set) {
        gint64 start = guest->vcpus_at_startup.value;

        if (start >= 1 && start < in->def->vcpus_max)
            in->def->vcpus = (unsigned)start;
        else if (start != in->def->vcpus_max)
            sxp_remark(in, sxp_item(in, "VCPUs_at_startup"), CONF_OUTCOME_LOST,
                       "not within 1 and the %u vcpus of the domain", in->def->vcpus_max);
    }
    return derive_avail(in, error);
}

/* ---- where and how much ---- */

static void
add_pin(ConfDomain *def, unsigned vcpu, const ConfBitmap *cpus)
{
    ConfVcpuPin *pin = conf_vcpu_pin_new();

    pin->vcpu = vcpu;
    pin->cpuset = conf_bitmap_copy(cpus);
    g_ptr_array_add(def->cputune.vcpupin, pin);
}

static ConfBitmap *
set_of(GArray *numbers)
{
    g_autoptr(ConfBitmap) map = conf_bitmap_new(1);

    for (guint i = 0; i < numbers->len; i++) {
        guint64 cpu = g_array_index(numbers, guint64, i);

        if (cpu >= MAX_HOST_CPUS)
            return NULL;
        conf_bitmap_set(map, (unsigned)cpu, true);
    }
    return g_steal_pointer(&map);
}

/* The cpus of one list, whose head is a number too: (0 1 2). */
static ConfBitmap *
read_cpu_list(const ConfNode *list)
{
    g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint64));

    if (list->key != NULL) {
        guint64 head;

        if (!g_ascii_string_to_unsigned(list->key, 10, 0, MAX_HOST_CPUS, &head, NULL))
            return NULL;
        g_array_append_val(numbers, head);
    }
    return sxp_numbers(list, numbers) ? set_of(numbers) : NULL;
}

/* One set a vcpu. When all say the same it is the domain's. */
static void
apply_pins(SxpRead *in, GPtrArray *sets)
{
    unsigned vcpus = in->guest.vcpus.set ? (unsigned)CLAMP(in->guest.vcpus.value, 1, MAX_VCPUS) : 1;
    g_autofree char *first = conf_bitmap_format(sets->pdata[0]);
    bool same = sets->len >= vcpus;

    for (guint i = 1; same && i < sets->len; i++) {
        g_autofree char *other = conf_bitmap_format(sets->pdata[i]);

        same = g_str_equal(first, other);
    }
    if (same) {
        in->def->cpuset = conf_bitmap_copy(sets->pdata[0]);
        return;
    }
    for (guint i = 0; i < MIN(sets->len, vcpus); i++) {
        if (conf_bitmap_count(sets->pdata[i]) > 0)
            add_pin(in->def, i, sets->pdata[i]);
    }
}

static gboolean
read_cpu_text(SxpRead *in, const SxpItem *item, const char *text, GError **error)
{
    g_autoptr(GError) inner = NULL;

    in->def->cpuset = conf_bitmap_parse(text, MAX_HOST_CPUS, &inner);
    return in->def->cpuset != NULL || sxp_fail(in, item, error, "%s", inner->message);
}

/* (cpus ((0 1) (2 3))): one list a vcpu. (cpus (0 1)) and (cpus 0-1): for all of them. */
gboolean
sxp_read_cpus(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    const ConfNode *node = item->node;
    const ConfNode *only = node->items != NULL && node->items->len == 1 ? node->items->pdata[0]
                                                                        : NULL;
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func((GDestroyNotify)conf_bitmap_free);
    g_autofree char *text = sxp_text(node);

    if (node->items == NULL)
        return read_cpu_text(in, item, text, error);
    if (text != NULL || (only != NULL && only->key != NULL)) {
        /* Flat: all numbers in one list. */
        in->def->cpuset = read_cpu_list(text != NULL ? node->items->len > 1 ? node : only : only);
        if (text != NULL && in->def->cpuset == NULL) {
            g_autoptr(GArray) numbers = g_array_new(FALSE, FALSE, sizeof(guint64));

            if (sxp_numbers(node, numbers))
                in->def->cpuset = set_of(numbers);
        }
        return in->def->cpuset != NULL ||
               sxp_fail(in, item, error, "not a list of numbers of host cpus");
    }
    if (only != NULL)
        node = only;
    for (guint i = 0; i < node->items->len; i++) {
        ConfBitmap *set = read_cpu_list(node->items->pdata[i]);

        if (set == NULL)
            return sxp_fail(in, item, error, "the list of vcpu %u is not one of host cpus", i);
        g_ptr_array_add(sets, set);
    }
    apply_pins(in, sets);
    return TRUE;
}

gboolean
sxp_read_weight(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    g_autofree char *text = sxp_text(item->node);
    double weight = text != NULL ? g_ascii_strtod(text, NULL) : 0;

    if (weight < 1 || weight > 65535)
        return sxp_fail(in, item, error, "'%s' is no weight within 1 to 65535",
                        text != NULL ? text : "(...)");
    in->def->cputune.shares = (ConfOptInt){ true, (int64_t)weight };
    return TRUE;
}

static void
apply_cap(SxpRead *in, int64_t cap)
{
    if (cap <= 0)
        return;
    in->def->cputune.period = (ConfOptInt){ true, CAP_PERIOD };
    in->def->cputune.quota = (ConfOptInt){ true, cap * (CAP_PERIOD / 100) };
}

/* (vcpus_params ((weight 256) (cap 0))) of the XenAPI dialect */
gboolean
sxp_read_vcpus_params(SxpRead *in, const SxpItem *item, gpointer target, GError **error)
{
    const char *prefix = item->path;
    ConfNode *list = item->node;
    const ConfNode *only = list->items != NULL && list->items->len == 1 ? list->items->pdata[0]
                                                                        : NULL;

    if (only != NULL && only->key == NULL && only->items != NULL)
        list = (ConfNode *)only;
    if (list != item->node)
        prefix = sxp_first_of(in, prefix);
    if (list->items == NULL)
        return sxp_fail(in, item, error, "expected lists like ((weight 256) (cap 0))");
    for (guint i = 0; i < list->items->len; i++) {
        ConfNode *node = list->items->pdata[i];
        SxpItem sub = { node, item->row, NULL };

        sub.path = sxp_path(in, prefix, node->key != NULL ? node->key : "?");
        if (g_strcmp0(node->key, "weight") == 0 && g_strcmp0(node->text, "256") != 0 &&
            !in->def->cputune.shares.set) {
            if (!sxp_read_weight(in, &sub, target, error))
                return FALSE;
        } else if (g_strcmp0(node->key, "cap") == 0 && node->kind == CONF_NODE_INT &&
                   !in->guest.cpu_cap.set) {
            in->guest.cpu_cap = (ConfOptInt){ true, node->number };
        } else if (g_strcmp0(node->key, "weight") != 0 && g_strcmp0(node->key, "cap") != 0) {
            sxp_remark(in, &sub, CONF_OUTCOME_LOST, "unknown parameter of the scheduler");
        }
    }
    list->fate = item->node->fate = CONF_FATE_CARRIED;
    for (guint i = 0; i < list->items->len; i++) {
        ConfNode *node = list->items->pdata[i];

        if (node->fate == CONF_FATE_UNSEEN)
            conf_node_mark(node, CONF_FATE_CARRIED);
    }
    return TRUE;
}

gboolean
sxp_scheduling_to_domain(SxpRead *in, GError **error)
{
    const SxpItem *cpu = sxp_item(in, "cpu");

    if (in->guest.cpu_cap.set &&
        (in->guest.cpu_cap.value < 0 || in->guest.cpu_cap.value > 100 * MAX_VCPUS))
        return sxp_fail(in,
                        sxp_item(in, "cpu_cap") != NULL ? sxp_item(in, "cpu_cap")
                                                        : sxp_item(in, "vcpus_params"),
                        error, "a cap of %" G_GINT64_FORMAT " %% makes no sense",
                        in->guest.cpu_cap.value);
    apply_cap(in, in->guest.cpu_cap.set ? in->guest.cpu_cap.value : 0);
    if (!in->guest.cpu.set)
        return TRUE;
    if (in->guest.cpu.value < 0 || in->guest.cpu.value >= MAX_HOST_CPUS)
        return sxp_fail(in, cpu, error, "no host has a cpu %" G_GINT64_FORMAT, in->guest.cpu.value);
    if (in->def->cpuset != NULL || in->def->cputune.vcpupin->len > 0) {
        sxp_remark(in, cpu, CONF_OUTCOME_LOST, "cpus says more exactly where the vcpus run");
        return TRUE;
    }
    g_autoptr(ConfBitmap) set = conf_bitmap_new(1);

    conf_bitmap_set(set, (unsigned)in->guest.cpu.value, true);
    if (in->def->vcpus_max == 1)
        in->def->cpuset = g_steal_pointer(&set);
    else
        add_pin(in->def, 0, set);
    return TRUE;
}

/* ---- the other way ---- */

void
sxp_vcpus_from_domain(SxpGuest *guest, const ConfDomain *def)
{
    const ConfCpuTune *tune = &def->cputune;
    unsigned online = conf_domain_current_vcpus(def);
    g_autoptr(ConfBitmap) map = conf_bitmap_new(def->vcpus_max);

    if (tune->quota.set && tune->quota.value > 0 && tune->period.set && tune->period.value > 0)
        guest->cpu_cap = (ConfOptInt){
            true, conf_cap_of_quota(tune->quota.value, tune->period.value, 100 * MAX_VCPUS)
        };
    guest->vcpus = (ConfOptInt){ true, def->vcpus_max };
    if (online == def->vcpus_max)
        return;
    for (unsigned i = 0; def->vcpu_list->len == 0 && i < online; i++)
        conf_bitmap_set(map, i, true);
    for (guint i = 0; i < def->vcpu_list->len; i++) {
        const ConfVcpu *vcpu = def->vcpu_list->pdata[i];

        if (vcpu->enabled == CONF_TRISTATE_ON && vcpu->id < def->vcpus_max)
            conf_bitmap_set(map, vcpu->id, true);
    }
    guest->vcpu_avail = mask_format(map, def->vcpus_max);
}

void
sxp_write_weight(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    if (out->def->cputune.shares.set)
        sxp_add_number(parent, "cpu_weight", out->def->cputune.shares.value);
}

static void
add_cpu_list(ConfNode *parent, const ConfBitmap *map)
{
    ConfNode *list = conf_node_new(CONF_NODE_LIST, NULL, 0, 0);

    for (int i = 0, last = map != NULL ? conf_bitmap_last(map) : -1; i <= last; i++) {
        if (conf_bitmap_get(map, (unsigned)i))
            sxp_add_number(list, NULL, i);
    }
    g_ptr_array_add(parent->items, list);
}

/* One list a vcpu, empty where it may run anywhere. */
void
sxp_write_cpus(SxpWrite *out, const SxpRow *row, ConfNode *parent, gconstpointer source)
{
    const ConfDomain *def = out->def;
    g_autofree const ConfBitmap **sets = g_new0(const ConfBitmap *, def->vcpus_max + 1);
    ConfNode *lists;

    if (def->cpuset == NULL && def->cputune.vcpupin->len == 0)
        return;
    for (unsigned i = 0; i < def->vcpus_max; i++)
        sets[i] = def->cpuset;
    for (guint i = 0; i < def->cputune.vcpupin->len; i++) {
        const ConfVcpuPin *pin = def->cputune.vcpupin->pdata[i];

        if (pin->vcpu < def->vcpus_max)
            sets[pin->vcpu] = pin->cpuset;
    }
    lists = conf_node_new(CONF_NODE_LIST, NULL, 0, 0);
    for (unsigned i = 0; i < def->vcpus_max; i++)
        add_cpu_list(lists, sets[i]);
    g_ptr_array_add(sxp_add_group(parent, "cpus")->items, lists);
}
