/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a connection to a stock daemon begins with: which authentication it wants (none from root),
 * the open by the family's URI, and whose calls they will be.
 */
#include "lvd-upstream.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { PROC_CONNECT_OPEN = 1, PROC_AUTH_LIST = 66, PROC_SET_IDENTITY = 419 };

/* A call of our own; each is answered before the next one is made. */
static void
ask(LvdUpstream *up, LvdStep step, gint32 proc, xdrproc_t xdr, const void *args)
{
    LvdHeader header = { .prog = LVD_PROGRAM_REMOTE,
                         .vers = LVD_VERSION,
                         .proc = proc,
                         .type = LVD_CALL,
                         .serial = ++up->serial,
                         .status = LVD_OK };
    guint8 room[1024];
    gsize length = 0;
    guint8 *bytes = lvd_frame_encode(&header, xdr, args, room, sizeof(room), &length);

    g_assert(bytes == room); /* small, and all of our own making */
    up->step = step;
    lvd_upstream_send(up, &header, bytes + LVD_LENGTH_MIN, length - LVD_LENGTH_MIN);
}

char *
lvd_family_uri(LvdFamily family, int fd)
{
    struct ucred peer = { .uid = 0 };
    socklen_t size = sizeof(peer);

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return g_strdup_printf("%s:///%s", lvd_family_name(family),
                           peer.uid == 0 ? "system" : "session");
}

static void
ask_open(LvdUpstream *up)
{
    g_autofree char *uri = lvd_family_uri(up->family, up->watch.fd);
    lvd_text name = uri;
    lvd_connect_open_args args = { .name = &name };

    if (g_atomic_int_get(&up->client->readonly))
        args.flags = VIR_CONNECT_RO;
    ask(up, LVD_STEP_OPEN, PROC_CONNECT_OPEN, (xdrproc_t)xdr_lvd_connect_open_args, &args);
}

static void
add_number(lvd_typed_param *param, const char *field, gboolean negative, gint64 value)
{
    param->field = (char *)field;
    if (negative) {
        param->value.type = VIR_TYPED_PARAM_LLONG;
        param->value.lvd_typed_param_value_u.l = value;
    } else {
        param->value.type = VIR_TYPED_PARAM_ULLONG;
        param->value.lvd_typed_param_value_u.ul = (guint64)value;
    }
}

/* In clock ticks since the boot: with it a process id is not taken for a later process of the
 * same number. 0: the process is gone. */
static guint64
start_time(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    const char *rest;
    unsigned long long ticks = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    rest = strrchr(text, ')'); /* a name may have blanks and brackets in it */
    if (!rest || sscanf(rest + 1,
                        " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
                        "%*s %llu",
                        &ticks) != 1)
        return 0;
    return ticks;
}

/* The daemon sees our process; its rules are about the client's. */
static void
ask_identity(LvdUpstream *up)
{
    const LvdClient *client = up->client;
    lvd_typed_param params[4] = { 0 };
    lvd_connect_set_identity_args args = { .params = { G_N_ELEMENTS(params), params } };

    add_number(&params[0], VIR_CONNECT_IDENTITY_UNIX_USER_ID, FALSE, client->uid);
    add_number(&params[1], VIR_CONNECT_IDENTITY_UNIX_GROUP_ID, FALSE, client->gid);
    add_number(&params[2], VIR_CONNECT_IDENTITY_PROCESS_ID, TRUE, client->pid);
    add_number(&params[3], VIR_CONNECT_IDENTITY_PROCESS_TIME, FALSE,
               (gint64)start_time(client->pid));
    ask(up, LVD_STEP_IDENTITY, PROC_SET_IDENTITY, (xdrproc_t)xdr_lvd_connect_set_identity_args,
        &args);
}

/* Its error, as it is, is the answer to all that wait. */
static void
refuse_waiting(LvdUpstream *up, guint8 *message, gsize length)
{
    LvdCall *call;

    while ((call = g_queue_pop_head(&up->waiting))) {
        LvdHeader header = call->header;

        header.length = (guint32)length;
        header.type = LVD_REPLY;
        header.status = LVD_ERROR_STATUS;
        lvd_header_write(&header, message);
        lvd_client_send(up->client, message, length, LVD_OUT_REPLY);
        lvd_call_free(call);
    }
    lvd_upstream_disconnect(up);
}

/* A monolithic daemon may lack the family's driver: as good as no daemon. */
static void
run_waiting_here(LvdUpstream *up)
{
    LvdCall *call;

    while ((call = g_queue_pop_head(&up->waiting)))
        lvd_client_run(up->client, call);
    lvd_upstream_disconnect(up);
}

gboolean
lvd_auth_may_be_none(const guint8 *body, gsize body_len)
{
    gint32 count = lvd_body_word(body, body_len, 0);

    for (gint32 i = 0; i < MIN(count, 20); i++) {
        if (body_len >= (gsize)(i + 2) * 4 && lvd_body_word(body, body_len, (gsize)i + 1) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
after_auth(LvdUpstream *up, const guint8 *body, gsize body_len)
{
    if (lvd_auth_may_be_none(body, body_len))
        ask_open(up);
    else
        lvd_upstream_die(up, "wants an authentication that the relay does not have");
}

void
lvd_upstream_take_answer(LvdUpstream *up, const LvdHeader *header, guint8 *message)
{
    const guint8 *body = message + LVD_LENGTH_MIN;
    gsize body_len = header->length - LVD_LENGTH_MIN;
    gboolean failed = header->status != LVD_OK;
    gint32 code = failed ? lvd_body_word(body, body_len, 0) : 0;
    gboolean unknown = code == VIR_ERR_NO_SUPPORT || code == VIR_ERR_RPC;

    if (header->serial != up->serial)
        lvd_upstream_die(up, "answered something else than it was asked");
    else if (up->step == LVD_STEP_IDENTITY &&
             (!failed || unknown)) /* before libvirt 5.8: unknown */
        lvd_upstream_opened(up);
    else if (up->step == LVD_STEP_OPEN && code == VIR_ERR_NO_CONNECT)
        run_waiting_here(up);
    else if (failed)
        refuse_waiting(up, message, header->length);
    else if (up->step == LVD_STEP_AUTH)
        after_auth(up, body, body_len);
    else
        ask_identity(up);
}

void
lvd_upstream_ask(LvdUpstream *up)
{
    ask(up, LVD_STEP_AUTH, PROC_AUTH_LIST, NULL, NULL);
}
