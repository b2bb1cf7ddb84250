/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The old system's own network configuration: Debian's interfaces(5), ifcfg files of RHEL and SLES.
 */
#pragma once

#include "x2l-root.h"

G_BEGIN_DECLS

typedef struct X2lIface {
    char *name;
    char *file; /* as messages name it */
    unsigned line;
    char *address; /* "192.0.2.1/24"; NULL: none said */
    char *gateway;
    gboolean dhcp;
    char *ports;  /* of a bridge: names with blanks between; NULL: none said */
    char *master; /* the bridge that it is a port of, as ifcfg of RHEL says it */
} X2lIface;

/* name -> X2lIface (owned), of what the host's files say. Never NULL. What does not read is passed
 * over: it is for a proposal that the administrator looks at. */
GHashTable *x2l_ifcfg_read(const X2lRoot *root);

/* What is read from one text, for x2l_ifcfg_read() and tests. `table` is one of
 * x2l_ifcfg_table_new(). */
GHashTable *x2l_ifcfg_table_new(void);
void x2l_ifcfg_add_debian(GHashTable *table, const char *text, const char *file);
void x2l_ifcfg_add_shell(GHashTable *table, const char *name, const char *text, const char *file);

/* The name of a network device as the kernel takes it: at most 15 of A-Z a-z 0-9 . _ - @ */
gboolean x2l_ifcfg_is_name(const char *name);

G_END_DECLS
