/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl's records of domains, as `xl list -l` prints them. */
#include "fuzz-convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_convert(CONF_FORMAT_XL_JSON, (const char *)data, size);
    return 0;
}
