/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vif= of xl (xl-network-configuration(5)) and of xm, both directions. */
#include "conf-cfg.h"

#include <string.h>

#define DEFAULT_BRIDGE "xenbr0" /* xl-network-configuration(5) */

/* ---- reading ---- */

typedef struct VifSpec {
    ConfInterface *iface;
    const ConfPlace *place;
    char *bridge;
    char *type;
    const char *vlan;
    unsigned model_at;
    GPtrArray *keys; /* parameters that ride in metadata */
    bool of_xl;
} VifSpec;

static void
vif_spec_clear(VifSpec *spec)
{
    g_clear_pointer(&spec->iface, conf_interface_free);
    g_free(spec->bridge);
    g_free(spec->type);
    g_ptr_array_unref(spec->keys);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VifSpec, vif_spec_clear)

static gboolean
set_mac(VifSpec *spec, const char *value, unsigned at, GError **error)
{
    g_autofree char *mac = conf_mac_canonical(value);

    if (mac == NULL) {
        conf_place_error(spec->place, at, error, CONF_ERROR_INVALID,
                         "'%s' is no MAC address: six hexadecimal numbers with colons", value);
        return FALSE;
    }
    return conf_set_string(&spec->iface->mac, mac);
}

/* "10.0.0.1", "10.0.0.1/24", "fd00::1/64", several with blanks between */
static void
set_ip(VifSpec *spec, const char *value, unsigned at)
{
    g_auto(GStrv) words = g_strsplit_set(value, " \t;", 64);

    for (char **word = words; *word; word++) {
        char *slash = strchr(*word, '/');
        int64_t prefix = -1;

        if (**word == '\0')
            continue;
        if (slash)
            *slash = '\0';
        if (!g_hostname_is_ip_address(*word) ||
            (slash && (!cfg_parse_int(slash + 1, &prefix) || prefix < 0 || prefix > 128))) {
            if (slash)
                *slash = '/';
            if (spec->of_xl) { /* scripts may make something of it */
                conf_xl_keys_set(spec->keys, "ip", value);
                continue;
            }
            conf_place_report(spec->place, at, CONF_OUTCOME_LOST, "ip", *word,
                              "'%s' is no IP address", *word);
            continue;
        }
        ConfIp *ip = conf_ip_new();
        bool v6 = strchr(*word, ':') != NULL;
        conf_set_string(&ip->address, *word);
        conf_set_string(&ip->family, v6 ? "ipv6" : "ipv4");
        if (slash)
            ip->prefix = (ConfOptInt){ true, prefix };
        g_ptr_array_add(spec->iface->ips, ip);
    }
}

/* libvirt has KiB a second and no interval. */
static bool
says_it_all(int64_t kib, const char *value)
{
    g_autofree char *text = conf_rate_format(kib);
    guint64 want, want_us, have, have_us;

    return kib > 0 && conf_rate_split(value, &want, &want_us) &&
           conf_rate_split(text, &have, &have_us) && want == have && want_us == have_us;
}

static gboolean
set_rate(VifSpec *spec, const char *value, unsigned at, GError **error)
{
    int64_t kib;

    if (!conf_rate_parse(value, &kib)) {
        conf_place_error(spec->place, at, error, CONF_ERROR_INVALID,
                         "'%s' is no rate: expected a form such as 10MB/s, 100Kb/s or 1MB/s@20ms",
                         value);
        return FALSE;
    }
    if (kib > 0)
        spec->iface->outbound_average = (ConfOptInt){ true, kib };
    if (!says_it_all(kib, value))
        conf_xl_keys_set(spec->keys, "rate", value);
    return TRUE;
}

static gboolean
set_number(VifSpec *spec, const char *name, const char *value, unsigned at, int64_t max,
           int64_t *ret, GError **error)
{
    if (cfg_parse_int(value, ret) && *ret >= 0 && *ret <= max)
        return TRUE;
    conf_place_error(spec->place, at, error, CONF_ERROR_INVALID,
                     "%s is a number from 0 to %" G_GINT64_FORMAT ", not '%s'", name, max, value);
    return FALSE;
}

static void
add_tag(ConfInterface *iface, unsigned id)
{
    ConfVlanTag *tag = conf_vlan_tag_new();

    tag->id = id;
    g_ptr_array_add(iface->vlan, tag);
}

/* vlan=10, or 10/20/30 for a trunk */
static gboolean
set_vlan(VifSpec *spec, const char *value, unsigned at, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(value, "/ ", 64);

    for (char **word = words; *word; word++) {
        int64_t id;

        if (**word == '\0')
            continue;
        if (!set_number(spec, "vlan", *word, at, 4095, &id, error))
            return FALSE;
        add_tag(spec->iface, (unsigned)id);
    }
    if (spec->iface->vlan->len > 1)
        spec->iface->vlan_trunk = CONF_TRISTATE_ON;
    return TRUE;
}

static const struct VifLost {
    const char *word; /* a '*' at the end: all that begin so */
    const char *why;
} vif_lost[] = {
    { "trusted", NULL },
    { "untrusted", "no domXML element for trust in a backend" },
    { "gatewaydev", "no domXML element for the host's device towards a gateway" },
    { "netdev", "no domXML element for the host's device towards a gateway" },
    { "devid", "no domXML element: libvirt numbers interfaces in their order" },
    { "accel", "no domXML element for network acceleration" },
    { "policy", "the ACM policies of old Xen are gone" },
    { "label", "the ACM policies of old Xen are gone" },
    { "security_label", "the ACM policies of old Xen are gone" },
    { "uuid", "no domXML element for the UUID of an interface" },
    { "pdev", "netchannel2 is gone from Xen" },
    { "forwarddev", "no domXML element for COLO replication" },
    { "colo*", "no domXML element for COLO replication" },
};

static void
lose(VifSpec *spec, const CfgWord *word)
{
    const char *why = "unknown option of a network interface";
    const char *name = g_str_equal(word->name, "netdev") ? "gatewaydev" : word->name;

    if (spec->of_xl && cfg_carry_word("vif", name, word->value, spec->keys))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(vif_lost); i++) {
        size_t len = strlen(vif_lost[i].word);
        bool prefix = vif_lost[i].word[len - 1] == '*';

        if (prefix ? strncmp(word->name, vif_lost[i].word, len - 1) == 0
                   : g_str_equal(word->name, vif_lost[i].word))
            why = vif_lost[i].why;
    }
    conf_place_report(spec->place, word->offset, why ? CONF_OUTCOME_LOST : CONF_OUTCOME_DEFAULT,
                      word->name, word->value, "%s", why ? why : "the default");
}

static gboolean
set_word(VifSpec *spec, const CfgWord *word, GError **error)
{
    ConfInterface *iface = spec->iface;
    const char *name = word->name, *value = word->value;
    unsigned at = word->offset + (unsigned)strlen(name) + 1;
    int64_t number;

    if (value == NULL) {
        lose(spec, word);
        return TRUE;
    }
    if (*value == '\0')
        return TRUE; /* said nothing: "ip=" occurs in real files */
    if (g_str_equal(name, "mac"))
        return set_mac(spec, value, at, error);
    if (g_str_equal(name, "bridge"))
        return conf_set_string(&spec->bridge, value);
    if (g_str_equal(name, "type"))
        return conf_set_string(&spec->type, value);
    if (g_str_equal(name, "model")) {
        spec->model_at = word->offset;
        return conf_set_string(&iface->model, value);
    }
    if (g_str_equal(name, "vifname"))
        return conf_set_string(&iface->target, value);
    if (g_str_equal(name, "script"))
        return conf_set_string(&iface->script, value);
    if (g_str_equal(name, "backend"))
        return conf_set_string(&iface->backenddomain, value);
    if (g_str_equal(name, "rate"))
        return set_rate(spec, value, at, error);
    spec->vlan = g_str_equal(name, "vlan") ? value : spec->vlan;
    if (g_str_equal(name, "vlan"))
        return set_vlan(spec, value, at, error);
    if (g_str_equal(name, "ip")) {
        set_ip(spec, value, at);
        return TRUE;
    }
    if (g_str_equal(name, "mtu")) {
        if (!set_number(spec, name, value, at, 65535, &number, error))
            return FALSE;
        iface->mtu = (ConfOptInt){ true, number };
        return TRUE;
    }
    lose(spec, word);
    return TRUE;
}

/* vif-openvswitch alone reads more than a name into bridge=: BRIDGE[.TAG][:TRUNK:TRUNK...] */
static gboolean
split_openvswitch(VifSpec *spec, GError **error)
{
    ConfInterface *iface = spec->iface;
    char *trunks = strchr(spec->bridge, ':');
    char *dot;
    int64_t tag;

    conf_set_string(&iface->virtualport_type, "openvswitch");
    if (trunks)
        *trunks++ = '\0';
    dot = strrchr(spec->bridge, '.');
    if (dot && strspn(dot + 1, "0123456789") == strlen(dot + 1) && dot[1]) {
        if (!set_number(spec, "the VLAN of bridge", dot + 1, 0, 4095, &tag, error))
            return FALSE;
        *dot = '\0';
        add_tag(iface, (unsigned)tag);
        if (trunks) {
            ConfVlanTag *native = g_ptr_array_index(iface->vlan, 0);

            conf_set_string(&native->native_mode, "tagged");
        }
    }
    g_auto(GStrv) words = g_strsplit(trunks ? trunks : "", ":", 64);
    for (char **word = words; *word && **word; word++) {
        if (!set_number(spec, "a VLAN of bridge", *word, 0, 4095, &tag, error))
            return FALSE;
        add_tag(iface, (unsigned)tag);
    }
    if (trunks)
        iface->vlan_trunk = CONF_TRISTATE_ON;
    return TRUE;
}

static const char *
script_name(const char *script)
{
    const char *slash = script ? strrchr(script, '/') : NULL;

    return slash ? slash + 1 : script ? script : "";
}

static gboolean
set_connection(CfgReader *r, VifSpec *spec, GError **error)
{
    ConfInterface *iface = spec->iface;
    const char *script = script_name(iface->script);
    bool ovs = g_str_equal(script, "vif-openvswitch");

    if (spec->bridge == NULL) {
        if (*script && !ovs && !g_str_equal(script, "vif-bridge"))
            return conf_set_string(&iface->type, "ethernet");
        conf_set_string(&spec->bridge, DEFAULT_BRIDGE);
        conf_place_report(spec->place, 0, CONF_OUTCOME_CHANGED, "bridge", NULL,
                          "not given, and libvirt needs one: %s, the default of %s, is assumed",
                          DEFAULT_BRIDGE, r->who == CFG_XM ? "xend's scripts" : "xl");
    }
    /* That script has its VLANs from the name of the bridge, and reads no vlan=. */
    if (ovs && spec->vlan && spec->of_xl) {
        conf_xl_keys_set(spec->keys, "vlan", spec->vlan);
        g_ptr_array_set_size(iface->vlan, 0);
        iface->vlan_trunk = CONF_TRISTATE_ABSENT;
    }
    if (ovs && !split_openvswitch(spec, error))
        return FALSE;
    conf_set_string(&iface->type, "bridge");
    return conf_set_string(&iface->source_bridge, spec->bridge);
}

/* type= says whether there is an emulated card too: libvirt has the model netfront for "no". */
static gboolean
set_model(CfgReader *r, VifSpec *spec, GError **error)
{
    static const char *const pv[] = { "vif", "netfront", "paravirtualised", NULL };
    ConfInterface *iface = spec->iface;

    if (spec->type && !g_strv_contains(pv, spec->type) && !g_str_equal(spec->type, "ioemu")) {
        conf_place_error(spec->place, 0, error, CONF_ERROR_INVALID,
                         "type is vif or ioemu, not '%s'", spec->type);
        return FALSE;
    }
    bool front = spec->type && g_strv_contains(pv, spec->type);
    if ((front || r->guest != CFG_HVM) && iface->model && !g_str_equal(iface->model, "netfront")) {
        conf_place_report(spec->place, spec->model_at, CONF_OUTCOME_DEFAULT, "model", iface->model,
                          front ? "there is no emulated card: type=%s"
                                : "has no effect on %s domains",
                          front ? spec->type : cfg_guest_name(r->guest));
        g_clear_pointer(&iface->model, g_free);
    }
    if (front && r->guest == CFG_HVM)
        conf_set_string(&iface->model, "netfront");
    return TRUE;
}

static gboolean
read_vif(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_auto(VifSpec) spec = { .iface = conf_interface_new(),
                             .place = place,
                             .keys = conf_xl_keys_new(),
                             .of_xl = r->who == CFG_XL };
    g_autoptr(GPtrArray) words = cfg_words(text);

    for (guint i = 0; i < words->len; i++) {
        if (!set_word(&spec, g_ptr_array_index(words, i), error))
            return FALSE;
    }
    if (!set_connection(r, &spec, error) || !set_model(r, &spec, error))
        return FALSE;
    if (spec.iface->mac == NULL) {
        spec.iface->mac = conf_mac_derive(r->def, index);
        conf_place_report(place, 0, CONF_OUTCOME_CHANGED, "mac", NULL,
                          "not given, and a definition needs a lasting one: %s, made from the "
                          "domain's %s",
                          spec.iface->mac, r->def->uuid_set ? "UUID" : "name");
    }
    cfg_carry_device(r->ext, spec.iface->mac, spec.keys);
    g_ptr_array_add(r->def->interfaces, g_steal_pointer(&spec.iface));
    return TRUE;
}

gboolean
cfg_read_vif(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_vif, error);
}

/* nics=N of xm asks for interfaces on the default bridge, up to N; ne2000=1 names their model. */
gboolean
cfg_vif_join(CfgReader *r, GError **error)
{
    GPtrArray *interfaces = r->def->interfaces;

    if (r->parts.nics.set && r->parts.nics.value > 16) {
        cfg_error(r, cfg_node(r, "nics"), "nics", error, CONF_ERROR_LIMIT,
                  "%" G_GINT64_FORMAT " interfaces, and 16 are allowed", r->parts.nics.value);
        return FALSE;
    }
    while (r->parts.nics.set && interfaces->len < (guint64)MAX(r->parts.nics.value, 0)) {
        ConfPlace place = cfg_place(r, cfg_node(r, "nics"), "nics");

        if (!read_vif(r, "", interfaces->len, &place, error))
            return FALSE;
    }
    for (guint i = 0; r->parts.ne2000 == CONF_TRISTATE_ON && i < interfaces->len; i++) {
        ConfInterface *iface = g_ptr_array_index(interfaces, i);

        if (iface->model == NULL && r->guest == CFG_HVM)
            conf_set_string(&iface->model, "ne2k_pci");
    }
    return TRUE;
}

/* ---- writing ---- */

static void
put(GString *text, const char *name, const char *value)
{
    if (value && *value)
        g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", name, value);
}

static void
put_bridge(GString *text, const ConfInterface *iface)
{
    g_autoptr(GString) bridge = g_string_new(iface->source_bridge);
    guint i = 0;

    if (iface->virtualport_type && g_str_equal(iface->virtualport_type, "openvswitch")) {
        const ConfVlanTag *first = iface->vlan->len ? g_ptr_array_index(iface->vlan, 0) : NULL;

        if (first && (iface->vlan_trunk != CONF_TRISTATE_ON || first->native_mode)) {
            g_string_append_printf(bridge, ".%u", first->id);
            i = 1;
        }
        for (; i < iface->vlan->len; i++)
            g_string_append_printf(bridge, ":%u",
                                   ((ConfVlanTag *)g_ptr_array_index(iface->vlan, i))->id);
        put(text, "bridge", bridge->str);
        put(text, "script", iface->script ? iface->script : "vif-openvswitch");
        return;
    }
    put(text, "bridge", bridge->str);
    put(text, "script", iface->script);
}

static void
put_vlan(CfgWriter *w, GString *text, const ConfInterface *iface, unsigned index)
{
    g_autoptr(GString) tags = g_string_new(NULL);

    if (iface->virtualport_type || iface->vlan->len == 0)
        return;
    if (w->who == CFG_XM) {
        cfg_lost(w, NULL, "xm has no VLANs", "/domain/devices/interface[%u]/vlan", index + 1);
        return;
    }
    for (guint i = 0; i < iface->vlan->len; i++)
        g_string_append_printf(tags, "%s%u", i ? "/" : "",
                               ((ConfVlanTag *)g_ptr_array_index(iface->vlan, i))->id);
    put(text, "vlan", tags->str);
}

static void
put_ips(GString *text, const ConfInterface *iface)
{
    g_autoptr(GString) ips = g_string_new(NULL);

    for (guint i = 0; i < iface->ips->len; i++) {
        const ConfIp *ip = g_ptr_array_index(iface->ips, i);

        g_string_append_printf(ips, "%s%s", i ? " " : "", ip->address);
        if (ip->prefix.set)
            g_string_append_printf(ips, "/%" G_GINT64_FORMAT, ip->prefix.value);
    }
    put(text, "ip", ips->str);
}

static void
put_model(CfgWriter *w, GString *text, const ConfInterface *iface)
{
    bool front = iface->model && g_str_equal(iface->model, "netfront");

    if (w->guest != CFG_HVM)
        return;
    put(text, "type", front ? (w->who == CFG_XM ? "netfront" : "vif") : "ioemu");
    if (!front)
        put(text, "model", iface->model);
}

static char *
format_vif(CfgWriter *w, const ConfInterface *iface, unsigned index)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *type = iface->type ? iface->type : "bridge";

    /* A network's bridge is in the domXML while the domain runs; else nobody here knows it. */
    bool network = g_str_equal(type, "network") && iface->source_bridge;
    if (!g_str_equal(type, "bridge") && !g_str_equal(type, "ethernet") && !network) {
        cfg_lost(w, iface->mac, "only bridges and routed interfaces can be said",
                 "/domain/devices/interface[%u]", index + 1);
        return NULL;
    }
    put(text, "mac", iface->mac);
    put_bridge(text, iface);
    put_vlan(w, text, iface, index);
    const GPtrArray *exact = w->who == CFG_XL ? conf_xl_ext_device(w->ext, iface->mac) : NULL;
    if (conf_xl_keys_get(exact, "ip") == NULL) /* else it stands among the carried words */
        put_ips(text, iface);
    put(text, "vifname", iface->target);
    put(text, "backend", iface->backenddomain);
    put_model(w, text, iface);
    if (conf_xl_keys_get(exact, "rate") == NULL && iface->outbound_average.set &&
        iface->outbound_average.value > 0) {
        g_autofree char *rate = conf_rate_format(iface->outbound_average.value);

        put(text, "rate", rate);
    }
    if (iface->mtu.set && w->who == CFG_XL) {
        g_autofree char *mtu = g_strdup_printf("%" G_GINT64_FORMAT, iface->mtu.value);

        put(text, "mtu", mtu);
    }
    cfg_put_carried_words(w, "vif", iface->mac, text);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void
cfg_write_vif(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < w->def->interfaces->len; i++) {
        char *text = format_vif(w, g_ptr_array_index(w->def->interfaces, i), i);

        if (text)
            g_ptr_array_add(list, text);
    }
    cfg_put_list(w, key->name, list);
}
