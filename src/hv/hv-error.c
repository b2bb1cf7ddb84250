/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <hv/hv.h>

G_DEFINE_QUARK(hv_error_quark, hv_error)
