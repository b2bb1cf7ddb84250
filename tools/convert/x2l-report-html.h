/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of the HTML report that are the same in each: x2l-html-page.c. */
#pragma once

#include "x2l-report.h"

G_BEGIN_DECLS

extern const char x2l_html_head[];   /* up to and with <body> */
extern const char x2l_html_filter[]; /* what is shown; goes before <main> */
extern const char x2l_html_tail[];   /* the script, and the end */

G_END_DECLS
