/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl does not tell how long cpus were idle, libxc does. Its header needs GNU C, so this
 * file is apart. */
#include "hvxl-idle.h"

#include <errno.h>
#include <xenctrl.h>

GArray *
hvxl_idle_times(guint n_cpus)
{
    g_autofree xc_cpuinfo_t *info = g_new0(xc_cpuinfo_t, MAX(n_cpus, 1));
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    GArray *times;
    int n = 0, rc, saved;

    if (!xc)
        return NULL;
    rc = xc_getcpuinfo(xc, (int)n_cpus, info, &n);
    saved = errno;
    xc_interface_close(xc);
    errno = saved;
    if (rc != 0)
        return NULL;
    times = g_array_new(FALSE, FALSE, sizeof(guint64));
    for (int i = 0; i < n; i++) {
        guint64 ns = info[i].idletime;

        g_array_append_val(times, ns);
    }
    return times;
}
