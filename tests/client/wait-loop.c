/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into virsh: a loop that is told to end before it runs ends as soon as it does.
 *
 * Of a save, dump or migration that is over before virsh begins to wait for its end, virsh misses
 * the end, and waits for ever. On a loaded machine that is one in five.
 */
#include <dlfcn.h>
#include <unistd.h>

#define STEP_US 1000
#define STEPS   5000

typedef struct _GMainLoop GMainLoop;
int g_main_loop_is_running(GMainLoop *loop);
void g_main_loop_quit(GMainLoop *loop);

void
g_main_loop_quit(GMainLoop *loop)
{
    void (*quit)(GMainLoop *) = (void (*)(GMainLoop *))dlsym(RTLD_NEXT, "g_main_loop_quit");

    for (int i = 0; i < STEPS && !g_main_loop_is_running(loop); i++)
        usleep(STEP_US);
    quit(loop);
}
