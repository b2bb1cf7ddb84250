/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
hp_free_p(void *pointer)
{
    free(*(void **)pointer);
}

void
hp_close_p(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Texts of programs and the store end up in one line of a log. */
static void
set_text(HpError *error, const char *format, va_list args)
{
    if (error->text[0])
        return;
    vsnprintf(error->text, sizeof error->text, format, args);
    for (char *c = error->text; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == 127)
            *c = ' ';
    }
}

bool
hp_fail(HpError *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_text(error, format, args);
    va_end(args);
    return false;
}

bool
hp_fail_busy(HpError *error, const char *format, ...)
{
    va_list args;
    error->busy |= !error->text[0];
    va_start(args, format);
    set_text(error, format, args);
    va_end(args);
    return false;
}

void
hp_note(const char *format, ...)
{
    va_list args;
    char line[HP_ERROR_SIZE];
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        dprintf(STDERR_FILENO, "xlvirt-hotplug: %s\n", line);
}
