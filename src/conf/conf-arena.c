/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "conf-arena.h"

#include <string.h>

#define BLOCK_SIZE 8192 /* most users need one or two */

typedef struct ConfArenaBlock {
    struct ConfArenaBlock *next;
    char data[];
} ConfArenaBlock;

static void
add_block(ConfArena *arena, gsize size)
{
    gsize room = MAX(size, BLOCK_SIZE);
    ConfArenaBlock *block = g_malloc(sizeof *block + room);

    block->next = arena->blocks;
    arena->blocks = block;
    arena->free = block->data;
    arena->end = block->data + room;
}

void *
conf_arena_take(ConfArena *arena, gsize size)
{
    void *memory;

    size = (size + sizeof(void *) - 1) & ~(sizeof(void *) - 1);
    if ((gsize)(arena->end - arena->free) < size)
        add_block(arena, size);
    memory = arena->free;
    arena->free += size;
    return memory;
}

void *
conf_arena_take_zeroed(ConfArena *arena, gsize size)
{
    return memset(conf_arena_take(arena, size), 0, size);
}

char *
conf_arena_strndup(ConfArena *arena, const char *text, gsize len)
{
    char *copy = conf_arena_take(arena, len + 1);

    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void
conf_arena_clear(ConfArena *arena)
{
    ConfArenaBlock *next;

    for (ConfArenaBlock *block = arena->blocks; block; block = next) {
        next = block->next;
        g_free(block);
    }
    *arena = (ConfArena){ NULL };
}
