/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Round trips: what converts at all gives domXML that our own parser takes and that is laid out the
 * same way ever after, and each native text made of that reads and converts again. g_error() ends
 * the target where one fails.
 */
#pragma once

#include <conf/conf.h>

/* A text of a native format, and each domain in it. */
void fuzz_convert(ConfFormat format, const char *text, size_t size);
void fuzz_check(const ConfDomain *def);
