/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Registering for events, in the way of today (316, 317) and in the two old ones. */
#include "lvd-do.h"
#include "lvd-session.h"

static gboolean
check_event_id(int event_id, int n_ids, GError **error)
{
    if (event_id >= 0 && event_id < n_ids)
        return TRUE;
    lvd_set_error(error, VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, "unsupported event ID %d", event_id);
    return FALSE;
}

/* An event that cannot happen yet may be asked for; it stays silent, as it does with stock. */
gboolean
lvd_do_connect_domain_event_callback_register_any(LvdCall *call, const void *args, void *ret,
                                                  GError **error)
{
    const lvd_connect_domain_event_callback_register_any_args *a = args;
    lvd_connect_domain_event_callback_register_any_ret *r = ret;
    LvdRegistration wanted = { .event_id = a->eventID,
                               .uuid = a->dom ? (const guint8 *)a->dom->uuid : NULL };

    return check_event_id(a->eventID, LVD_N_EVENT_IDS, error) &&
           lvd_session_register(lvd_call_session(call), call, &wanted, &r->callbackID, error);
}

gboolean
lvd_do_connect_domain_event_callback_deregister_any(LvdCall *call, const void *args, void *ret,
                                                    GError **error)
{
    const lvd_connect_domain_event_callback_deregister_any_args *a = args;

    return lvd_session_deregister(lvd_call_session(call), a->callbackID, error);
}

static gboolean
register_old(LvdCall *call, int event_id, GError **error)
{
    LvdRegistration wanted = { .event_id = event_id, .legacy = TRUE };
    int id;

    return check_event_id(event_id, LVD_N_EVENT_IDS_OLD, error) &&
           lvd_session_register(lvd_call_session(call), call, &wanted, &id, error);
}

static gboolean
deregister_old(LvdCall *call, int event_id, GError **error)
{
    return check_event_id(event_id, LVD_N_EVENT_IDS_OLD, error) &&
           lvd_session_deregister_event(lvd_call_session(call), event_id, error);
}

gboolean
lvd_do_connect_domain_event_register_any(LvdCall *call, const void *args, void *ret, GError **error)
{
    const lvd_connect_domain_event_register_any_args *a = args;

    return register_old(call, a->eventID, error);
}

gboolean
lvd_do_connect_domain_event_deregister_any(LvdCall *call, const void *args, void *ret,
                                           GError **error)
{
    const lvd_connect_domain_event_deregister_any_args *a = args;

    return deregister_old(call, a->eventID, error);
}

/* cb_registered is 0 from stock, too: clients do not look at it. */
gboolean
lvd_do_connect_domain_event_register(LvdCall *call, const void *args, void *ret, GError **error)
{
    return register_old(call, VIR_DOMAIN_EVENT_ID_LIFECYCLE, error);
}

gboolean
lvd_do_connect_domain_event_deregister(LvdCall *call, const void *args, void *ret, GError **error)
{
    return deregister_old(call, VIR_DOMAIN_EVENT_ID_LIFECYCLE, error);
}
