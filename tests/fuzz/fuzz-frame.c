/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One message of the wire: its header, then its payload as the arguments of every procedure there
 * is. Nothing is allocated for what a length claims and the message does not hold.
 */
#include "lvd-dispatch.h"
#include "lvd-transport.h"

#include <sanitizer/allocator_interface.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Thread_local gboolean counting;
static _Thread_local gsize allocated;

static void
on_malloc(const volatile void *at, size_t size)
{
    if (counting)
        allocated += size;
}

static void
on_free(const volatile void *at)
{
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_assert(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free));
    return 0;
}

static void
check_header(const uint8_t *data)
{
    LvdHeader header;
    guint8 bytes[LVD_LENGTH_MIN];

    lvd_header_read(&header, data);
    lvd_header_write(&header, bytes);
    g_assert(memcmp(bytes, data, sizeof(bytes)) == 0);
}

static gboolean
decode(xdrproc_t xdr, void *into, const uint8_t *data, size_t size)
{
    XDR stream;
    gboolean ok;

    xdrmem_create(&stream, (char *)data, (u_int)size, XDR_DECODE);
    ok = xdr(&stream, into);
    xdr_destroy(&stream);
    return ok;
}

/* What was understood is written, read and written as the same bytes. */
static void
check_again(const LvdProc *proc, void *args)
{
    LvdHeader header = { 0 };
    guint8 room[256], room_again[256];
    gsize length = 0, length_again = 0;
    guint8 *once = lvd_frame_encode(&header, proc->args, args, room, sizeof(room), &length);
    guint8 *twice = NULL;
    g_autofree void *again = g_malloc0(proc->args_size);

    if (!once)
        g_error("%s: what was decoded cannot be encoded", proc->name);
    if (!decode(proc->args, again, once + LVD_LENGTH_MIN, length - LVD_LENGTH_MIN))
        g_error("%s: what was encoded cannot be decoded", proc->name);
    twice = lvd_frame_encode(&header, proc->args, again, room_again, sizeof(room_again),
                             &length_again);
    g_assert(twice && length == length_again && memcmp(once, twice, length) == 0);
    xdr_free(proc->args, again);
    if (once != room)
        g_free(once);
    if (twice != room_again)
        g_free(twice);
}

static void
check_args(const LvdProc *proc, const uint8_t *data, size_t size)
{
    g_autofree void *args = g_malloc0(proc->args_size);
    gboolean ok;

    allocated = 0;
    counting = TRUE;
    ok = decode(proc->args, args, data, size);
    counting = FALSE;
    /* The widest element is a typed parameter: 40 bytes for 12 on the wire; then its strings. */
    if (allocated > 16 * size + 64)
        g_error("%s: %zu bytes for %zu of input", proc->name, allocated, size);
    if (ok)
        check_again(proc, args);
    xdr_free(proc->args, args);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < LVD_LENGTH_MIN) {
        for (gint32 number = 1; number <= LVD_N_PROCS; number++) {
            const LvdProc *proc = lvd_proc_find(number);

            if (proc->args)
                check_args(proc, data, size);
        }
        return 0;
    }
    check_header(data);
    /* All numbers: most share their types with others, so one input shows much. */
    for (gint32 number = -1; number <= LVD_N_PROCS + 1; number++) {
        const LvdProc *proc = lvd_proc_find(number);

        g_assert(!proc == (number < 1 || number > LVD_N_PROCS));
        if (proc && proc->args)
            check_args(proc, data + LVD_LENGTH_MIN, size - LVD_LENGTH_MIN);
    }
    return 0;
}
