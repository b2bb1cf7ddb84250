/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * usage: xlvirt-dump-core DOMID FILE
 *
 * Writes a domain's memory as an ELF core. libxl does that in one call which cannot be broken off,
 * and maps the domain's memory meanwhile, so that one that is destroyed stays half there. A process
 * of its own can be ended, and everything is let go of then.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <libxl.h>
#include <xentoollog.h>

static int
parse_domid(const char *text, uint32_t *ret_domid)
{
    char *end;
    unsigned long number;

    errno = 0;
    number = strtoul(text, &end, 10);
    if (errno || end == text || *end || number > UINT32_MAX)
        return -1;
    *ret_domid = (uint32_t)number;
    return 0;
}

int
main(int argc, char **argv)
{
    xentoollog_logger_stdiostream *logger;
    libxl_ctx *ctx = NULL;
    uint32_t domid;
    int rc;

    if (argc != 3 || parse_domid(argv[1], &domid) != 0) {
        fputs("usage: xlvirt-dump-core DOMID FILE\n", stderr);
        return 2;
    }
    logger = xtl_createlogger_stdiostream(stderr, XTL_ERROR, XTL_STDIOSTREAM_HIDE_PROGRESS);
    if (!logger)
        return 1;
    rc = libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, (xentoollog_logger *)logger);
    if (rc == 0)
        rc = libxl_domain_core_dump(ctx, domid, argv[2], NULL);
    if (ctx)
        libxl_ctx_free(ctx);
    xtl_logger_destroy((xentoollog_logger *)logger);
    return rc == 0 ? 0 : 1;
}
