/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Errors as clients see them. The one place that knows libvirt's error numbers' meaning: which
 * number a GError becomes, and the words that libvirt puts in front of a message of that number.
 */
#include "lvd-do.h"

#include <stdio.h>
#include <string.h>

/* A message of an error reply; far below what the protocol allows, far above what is read. */
#define MESSAGE_MAX 65536
/* Of a broken line of a document. */
#define CONTEXT_MAX 80

/* G_DEFINE_QUARK makes lvd_error_quark(). */
G_DEFINE_QUARK(lvd_error_quark, lvd_error)

typedef struct WireCode {
    int code; /* VIR_ERR_* */
    int from; /* VIR_FROM_* */
} WireCode;

/* HvError -> number on the wire. One row a code: the count is checked below. */
static const WireCode hv_wire_codes[] = {
    [HV_ERROR_INTERNAL] = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_LIBXL },
    [HV_ERROR_NO_DOMAIN] = { VIR_ERR_NO_DOMAIN, VIR_FROM_LIBXL },
    [HV_ERROR_EXISTS] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_DOMAIN },
    [HV_ERROR_WRONG_STATE] = { VIR_ERR_OPERATION_INVALID, VIR_FROM_LIBXL },
    [HV_ERROR_INVALID_ARG] = { VIR_ERR_INVALID_ARG, VIR_FROM_LIBXL },
    [HV_ERROR_UNSUPPORTED] = { VIR_ERR_NO_SUPPORT, VIR_FROM_LIBXL },
    [HV_ERROR_CONFIG] = { VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_LIBXL },
    /* Stock says "internal error" here, which reads like a fault of the daemon. */
    [HV_ERROR_ENGINE] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_LIBXL },
    [HV_ERROR_TIMEOUT] = { VIR_ERR_OPERATION_TIMEOUT, VIR_FROM_LIBXL },
    [HV_ERROR_CANCELLED] = { VIR_ERR_OPERATION_ABORTED, VIR_FROM_LIBXL },
    [HV_ERROR_IO] = { VIR_ERR_SYSTEM_ERROR, VIR_FROM_LIBXL },
    [HV_ERROR_NO_METADATA] = { VIR_ERR_NO_DOMAIN_METADATA, VIR_FROM_DOMAIN },
    [HV_ERROR_NO_SNAPSHOT] = { VIR_ERR_NO_DOMAIN_SNAPSHOT, VIR_FROM_DOMAIN_SNAPSHOT },
    [HV_ERROR_BUSY] = { VIR_ERR_RESOURCE_BUSY, VIR_FROM_LOCKSPACE },
    [HV_ERROR_RISKY] = { VIR_ERR_SNAPSHOT_REVERT_RISKY, VIR_FROM_DOMAIN_SNAPSHOT },
    [HV_ERROR_HOOK] = { VIR_ERR_HOOK_SCRIPT_FAILED, VIR_FROM_HOOK },
};
G_STATIC_ASSERT(G_N_ELEMENTS(hv_wire_codes) == HV_N_ERRORS);

/* ConfError -> number, for domXML. Native configs: lvd_native_error(). */
static const WireCode conf_wire_codes[] = {
    [CONF_ERROR_SYNTAX] = { VIR_ERR_XML_DETAIL, VIR_FROM_DOMAIN },
    [CONF_ERROR_INVALID] = { VIR_ERR_XML_ERROR, VIR_FROM_DOMAIN },
    [CONF_ERROR_UNSUPPORTED] = { VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_DOMAIN },
    [CONF_ERROR_LIMIT] = { VIR_ERR_XML_ERROR, VIR_FROM_DOMAIN },
    [CONF_ERROR_MISSING] = { VIR_ERR_DEVICE_MISSING, VIR_FROM_LIBXL },
    [CONF_ERROR_EXISTS] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_LIBXL },
    [CONF_ERROR_AMBIGUOUS] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_LIBXL },
};
G_STATIC_ASSERT(G_N_ELEMENTS(conf_wire_codes) == CONF_N_ERRORS);

/* ConfCpuError -> number. */
static const WireCode cpu_wire_codes[] = {
    [CONF_CPU_ERROR_MAP] = { VIR_ERR_NO_SUPPORT, VIR_FROM_CPU },
    [CONF_CPU_ERROR_XML] = { VIR_ERR_XML_ERROR, VIR_FROM_CPU },
    [CONF_CPU_ERROR_VALUE] = { VIR_ERR_CONFIG_UNSUPPORTED, VIR_FROM_CPU },
    [CONF_CPU_ERROR_UNKNOWN] = { VIR_ERR_INTERNAL_ERROR, VIR_FROM_CPU },
    [CONF_CPU_ERROR_ARCH] = { VIR_ERR_NO_SUPPORT, VIR_FROM_CPU },
    [CONF_CPU_ERROR_ARGUMENT] = { VIR_ERR_INVALID_ARG, VIR_FROM_CPU },
    [CONF_CPU_ERROR_MISMATCH] = { VIR_ERR_OPERATION_FAILED, VIR_FROM_CPU },
};
G_STATIC_ASSERT(G_N_ELEMENTS(cpu_wire_codes) == CONF_CPU_N_ERRORS);

/* What libvirt puts before a message of a number. A number without a row goes out bare. */
static const struct {
    int code;
    const char *prefix;
} wire_prefixes[] = {
    { VIR_ERR_INTERNAL_ERROR, "internal error" },
    { VIR_ERR_NO_SUPPORT, "this function is not supported by the connection driver" },
    { VIR_ERR_NO_CONNECT, "no connection driver available for" },
    { VIR_ERR_INVALID_ARG, "invalid argument" },
    { VIR_ERR_OPERATION_FAILED, "operation failed" },
    { VIR_ERR_XML_ERROR, "XML error" },
    { VIR_ERR_OPERATION_DENIED, "operation forbidden" },
    { VIR_ERR_CONF_SYNTAX, "configuration file syntax error" },
    { VIR_ERR_NO_DOMAIN, "Domain not found" },
    { VIR_ERR_AUTH_FAILED, "authentication failed" },
    { VIR_ERR_NO_STORAGE_POOL, "Storage pool not found" },
    { VIR_ERR_NO_STORAGE_VOL, "Storage volume not found" },
    { VIR_ERR_OPERATION_INVALID, "Requested operation is not valid" },
    { VIR_ERR_CONFIG_UNSUPPORTED, "unsupported configuration" },
    { VIR_ERR_OPERATION_TIMEOUT, "Timed out during operation" },
    { VIR_ERR_ARGUMENT_UNSUPPORTED, "argument unsupported" },
    { VIR_ERR_OPERATION_ABORTED, "operation aborted" },
    { VIR_ERR_NO_DOMAIN_METADATA, "metadata not found" },
    { VIR_ERR_NO_HOSTNAME, "no hostname found" },
    { VIR_ERR_HOOK_SCRIPT_FAILED, "Hook script execution failed" },
    { VIR_ERR_DEVICE_MISSING, "device not found" },
    { VIR_ERR_NO_DOMAIN_SNAPSHOT, "Domain snapshot not found" },
    { VIR_ERR_SNAPSHOT_REVERT_RISKY, "revert requires force" },
    { VIR_ERR_OPERATION_UNSUPPORTED, "Operation not supported" },
    { VIR_ERR_RESOURCE_BUSY, "resource busy" },
    { VIR_ERR_CPU_INCOMPATIBLE, "the CPU is incompatible with host CPU" },
    { VIR_ERR_XML_INVALID_SCHEMA, "XML document failed to validate against schema" },
};

/* Which part of libvirt a public function stands in, by the start of its name; the first row that
 * fits counts. */
static const struct {
    const char *prefix;
    int from;
} api_domains[] = {
    { "virDomainSnapshot", VIR_FROM_DOMAIN_SNAPSHOT },
    { "virDomainCheckpoint", VIR_FROM_DOMAIN_CHECKPOINT },
    { "virDomain", VIR_FROM_DOMAIN },
    { "virConnectDomain", VIR_FROM_DOMAIN },
    { "virConnectListDomains", VIR_FROM_DOMAIN },
    { "virConnectListDefinedDomains", VIR_FROM_DOMAIN },
    { "virConnectListAllDomains", VIR_FROM_DOMAIN },
    { "virConnectNumOfDomains", VIR_FROM_DOMAIN },
    { "virConnectNumOfDefinedDomains", VIR_FROM_DOMAIN },
    { "virConnectGetDomainCapabilities", VIR_FROM_DOMAIN },
    { "virConnectGetAllDomainStats", VIR_FROM_DOMAIN },
    { "virNodeDevice", VIR_FROM_NODEDEV },
};

static const int family_domains[LVD_N_FAMILIES] = {
    [LVD_FAMILY_NETWORK] = VIR_FROM_NETWORK, [LVD_FAMILY_STORAGE] = VIR_FROM_STORAGE,
    [LVD_FAMILY_NODEDEV] = VIR_FROM_NODEDEV, [LVD_FAMILY_INTERFACE] = VIR_FROM_INTERFACE,
    [LVD_FAMILY_SECRET] = VIR_FROM_SECRET,   [LVD_FAMILY_NWFILTER] = VIR_FROM_NWFILTER,
};

/* The VIR_FROM_* that libvirt's public function of this procedure reports its own refusals with. */
static int
api_domain(const LvdProc *proc)
{
    const char *api = proc->api;

    if (proc->family != LVD_FAMILY_OURS)
        return family_domains[proc->family];
    for (gsize i = 0; api && i < G_N_ELEMENTS(api_domains); i++)
        if (g_str_has_prefix(api, api_domains[i].prefix))
            return api_domains[i].from;
    return VIR_FROM_NONE;
}

void
lvd_set_error(GError **error, int code, int from, const char *format, ...)
{
    va_list list;

    va_start(list, format);
    g_autofree char *text = g_strdup_vprintf(format, list);
    va_end(list);
    g_set_error_literal(error, LVD_ERROR, LVD_ERROR_CODE(code, from), text);
}

void
lvd_set_no_support(GError **error, const LvdProc *proc)
{
    lvd_set_error(error, VIR_ERR_NO_SUPPORT, api_domain(proc), "%s",
                  proc->api ? proc->api : proc->name);
}

void
lvd_set_readonly(GError **error, const LvdProc *proc)
{
    lvd_set_error(error, VIR_ERR_OPERATION_DENIED, api_domain(proc), "read only access prevents %s",
                  proc->api ? proc->api : proc->name);
}

void
lvd_native_error(GError **error)
{
    if (!error || !*error || (*error)->domain != CONF_ERROR ||
        (*error)->code == CONF_ERROR_UNSUPPORTED)
        return;
    (*error)->domain = LVD_ERROR;
    (*error)->code = LVD_ERROR_CODE(VIR_ERR_CONF_SYNTAX, VIR_FROM_XENXL);
}

/* The line of `xml` with a mark below the column, at most CONTEXT_MAX bytes of it. */
static char *
error_context(const char *xml, int line, int column)
{
    const char *start = xml;

    for (int i = 1; i < line && strchr(start, '\n'); i++)
        start = strchr(start, '\n') + 1;
    gsize len = strcspn(start, "\r\n"), mark = MIN((gsize)MAX(column, 1) - 1, len);
    gsize skipped = mark > CONTEXT_MAX ? mark - CONTEXT_MAX : 0;
    g_autofree char *shown = g_strndup(start + skipped, MIN(len - skipped, CONTEXT_MAX));
    g_autofree char *dashes = g_strnfill(mark - skipped, '-');

    return g_strconcat(shown, "\n", dashes, "^", NULL);
}

void
lvd_syntax_error(const char *xml, GError **error)
{
    int line, column, text = 0;

    if (!error || !g_error_matches(*error, CONF_ERROR, CONF_ERROR_SYNTAX))
        return;
    /* "(name):LINE:COLUMN: reason" */
    const char *place = strchr((*error)->message, ')');
    if (!place || sscanf(place, "):%d:%d: %n", &line, &column, &text) != 2 || text == 0)
        return;
    g_autofree char *context = error_context(xml, line, column);
    char *message = g_strdup_printf("%.*s):%d: %s\n%s", (int)(place - (*error)->message),
                                    (*error)->message, line, place + text, context);
    g_free((*error)->message);
    (*error)->message = message;
}

/* ---- on the wire ---- */

static WireCode
wire_code(const GError *error, gboolean *ret_bare)
{
    *ret_bare = FALSE;
    if (error->domain == HV_ERROR && error->code >= 0 && error->code < HV_N_ERRORS)
        return hv_wire_codes[error->code];
    if (error->domain == CONF_ERROR && error->code >= 0 && error->code < CONF_N_ERRORS)
        return conf_wire_codes[error->code];
    if (error->domain == CONF_CPU_ERROR && error->code >= 0 && error->code < CONF_CPU_N_ERRORS)
        return cpu_wire_codes[error->code];
    if (error->domain == LVD_ERROR) {
        *ret_bare = (error->code & LVD_BARE) != 0;
        return (WireCode){ error->code & 0x7fff, (error->code >> 16) & 0x7fff };
    }
    return (WireCode){ VIR_ERR_INTERNAL_ERROR, VIR_FROM_LIBXL };
}

static const char *
wire_prefix(int code)
{
    for (gsize i = 0; i < G_N_ELEMENTS(wire_prefixes); i++)
        if (wire_prefixes[i].code == code)
            return wire_prefixes[i].prefix;
    return NULL;
}

/* libvirt has a space and no colon for exactly one of its prefixes. */
static const char *
wire_separator(int code)
{
    return code == VIR_ERR_NO_CONNECT ? " " : ": ";
}

/* An optional string as rpcgen has it. `text` is taken over. */
static lvd_opt_text
opt_text(char *text)
{
    lvd_opt_text opt = g_new(lvd_text, 1);

    *opt = text;
    return opt;
}

/* Names in a message may be any bytes that a client sent; bindings expect UTF-8 back. */
static char *
clean_message(const char *message)
{
    gsize len = strlen(message);

    return g_utf8_make_valid(message, (gssize)MIN(len, MESSAGE_MAX));
}

void
lvd_error_fill(const GError *error, lvd_error *ret_error)
{
    gboolean bare;
    WireCode wire = wire_code(error, &bare);
    const char *prefix = bare ? NULL : wire_prefix(wire.code);
    char *detail = clean_message(error->message ? error->message : "");

    *ret_error = (lvd_error){
        .code = wire.code, .domain = wire.from, .level = VIR_ERR_ERROR, .int1 = -1, .int2 = -1
    };
    if (prefix && *detail == '\0') {
        ret_error->message = opt_text(g_strdup(prefix));
        ret_error->str1 = opt_text(g_strdup(prefix));
        g_free(detail);
        return;
    }
    const char *separator = prefix ? wire_separator(wire.code) : "";
    ret_error->message = opt_text(g_strconcat(prefix ? prefix : "", separator, detail, NULL));
    ret_error->str1 = opt_text(g_strconcat(prefix ? prefix : "", separator, "%s", NULL));
    ret_error->str2 = opt_text(detail);
}
