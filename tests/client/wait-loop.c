/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into virsh: a loop of its own that is told to end before it runs ends as soon as it
 * does.
 *
 * Of a save, dump or migration that is over before virsh begins to wait for its end, virsh misses
 * the end, and waits for ever. On a loaded machine that is one in five. The loops of libvirt's
 * client are others: it tells them to end whether or not they run, with its lock held, so to wait
 * there would hold up the connection.
 */
#include <dlfcn.h>
#include <sys/auxv.h>
#include <unistd.h>

#define STEP_US 1000
#define STEPS   30000

typedef struct _GMainLoop GMainLoop;
int g_main_loop_is_running(GMainLoop *loop);
void g_main_loop_quit(GMainLoop *loop);

/* Whether that is code of the program itself, of no library. */
static int
is_of_program(void *code)
{
    Dl_info of_code, of_program;

    return dladdr(code, &of_code) && dladdr((void *)getauxval(AT_ENTRY), &of_program) &&
           of_code.dli_fbase == of_program.dli_fbase;
}

void
g_main_loop_quit(GMainLoop *loop)
{
    void (*quit)(GMainLoop *) = (void (*)(GMainLoop *))dlsym(RTLD_NEXT, "g_main_loop_quit");
    int steps = is_of_program(__builtin_return_address(0)) ? STEPS : 0;

    for (int i = 0; i < steps && !g_main_loop_is_running(loop); i++)
        usleep(STEP_US);
    quit(loop);
}
