/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The VALIDATE flags: a document against the RelaxNG schema that libvirt installs beside its client
 * library. A schema is read once, at the first use.
 */
#include "lvd-do.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <string.h>

#define REASON_MAX 4096

G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGParserCtxt, xmlRelaxNGFreeParserCtxt)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlRelaxNGValidCtxt, xmlRelaxNGFreeValidCtxt)

/* Held while a document is validated: libxml2 promises nothing about two validations at once with
 * one schema. It never waits for a guest. */
static GMutex schema_lock;
static struct {
    const char *path; /* constant */
    xmlRelaxNG *read; /* [schema_lock] NULL: not read */
} schemas[] = {
    [LVD_SCHEMA_DOMAIN] = { LVD_DOMAIN_SCHEMA },
    [LVD_SCHEMA_SNAPSHOT] = { LVD_SNAPSHOT_SCHEMA },
    [LVD_SCHEMA_CPU] = { LVD_CPU_SCHEMA },
};

static void
collect(void *data, xmlError *problem)
{
    GString *reasons = data;

    if (!problem->message || reasons->len >= REASON_MAX)
        return;
    if (problem->line > 0)
        g_string_append_printf(reasons, "line %d: ", problem->line);
    g_string_append(reasons, problem->message);
}

/* NULL and *error: it cannot be had. */
static xmlRelaxNG *
load_schema_locked(LvdSchema which, GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    const char *path = schemas[which].path;

    if (schemas[which].read)
        return schemas[which].read;
    g_autoptr(xmlRelaxNGParserCtxt) parser = xmlRelaxNGNewParserCtxt(path);
    if (parser) {
        xmlRelaxNGSetParserStructuredErrors(parser, collect, reasons);
        schemas[which].read = xmlRelaxNGParse(parser);
    }
    if (!schemas[which].read)
        lvd_set_error(error, VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_XML,
                      "cannot validate: libvirt's schema %s is not installed or not readable%s%s",
                      path, reasons->len ? ": " : "", g_strchomp(reasons->str));
    return schemas[which].read;
}

gboolean
lvd_schema_validate(LvdSchema which, const char *xml, GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    g_autoptr(xmlDoc)
        doc = xmlReadMemory(xml, (int)strlen(xml), "(document)", NULL,
                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);

    if (!doc) {
        lvd_set_error(error, VIR_ERR_INTERNAL_ERROR, VIR_FROM_XML,
                      "a document that was parsed cannot be parsed again for its validation");
        return FALSE;
    }
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&schema_lock);
    xmlRelaxNG *schema = load_schema_locked(which, error);
    if (!schema)
        return FALSE;
    g_autoptr(xmlRelaxNGValidCtxt) validation = xmlRelaxNGNewValidCtxt(schema);
    xmlRelaxNGSetValidStructuredErrors(validation, collect, reasons);
    if (xmlRelaxNGValidateDoc(validation, doc) == 0)
        return TRUE;
    lvd_set_error(error, VIR_ERR_XML_INVALID_SCHEMA, VIR_FROM_XML,
                  "Unable to validate doc against %s\n%s", schemas[which].path, reasons->str);
    return FALSE;
}
