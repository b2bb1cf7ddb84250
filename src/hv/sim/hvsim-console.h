/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's console: a pty whose master is ours, as xenconsoled keeps one a domain.
 *
 * Output that the pty does not take is kept, the last SIM_BACKLOG bytes of it, and goes out as
 * soon as somebody reads. The slave stays open here too: the pty survives the leaving of its
 * last reader, in raw mode as it was.
 */
#pragma once

#include <hv/sim/hvsim-loop.h>

G_BEGIN_DECLS

typedef struct SimConsole SimConsole;

/* What a person typed. */
typedef void (*SimConsoleInput)(const char *data, gsize len, gpointer user);

SimConsole *sim_console_new(SimLoop *loop, SimConsoleInput input, gpointer user);
void sim_console_free(SimConsole *console);
/* Opens the pty, if that was not done yet. `spare`: leave ptys for the rest of the machine. */
gboolean sim_console_open_pty(SimConsole *console, gboolean spare, GError **error);
const char *sim_console_tty(SimConsole *console); /* "/dev/pts/N"; "" = none yet */
/* A new descriptor on the slave, non-blocking. -1: *error. */
int sim_console_attach(SimConsole *console, GError **error);
void sim_console_write(SimConsole *console, const char *data, gsize len);
/* A guest that does not run reads nothing; what is typed waits in the pty. */
void sim_console_listen(SimConsole *console, gboolean on);
/* Takes all output back that nobody read yet. */
GBytes *sim_console_take_backlog(SimConsole *console);

G_END_DECLS
