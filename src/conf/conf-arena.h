/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Memory for many small things that end together: a few large pieces instead of a piece each. */
#pragma once

#include <glib.h>

/* Empty when zeroed. Not for several threads at once. */
typedef struct ConfArena {
    struct ConfArenaBlock *blocks;
    char *free, *end; /* of the newest block */
} ConfArena;

/* Aligned for any pointer or number, not zeroed, good until the end of the arena. */
void *conf_arena_take(ConfArena *arena, gsize size);
void *conf_arena_take_zeroed(ConfArena *arena, gsize size);
char *conf_arena_strndup(ConfArena *arena, const char *text, gsize len);
void conf_arena_clear(ConfArena *arena); /* ends all that was taken */
