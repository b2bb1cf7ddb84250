/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Golden files: an input, and what has to come out of it. A test lists the folder, so that a case
 * is files and no code. HV_TEST_REGENERATE=1 in the environment writes the outputs instead.
 */
#pragma once

#include <conf/conf.h>
#include <glib.h>

/* tests/golden/KIND of the source tree; owned by the caller. */
char *golden_folder(const char *kind);
/* The names below `folder` that end in `suffix`, without it, sorted. Fails when there are none. */
GPtrArray *golden_list(const char *folder, const char *suffix);
/* For g_ptr_array_sort() of names. */
gint golden_compare_names(gconstpointer a, gconstpointer b);
char *golden_read(const char *folder, const char *name, const char *suffix);
/* Fails where they differ, and shows the first line that does. */
void golden_compare(const char *name, const char *expected, const char *text);
/* Compares with (or writes) the file; an empty text is a file that is not there. */
void golden_check(const char *folder, const char *name, const char *suffix, const char *text);
/* Against libvirt's own schema, where it is installed (Debian: libvirt-daemon or libvirt-dev). */
void golden_validate(const char *xml, const char *name);
/* As domXML, checked against the schema and found to come back unchanged from the parser. */
char *golden_format_xml(const ConfDomain *def, const char *name);
