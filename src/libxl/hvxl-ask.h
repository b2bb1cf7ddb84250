/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest is asked to do by itself: shut down, reboot. It may take a minute to answer, or
 * never do so; whoever asks is not kept that long.
 */
#pragma once

#include "hvxl-private.h"

/* Requests that guests have not answered yet. Self-locking. */
HvxlAsks *hvxl_asks_new(HvEngine *engine);
/* Breaks off those that are under way and waits for that. Accepts NULL. */
void hvxl_asks_free(HvxlAsks *asks);
