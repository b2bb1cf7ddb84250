/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* QEMU's words for what happened, as events of an engine. Text only. */
#pragma once

#include <hv/engine.h>

/* `line` is one JSON object. FALSE: nothing that anybody has asked for. The domain's id and uuid
 * are the caller's business, and so is the reference in ret_event->graphics. */
gboolean hvxl_monitor_parse_event(const char *line, HvEngineEvent *ret_event);
