/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l-import.h"

#include "x2l-diff.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

struct X2lTarget {
    virConnectPtr conn;
    char *uri;
};

static void
domain_clear(virDomainPtr *domain)
{
    if (*domain)
        virDomainFree(*domain);
}
#define AUTO_DOMAIN __attribute__((cleanup(domain_clear))) virDomainPtr

/* libvirt's strings are malloc()ed. */
static void
text_clear(char **text)
{
    free(*text);
}
#define AUTO_TEXT __attribute__((cleanup(text_clear))) char *

/* libvirt prints errors on stderr by itself; ours say which file they are about. */
static void
be_quiet(void *data, virErrorPtr error)
{
}

static void
set_error(GError **error, const char *what)
{
    const char *reason = virGetLastErrorMessage();
    g_set_error(error, X2L_ERROR, X2L_ERROR_IMPORT, "%s: %s", what, reason);
}

const char *
x2l_target_default_uri(const char *uri)
{
    const char *env = g_getenv("LIBVIRT_DEFAULT_URI");

    return uri ? uri : env && *env ? env : "xen:///system";
}

X2lTarget *
x2l_target_open(const char *uri, GError **error)
{
    virConnectPtr conn;
    X2lTarget *target;

    uri = x2l_target_default_uri(uri);
    virSetErrorFunc(NULL, be_quiet);
    if (virInitialize() < 0) {
        set_error(error, "libvirt's client library does not start");
        return NULL;
    }
    conn = virConnectOpen(uri);
    if (!conn) {
        g_autofree char *what = g_strdup_printf(
            "cannot reach a libvirt at %s (does xlvirtd run there? --connect names another one, -c "
            "converts without any)",
            uri);
        set_error(error, what);
        return NULL;
    }
    target = g_new0(X2lTarget, 1);
    target->conn = conn;
    target->uri = g_strdup(uri);
    return target;
}

void
x2l_target_close(X2lTarget *target)
{
    if (!target)
        return;
    virConnectClose(target->conn);
    g_free(target->uri);
    g_free(target);
}

const char *
x2l_target_uri(const X2lTarget *target)
{
    return target->uri;
}

/* ---- what its host has ---- */

static void
ask_networks(X2lTarget *target, X2lWorld *world)
{
    virNetworkPtr *networks = NULL;
    int count = virConnectListAllNetworks(target->conn, &networks, 0);

    for (int i = 0; i < count; i++) {
        AUTO_TEXT bridge = virNetworkGetBridgeName(networks[i]);

        if (bridge)
            g_hash_table_add(world->bridges, g_strdup(bridge));
        virNetworkFree(networks[i]);
    }
    free(networks);
}

static gboolean
ask_interfaces(X2lTarget *target, X2lWorld *world)
{
    virInterfacePtr *interfaces = NULL;
    int count = virConnectListAllInterfaces(target->conn, &interfaces, 0);

    for (int i = 0; i < count; i++) {
        g_hash_table_add(world->bridges, g_strdup(virInterfaceGetName(interfaces[i])));
        virInterfaceFree(interfaces[i]);
    }
    free(interfaces);
    return count >= 0;
}

static void
list_local_devices(X2lWorld *world)
{
    g_autoptr(GDir) dir = g_dir_open("/sys/class/net", 0, NULL);
    const char *name;

    while (dir && (name = g_dir_read_name(dir)))
        g_hash_table_add(world->bridges, g_strdup(name));
}

void
x2l_target_ask_world(X2lTarget *target, X2lWorld *world)
{
    AUTO_TEXT host = virConnectGetHostname(target->conn);
    virNodeInfo info;
    gboolean asked;

    world->asked = TRUE;
    world->local = host && (g_str_equal(host, g_get_host_name()) || g_str_equal(host, "localhost"));
    if (virNodeGetInfo(target->conn, &info) == 0) {
        world->memory_kib = info.memory;
        world->cpus = info.cpus;
    }
    world->bridges = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    asked = ask_interfaces(target, world);
    ask_networks(target, world);
    if (world->local)
        list_local_devices(world);
    else if (!asked)
        g_clear_pointer(&world->bridges, g_hash_table_unref);
}

/* ---- what it has already ---- */

/* A definition as every definition would say it: with the defaults that the driver adds. Without
 * passwords unless `secure`. NULL: it does not read. */
static char *
canonical(const char *xml, gboolean secure)
{
    g_autoptr(ConfDomain)
        def = conf_domain_parse_xml(xml, -1, "(definition)", CONF_XML_NO_UUID_OK, NULL);

    if (!def)
        return NULL;
    conf_domain_fill_defaults(def);
    return conf_domain_format_xml(def, CONF_XML_INACTIVE | (secure ? CONF_XML_SECURE : 0));
}

/* Both as text; what cannot be read is compared as it stands. */
static char *
compare_texts(const char *there, const char *ours, gboolean secure)
{
    g_autofree char *a = canonical(there, secure);
    g_autofree char *b = canonical(ours, secure);

    return x2l_diff(a ? a : there, b ? b : ours, "there", "converted");
}

static void
compare_definitions(virDomainPtr existing, X2lDomain *domain, gboolean replace)
{
    unsigned flags = VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE;
    AUTO_TEXT there = virDomainGetXMLDesc(existing, flags);
    g_autofree char *ours = conf_domain_format_xml(domain->def,
                                                   CONF_XML_SECURE | CONF_XML_INACTIVE);
    g_autofree char *secret = there ? compare_texts(there, ours, TRUE) : g_strdup("?");
    int autostart = 1;

    if (domain->autostart && virDomainGetAutostart(existing, &autostart) < 0)
        autostart = 1; /* a driver without it cannot have it differently */
    if (!*secret && (!domain->autostart || autostart)) {
        domain->action = X2L_ACTION_SAME;
        return;
    }
    domain->action = replace ? X2L_ACTION_REDEFINE : X2L_ACTION_EXISTS;
    domain->diff = there ? compare_texts(there, ours, FALSE) : g_strdup("");
    if (*secret && !*domain->diff) {
        g_free(domain->diff);
        domain->diff = g_strdup(there ? "a password differs\n"
                                      : "it does not tell its definition\n");
    }
    if (domain->autostart && !autostart) {
        g_autofree char *old = g_steal_pointer(&domain->diff);

        domain->diff = g_strconcat(old, "autostart: off there, on on the old host\n", NULL);
    }
}

static void conflict(X2lDomain *domain, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
conflict(X2lDomain *domain, const char *format, ...)
{
    va_list args;

    domain->action = X2L_ACTION_CONFLICT;
    va_start(args, format);
    domain->error = g_strdup_vprintf(format, args);
    va_end(args);
}

/* A config without a uuid names its domain by name only: it keeps the one that it has there. */
static gboolean
adopt_uuid(virDomainPtr existing, X2lDomain *domain, GError **error)
{
    if (virDomainGetUUID(existing, domain->def->uuid) < 0) {
        set_error(error, domain->def->name);
        return FALSE;
    }
    domain->def->uuid_set = true;
    domain->uuid_from = X2L_UUID_TARGET;
    return TRUE;
}

/* A look-up that found nothing is no failure; one that could not be made is. */
static gboolean
looked_up(virDomainPtr found, const char *name, GError **error)
{
    if (found || virGetLastErrorCode() == VIR_ERR_NO_DOMAIN)
        return TRUE;
    set_error(error, name);
    return FALSE;
}

gboolean
x2l_target_compare(X2lTarget *target, X2lDomain *domain, gboolean replace, GError **error)
{
    ConfDomain *def = domain->def;
    AUTO_DOMAIN by_name = virDomainLookupByName(target->conn, def->name);
    AUTO_DOMAIN by_uuid = NULL;
    char uuid[VIR_UUID_STRING_BUFLEN] = "";

    if (!looked_up(by_name, def->name, error))
        return FALSE;
    if (by_name && domain->uuid_from != X2L_UUID_CONFIG && !adopt_uuid(by_name, domain, error))
        return FALSE;
    if (def->uuid_set) {
        by_uuid = virDomainLookupByUUID(target->conn, def->uuid);
        if (!looked_up(by_uuid, def->name, error))
            return FALSE;
    }
    if (by_uuid && g_strcmp0(virDomainGetName(by_uuid), def->name) != 0) {
        conflict(domain, "its uuid is that of the domain '%s' there", virDomainGetName(by_uuid));
    } else if (by_name && !by_uuid) {
        virDomainGetUUIDString(by_name, uuid);
        conflict(domain, "there is another domain of this name there, with the uuid %s", uuid);
    } else if (by_name) {
        compare_definitions(by_name, domain, replace);
    } else {
        domain->action = X2L_ACTION_NEW;
    }
    return TRUE;
}

/* ---- doing it, and taking it back ---- */

typedef struct Step {
    X2lDomain *domain;
    char *before; /* its old definition; NULL: it was not there */
    int autostart;
} Step;

struct X2lUndo {
    GPtrArray *steps; /* Step */
};

static void
step_free(gpointer data)
{
    Step *step = data;

    g_free(step->before);
    g_free(step);
}

X2lUndo *
x2l_undo_new(void)
{
    X2lUndo *undo = g_new0(X2lUndo, 1);

    undo->steps = g_ptr_array_new_with_free_func(step_free);
    return undo;
}

void
x2l_undo_free(X2lUndo *undo)
{
    if (!undo)
        return;
    g_ptr_array_unref(undo->steps);
    g_free(undo);
}

static gboolean
refused(X2lDomain *domain, const char *what)
{
    const char *reason = virGetLastErrorMessage();

    domain->action = X2L_ACTION_FAILED;
    g_free(domain->error);
    domain->error = g_strdup_printf("%s%s", what, reason);
    return FALSE;
}

/* Before anything is changed: who cannot be put back is not touched. */
static gboolean
remember(X2lTarget *target, X2lDomain *domain, X2lUndo *undo)
{
    Step *step = g_new0(Step, 1);

    step->domain = domain;
    if (domain->action == X2L_ACTION_REDEFINE) {
        AUTO_DOMAIN existing = virDomainLookupByUUID(target->conn, domain->def->uuid);
        AUTO_TEXT xml = existing ? virDomainGetXMLDesc(existing, VIR_DOMAIN_XML_INACTIVE |
                                                                     VIR_DOMAIN_XML_SECURE)
                                 : NULL;

        if (!xml || virDomainGetAutostart(existing, &step->autostart) < 0) {
            step_free(step);
            return refused(domain, "its present definition could not be saved: ");
        }
        step->before = g_strdup(xml);
    }
    g_ptr_array_add(undo->steps, step);
    return TRUE;
}

gboolean
x2l_target_apply(X2lTarget *target, X2lDomain *domain, X2lUndo *undo)
{
    AUTO_DOMAIN defined = NULL;
    g_autofree char *xml = NULL;

    if (domain->action != X2L_ACTION_NEW && domain->action != X2L_ACTION_REDEFINE)
        return TRUE;
    if (undo && !remember(target, domain, undo))
        return FALSE;
    xml = conf_domain_format_xml(domain->def, CONF_XML_SECURE | CONF_XML_INACTIVE);
    defined = virDomainDefineXML(target->conn, xml);
    if (!defined) {
        if (undo) /* nothing was changed */
            g_ptr_array_remove_index(undo->steps, undo->steps->len - 1);
        return refused(domain, "");
    }
    if (domain->autostart && virDomainSetAutostart(defined, 1) < 0)
        return refused(domain, "defined, but autostart could not be set: ");
    return TRUE;
}

static gboolean
take_back(X2lTarget *target, const Step *step)
{
    AUTO_DOMAIN domain = NULL;

    if (step->before) {
        domain = virDomainDefineXML(target->conn, step->before);
        return domain &&
               (!step->domain->autostart || virDomainSetAutostart(domain, step->autostart) == 0);
    }
    domain = virDomainLookupByName(target->conn, step->domain->def->name);
    return domain && virDomainUndefine(domain) == 0;
}

void
x2l_undo_all(X2lTarget *target, X2lUndo *undo, GPtrArray *errors)
{
    for (guint i = undo->steps->len; i-- > 0;) {
        const Step *step = undo->steps->pdata[i];

        if (take_back(target, step)) {
            if (step->domain->action != X2L_ACTION_FAILED)
                step->domain->action = X2L_ACTION_UNDONE;
            continue;
        }
        g_ptr_array_add(errors, g_strdup_printf("domain '%s' could not be put back as it was: %s",
                                                step->domain->def->name, virGetLastErrorMessage()));
    }
    g_ptr_array_set_size(undo->steps, 0);
}
