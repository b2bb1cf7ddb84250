/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "x2l.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

struct X2lTarget {
    virConnectPtr conn;
};

static void
domain_clear(virDomainPtr *domain)
{
    if (*domain)
        virDomainFree(*domain);
}
#define AUTO_DOMAIN __attribute__((cleanup(domain_clear))) virDomainPtr

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

X2lTarget *
x2l_target_open(const char *uri, GError **error)
{
    const char *env = g_getenv("LIBVIRT_DEFAULT_URI");
    virConnectPtr conn;
    X2lTarget *target;

    if (!uri)
        uri = env && *env ? env : "xen:///system";
    virSetErrorFunc(NULL, be_quiet);
    if (virInitialize() < 0) {
        set_error(error, "libvirt's client library does not start");
        return NULL;
    }
    conn = virConnectOpen(uri);
    if (!conn) {
        g_autofree char *what = g_strdup_printf(
            "cannot reach a libvirt at %s (use --connect URI, or -c to convert without one)", uri);
        set_error(error, what);
        return NULL;
    }
    target = g_new0(X2lTarget, 1);
    target->conn = conn;
    return target;
}

void
x2l_target_close(X2lTarget *target)
{
    if (!target)
        return;
    virConnectClose(target->conn);
    g_free(target);
}

/* The domain that `def` would be in the target: by uuid where the config has one, else by name. */
static virDomainPtr
find_existing(X2lTarget *target, const ConfDomain *def)
{
    virDomainPtr domain = NULL;

    if (def->uuid_set)
        domain = virDomainLookupByUUID(target->conn, def->uuid);
    if (!domain)
        domain = virDomainLookupByName(target->conn, def->name);
    return domain;
}

/* A config without a uuid names its domain by name only: it keeps the one that it has there. */
static gboolean
adopt_uuid(virDomainPtr existing, ConfDomain *def, GError **error)
{
    if (def->uuid_set)
        return TRUE;
    if (virDomainGetUUID(existing, def->uuid) < 0) {
        set_error(error, def->name);
        return FALSE;
    }
    def->uuid_set = true;
    return TRUE;
}

gboolean
x2l_target_define(X2lTarget *target, const X2lDomain *domain, gboolean replace,
                  X2lImported *ret_imported, GError **error)
{
    AUTO_DOMAIN existing = find_existing(target, domain->def);
    AUTO_DOMAIN defined = NULL;
    g_autofree char *xml = NULL;

    if (existing && !replace) {
        *ret_imported = X2L_IMPORTED_EXISTS;
        return TRUE;
    }
    if (existing && !adopt_uuid(existing, domain->def, error))
        return FALSE;
    xml = conf_domain_format_xml(domain->def, CONF_XML_SECURE | CONF_XML_INACTIVE);
    defined = virDomainDefineXML(target->conn, xml);
    if (!defined) {
        set_error(error, domain->def->name);
        return FALSE;
    }
    if (domain->autostart && virDomainSetAutostart(defined, 1) < 0) {
        set_error(error, "defined, but autostart could not be set");
        return FALSE;
    }
    *ret_imported = existing ? X2L_IMPORTED_REPLACED : X2L_IMPORTED_NEW;
    return TRUE;
}
