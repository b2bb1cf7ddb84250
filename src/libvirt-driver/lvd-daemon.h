/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a daemon needs of its process: a locked pid file, and a way into the background. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct LvdPidFile {
    char *path;
    int fd;
} LvdPidFile;
#define LVD_PID_FILE_INIT                                                                          \
    {                                                                                              \
        NULL, -1                                                                                   \
    }

/* Holds a lock until released or the process ends, however it ends. "another xlvirtd is running
 * ..." when somebody else holds it. */
gboolean lvd_pid_file_take(LvdPidFile *file, const char *path, GError **error);
void lvd_pid_file_release(LvdPidFile *file);

/* The process that started us and waits until we are ready. */
typedef struct LvdParent {
    int fd;
} LvdParent;
#define LVD_PARENT_INIT                                                                            \
    {                                                                                              \
        -1                                                                                         \
    }

/* FALSE in the parent, when the child is ready or failed: exit with *ret_status. */
gboolean lvd_parent_fork(LvdParent *parent, int *ret_status);
/* Ready: lets the parent go, and the terminal; stderr goes to a log file below root. */
void lvd_parent_tell(LvdParent *parent, const char *root);

/* Why we do not come up, for whoever sits at the terminal and for the log. */
void lvd_log_failure(const char *message);

G_END_DECLS
