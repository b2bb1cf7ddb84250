/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-request.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    HpCommand command;
} commands[] = {
    { "add", HP_ADD },
    { "remove", HP_REMOVE },
    { "online", HP_ONLINE },
    { "offline", HP_OFFLINE },
};

/* Under which name we run says what for, as with Xen's scripts. */
static const struct {
    const char *name;
    HpKind kind;
    bool shared;
} kinds[] = {
    { "block", HP_BLOCK, false },     { HP_BLOCK_SHARED, HP_BLOCK, true },
    { "block-nbd", HP_NBD, false },   { "vif-bridge", HP_BRIDGE, false },
    { "vif-route", HP_ROUTE, false }, { "vif-openvswitch", HP_OPENVSWITCH, false },
};

bool
hp_check_ifname(const char *what, const char *name, HpError *error)
{
    size_t length = strlen(name);
    if (length == 0)
        return hp_fail(error, "%s: the name of the interface is empty", what);
    if (length >= HP_IFNAME_SIZE)
        return hp_fail(error,
                       "%s '%.32s' is too long: an interface's name has at most %d characters",
                       what, name, HP_IFNAME_SIZE - 1);
    bool bad = name[0] == '-' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
    for (const char *c = name; *c; c++)
        bad |= *c == '/' || *c == ':' || isspace((unsigned char)*c) || iscntrl((unsigned char)*c);
    if (bad)
        return hp_fail(error,
                       "%s '%s' cannot be the name of an interface: no space, '/' or ':' in it, no "
                       "'-' before it",
                       what, name);
    return true;
}

bool
hp_parse_uint(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    if (!*text)
        return false;
    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        unsigned digit = (unsigned)(*c - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = value;
    return true;
}

bool
hp_parse_address(const char *text, HpAddress *ret)
{
    char host[64];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    if (length == 0 || length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    HpAddress address = { .family = strchr(host, ':') ? AF_INET6 : AF_INET };
    if (inet_pton(address.family, host, address.bytes) != 1)
        return false;
    unsigned bits = address.family == AF_INET6 ? 128 : 32;
    uint64_t prefix = bits;
    if (slash && !hp_parse_uint(slash + 1, bits, &prefix))
        return false;
    address.prefix = (unsigned)prefix;
    *ret = address;
    return true;
}

char *
hp_next_word(char **rest)
{
    char *word = *rest + strspn(*rest, " \t\n");
    if (!*word)
        return NULL;
    char *end = word + strcspn(word, " \t\n");
    *rest = *end ? end + 1 : end;
    *end = 0;
    return word;
}

HpMode
hp_parse_mode(const char *text)
{
    if (!strchr(text, 'w'))
        return HP_MODE_READ;
    return strchr(text, '!') ? HP_MODE_SHARED : HP_MODE_WRITE;
}

/* `text`: digits and colons. Appends "trunks=1,2"; false where it is none of the form. */
static bool
parse_trunks(const char *text, HpOvsBridge *ret)
{
    if (!*text || strspn(text, "0123456789:") != strlen(text) || *text == ':' ||
        text[strlen(text) - 1] == ':' || strstr(text, "::"))
        return false;
    int n = snprintf(ret->trunks, sizeof ret->trunks, "trunks=%s", text);
    if (n < 0 || (size_t)n >= sizeof ret->trunks)
        return false;
    for (char *c = ret->trunks; *c; c++) {
        if (*c == ':')
            *c = ',';
    }
    return true;
}

bool
hp_parse_ovs_bridge(const char *text, HpOvsBridge *ret, HpError *error)
{
    static const char form[] = "write BRIDGE, BRIDGE.TAG, BRIDGE:TRUNK:TRUNK or BRIDGE.TAG:TRUNK";
    HpOvsBridge result = { 0 };
    size_t length = strcspn(text, ".:");
    if (length == 0 || length >= sizeof result.bridge)
        return hp_fail(error, "'%.64s' names no Open vSwitch bridge: %s", text, form);
    memcpy(result.bridge, text, length);
    if (!hp_check_ifname("bridge", result.bridge, error))
        return false;
    const char *rest = text + length;
    if (*rest == '.') {
        size_t digits = strspn(rest + 1, "0123456789");
        if (digits == 0 || digits > 4)
            return hp_fail(error, "the VLAN tag in '%.64s' is no number of a VLAN: %s", text, form);
        snprintf(result.tag, sizeof result.tag, "tag=%.*s", (int)digits, rest + 1);
        rest += 1 + digits;
    }
    if (*rest && (*rest != ':' || !parse_trunks(rest + 1, &result)))
        return hp_fail(error, "what follows the bridge in '%.64s' is no list of VLANs: %s", text,
                       form);
    *ret = result;
    return true;
}

static const char *
nonempty(const char *text)
{
    return text && *text ? text : NULL;
}

/* [/local/domain/N/]backend/TYPE/DOMID/DEVID */
static bool
parse_path(const char *path, HpRequest *request, HpError *error)
{
    size_t length = strlen(path);
    if (length >= sizeof request->path - 64)
        return hp_fail(error, "XENBUS_PATH is too long");
    memcpy(request->path, path, length + 1);
    const char *devid = strrchr(path, '/');
    const char *domid = devid;
    while (domid && domid > path && domid[-1] != '/')
        domid--;
    char text[16];
    uint64_t dom, dev;
    if (!devid || domid == path || devid - domid >= (int)sizeof text)
        return hp_fail(error, "XENBUS_PATH '%s' is not of the form backend/TYPE/DOMID/DEVID", path);
    memcpy(text, domid, (size_t)(devid - domid));
    text[devid - domid] = 0;
    if (!hp_parse_uint(text, UINT32_MAX, &dom) || !hp_parse_uint(devid + 1, UINT32_MAX, &dev))
        return hp_fail(error, "XENBUS_PATH '%s' does not end in DOMID/DEVID", path);
    request->domid = (uint32_t)dom;
    request->devid = (uint32_t)dev;
    return true;
}

/* The emulated interface is named vifDOMID.DEVID-emu. */
static bool
path_of_tap(const char *tap, HpRequest *request, HpError *error)
{
    unsigned domid, devid;
    char rest[8];
    if (sscanf(tap, "vif%9u.%9u%7s", &domid, &devid, rest) != 3 || strcmp(rest, "-emu") != 0)
        return hp_fail(error, "INTERFACE '%.32s' is not of the form vifDOMID.DEVID-emu", tap);
    snprintf(request->path, sizeof request->path, "/local/domain/0/backend/vif/%u/%u", domid,
             devid);
    request->domid = domid;
    request->devid = devid;
    return true;
}

typedef struct Given {
    const char *command;
    const char *type_if;
    const char *vif;
    const char *tap;
    HpRequest *request;
} Given;

/* NAME=VALUE on the command line goes before the environment. */
static void
take_variables(int argc, char **argv, HpGetenv env, Given *given)
{
    const struct {
        const char *name;
        const char **value;
    } variables[] = {
        { "type_if", &given->type_if },
        { "vif", &given->vif },
        { "INTERFACE", &given->tap },
        { "bridge", &given->request->bridge },
        { "ip", &given->request->ip },
        { "netdev", &given->request->netdev },
        { "XENBUS_BASE_PATH", &given->request->base_path },
    };
    for (size_t v = 0; v < HP_N(variables); v++) {
        size_t length = strlen(variables[v].name);
        *variables[v].value = nonempty(env(variables[v].name));
        for (int a = 1; a < argc; a++) {
            if (strncmp(argv[a], variables[v].name, length) == 0 && argv[a][length] == '=')
                *variables[v].value = nonempty(argv[a] + length + 1);
        }
    }
    for (int a = argc - 1; a > 0; a--) {
        if (!strchr(argv[a], '='))
            given->command = argv[a];
    }
}

static bool
take_command(const char *name, HpRequest *request, HpError *error)
{
    for (size_t i = 0; name && i < HP_N(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            request->command = commands[i].command;
            return true;
        }
    }
    return hp_fail(error, "what to do? usage: add|remove|online|offline [NAME=VALUE]...");
}

static bool
take_kind(const char *program, const char *type, HpRequest *request, HpError *error)
{
    const char *slash = strrchr(program, '/');
    const char *name = slash ? slash + 1 : program;
    request->kind = HP_AUTO;
    for (size_t i = 0; i < HP_N(kinds); i++) {
        if (strcmp(name, kinds[i].name) == 0) {
            request->kind = kinds[i].kind;
            request->shared = kinds[i].shared;
        }
    }
    if (request->kind != HP_AUTO || (type && strcmp(type, "vif") == 0))
        return true;
    if (!type || strcmp(type, "vbd") != 0)
        return hp_fail(error, "XENBUS_TYPE '%.32s' is neither vbd nor vif", type ? type : "");
    request->kind = HP_BLOCK;
    return true;
}

static HpParse
parse_block(const char *path, HpRequest *request, HpError *error)
{
    if (request->command != HP_ADD && request->command != HP_REMOVE)
        return hp_fail(error, "a disk has the commands add and remove only"), HP_PARSE_FAILED;
    if (!path)
        return hp_fail(error, "XENBUS_PATH is not set: libxl sets it"), HP_PARSE_FAILED;
    return parse_path(path, request, error) ? HP_PARSE_OK : HP_PARSE_FAILED;
}

/* An emulated interface is added and removed, a paravirtual one goes online and offline. */
static HpParse
parse_vif(const char *path, const Given *given, HpError *error)
{
    HpRequest *request = given->request;
    const char *type = given->type_if ? given->type_if : "vif";
    request->tap = strcmp(type, "tap") == 0;
    if (!request->tap && strcmp(type, "vif") != 0)
        return hp_fail(error, "type_if '%.32s' is neither vif nor tap", type), HP_PARSE_FAILED;
    bool for_tap = request->command == HP_ADD || request->command == HP_REMOVE;
    if (request->tap != for_tap)
        return HP_PARSE_NOTHING_TO_DO;
    const char *dev = request->tap ? given->tap : given->vif;
    if (!path && !request->tap)
        return hp_fail(error, "XENBUS_PATH is not set: libxl sets it"), HP_PARSE_FAILED;
    if (!dev)
        return hp_fail(error, "%s is not set: libxl sets it", request->tap ? "INTERFACE" : "vif"),
               HP_PARSE_FAILED;
    if (!hp_check_ifname(request->tap ? "INTERFACE" : "vif", dev, error))
        return HP_PARSE_FAILED;
    memcpy(request->dev, dev, strlen(dev) + 1);
    bool ok = path ? parse_path(path, request, error) : path_of_tap(dev, request, error);
    return ok ? HP_PARSE_OK : HP_PARSE_FAILED;
}

HpParse
hp_request_parse(int argc, char **argv, HpGetenv env, HpRequest *ret, HpError *error)
{
    HpRequest request = { 0 };
    Given given = { .request = &request };
    if (argc < 1 || !argv[0])
        return hp_fail(error, "no name to run under"), HP_PARSE_FAILED;
    take_variables(argc, argv, env, &given);
    if (!take_command(given.command, &request, error) ||
        !take_kind(argv[0], nonempty(env("XENBUS_TYPE")), &request, error))
        return HP_PARSE_FAILED;
    if (!request.base_path)
        request.base_path = "backend";
    if (strlen(request.base_path) > HP_PATH_SIZE / 2)
        return hp_fail(error, "XENBUS_BASE_PATH is too long"), HP_PARSE_FAILED;
    const char *path = nonempty(env("XENBUS_PATH"));
    bool disk = request.kind == HP_BLOCK || request.kind == HP_NBD;
    HpParse parse = disk ? parse_block(path, &request, error) : parse_vif(path, &given, error);
    if (parse == HP_PARSE_OK)
        *ret = request;
    return parse;
}
