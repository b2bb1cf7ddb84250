/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* XenServer's ova.xml. */
#include "fuzz-convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_convert(CONF_FORMAT_XVA, (const char *)data, size);
    return 0;
}
