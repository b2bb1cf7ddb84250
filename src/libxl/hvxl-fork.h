/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fork() for libxl, in a process with many threads.
 *
 * The child that libxl forks to destroy a domain opens Xen's interfaces by itself and makes
 * hypercalls. The libraries under libxl guard what all their handles share by locks of the process
 * (libxencall: the cache of buffers; libxentoolcore: the list of open handles), and what another
 * thread held when the process forked, no thread of the child ever gives back: such a child sleeps
 * for ever, and with it the call that waits for it. So a child first shows that it gets through
 * (the probe). One that does not is killed, and the next one has another chance.
 *
 * Costs a pair of sockets, four messages' system calls and what the probe does.
 */
#pragma once

#include <sys/types.h>

/* As fork(). In the child `probe` runs first: it may hang, and must leave nothing behind. A child
 * that does not come back from it in `patience_ms` is killed; the next has twice as long. After the
 * last one: -1, and errno is EAGAIN. Any thread. */
pid_t hvxl_fork_probed(void (*probe)(void), int patience_ms);

/* The fork_replacement of libxl_childproc_hooks. `user` is an int, a descriptor that children shall
 * not have (-1: none): one that ends a domain executes no other program and may outlive us, and a
 * lock that it held would be ours for as long. */
pid_t hvxl_fork(void *user);
