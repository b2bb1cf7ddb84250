/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the devices of each kind are in a domain, and by which schema. */
#pragma once

#include "conf-schema.h"

typedef struct ConfKindRow {
    const char *element; /* NULL: it says so itself */
    gsize offset;        /* of the list in ConfDomain */
    const ConfSchema *schema;
    bool single;       /* the field is the device, not a list */
    const char *alias; /* with a number behind it; NULL: see conf_domain_assign_aliases() */
} ConfKindRow;

extern const ConfKindRow conf_kinds[CONF_N_DEVICE_KINDS];
