/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preloaded into the daemon by threads.py: no more than FEW_THREADS threads beside the first one
 * may be there at once, as if that was the limit of the user or of the unit.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

typedef int (*Create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

typedef struct Thread {
    void *(*func)(void *);
    void *data;
} Thread;

static atomic_int left; /* may be started */

static void __attribute__((constructor)) read_limit(void)
{
    const char *limit = getenv("FEW_THREADS");

    atomic_store(&left, limit ? atoi(limit) : 0);
    /* Not for the children: they are other programs. */
    unsetenv("LD_PRELOAD");
    unsetenv("FEW_THREADS");
}

static void *
run(void *data)
{
    Thread thread = *(Thread *)data;
    void *result;

    free(data);
    result = thread.func(thread.data);
    atomic_fetch_add(&left, 1);
    return result;
}

int
pthread_create(pthread_t *ret_thread, const pthread_attr_t *attributes, void *(*func)(void *),
               void *data)
{
    Create next = (Create)dlsym(RTLD_NEXT, "pthread_create");
    Thread *thread = malloc(sizeof(*thread));
    int code = EAGAIN;

    if (!thread)
        return EAGAIN;
    *thread = (Thread){ func, data };
    if (atomic_fetch_sub(&left, 1) > 0)
        code = next(ret_thread, attributes, run, thread);
    if (code != 0) {
        atomic_fetch_add(&left, 1);
        free(thread);
    }
    return code;
}
