/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a device model says: a line of QMP as an event, and as a list of block nodes. */
#include "libxl/hvxl-drive.h"
#include "libxl/hvxl-json.h"
#include "libxl/hvxl-monitor-event.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
read_event(const char *line)
{
    HvEngineEvent event = { 0 };

    if (!hvxl_monitor_parse_event(line, &event))
        return;
    g_assert(event.kind < HV_N_ENGINE_EVENTS);
    g_assert(g_utf8_validate(event.target, -1, NULL));
    g_assert((event.kind == HV_ENGINE_EVENT_GRAPHICS) == (event.graphics != NULL));
    g_clear_pointer(&event.graphics, hv_graphics_client_unref);
}

static void
read_string(const char *text)
{
    g_autofree char *string = hvxl_json_string(text);
    g_autofree char *quoted = string ? hvxl_json_quote(string) : NULL;
    g_autofree char *back = hvxl_json_string(quoted);

    g_assert(!string || g_utf8_validate(string, -1, NULL));
    g_assert(g_strcmp0(string, back) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GPtrArray) names = hvxl_node_names(text, "/a", TRUE);
    g_autofree char *file = hvxl_node_file(text, "a");
    const char *end = hvxl_json_skip(text);

    g_assert(names);
    g_assert(!file || g_utf8_validate(file, -1, NULL));
    g_assert(!end || (end > text && end <= text + strlen(text)));
    g_assert(!hvxl_json_is_object(text) || end);
    read_event(text);
    read_string(text);
    return 0;
}
