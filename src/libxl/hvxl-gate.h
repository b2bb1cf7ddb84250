/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How many starts are inside libxl at once. A start writes its domain and each device in
 * transactions of xenstore, up to sixty requests each; of those that overlap one is accepted, and
 * the others are done all over again. So of many starts at once the last is over sooner where few
 * of them overlap.
 *
 * Nobody waits long for something that hangs: while nobody has come in or gone out for some time,
 * those inside wait for something else than xenstore, and the next one comes in all the same.
 */
#pragma once

#include <gio/gio.h>

typedef struct HvxlGate HvxlGate;

HvxlGate *hvxl_gate_new(guint places, guint patience_ms);
/* Nobody is inside or waits. Accepts NULL. */
void hvxl_gate_free(HvxlGate *gate);
/* Blocks until it is our turn; first come, first served. Who is cancelled comes in at once, and
 * finds out by itself. Who came in goes out. The cancellable may be NULL. */
void hvxl_gate_enter(HvxlGate *gate, GCancellable *cancellable);
void hvxl_gate_leave(HvxlGate *gate);
/* How many have come and are not in yet. */
guint hvxl_gate_count_waiting(HvxlGate *gate);
