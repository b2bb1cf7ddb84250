/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All that lvd-error.c takes from the libraries below it, for tests that do without them. */
#include <hv/hv.h>

GQuark
hv_error_quark(void)
{
    return g_quark_from_static_string("test-hv");
}

GQuark
conf_error_quark(void)
{
    return g_quark_from_static_string("test-conf");
}

GQuark
conf_cpu_error_quark(void)
{
    return g_quark_from_static_string("test-cpu");
}
