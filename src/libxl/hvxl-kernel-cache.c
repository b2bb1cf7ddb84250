/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which unpacked kernel belongs to a path. In the order of what it costs:
 *
 *   the memo      an unchanged file (device, inode, size, times) was looked at before: a stat
 *   the store     the file's SHA-256 names an entry: reading and hashing
 *   unpacking     once for all who ask for the same kernel at the same time
 *
 * The hash is a cryptographic one because pygrub takes kernels from disks that guests write: with
 * any other, one guest could make a kernel that collides with another guest's, and choose what that
 * one boots. Hash and unpacking read the same bytes in memory, so a file that changes underneath
 * never gives an entry under a wrong name.
 */
#include "hvxl-kernel-cache.h"

#include "hvxl-kernel-image.h"
#include "hvxl-kernel-store.h"

#include <errno.h>
#include <fcntl.h>
#include <hv/hv.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "hv-libxl"

/* Each takes the packed kernel and the unpacker's window: 300 MiB at worst, and dom0 is small. */
#define READERS 2
/* A file may change once more within the tick of its times, which is 2 s on the coarsest file
 * systems, and look the same. What was read so soon after a change is not remembered. */
#define RACY_US (2 * G_USEC_PER_SEC)
/* After trouble with the folder or the disk nothing is unpacked for so long. */
#define PAUSE_US (60 * G_USEC_PER_SEC)
/* Entries of the two tables below, which are emptied when they are full: what was in them costs a
 * hashing to have again. */
#define MAX_REMEMBERED 1024
/* An entry may be evicted before it is leased, and who unpacks for others may be cancelled. */
#define ROUNDS 3

/* A file as stat() tells it from others, and from what it was before. */
typedef struct FileId {
    dev_t dev;
    ino_t inode;
    off_t size;
    gint64 mtime_ns, ctime_ns;
} FileId;

/* What there is to say about a kernel. */
typedef struct Answer {
    const char *why;  /* static; it is used as it is; NULL: the entry of `hash` serves */
    gboolean passing; /* that is because of something else, and may be otherwise soon */
    HvxlKernelHash hash;
} Answer;

/* Work that others wait for instead of doing it too. */
typedef struct Flight {
    guint refs;     /* [lock] */
    gboolean done;  /* [lock] */
    gboolean valid; /* [lock] FALSE when done: nothing came of it, whoever waits does it himself */
    Answer answer;  /* [lock] */
} Flight;

struct HvxlKernelCache {
    HvxlKernelStore store; /* self-locking */
    int mounts;            /* immutable: /proc/self/mountinfo, or -1 */

    GMutex lock;                /* a leaf; never held over I/O */
    GCond changed;              /* flights or readers */
    GHashTable *memo;           /* [lock] FileId -> Answer */
    GHashTable *refused;        /* [lock] hash -> static reason, what cannot be unpacked */
    GHashTable *flights;        /* [lock] key -> Flight */
    guint readers;              /* [lock] threads that have a kernel in memory */
    gint64 paused_until;        /* [lock] monotonic */
    gboolean warned;            /* [lock] of trouble that lasts */
    HvxlKernelCacheStats stats; /* [lock] */
};

struct HvxlKernel {
    char *path;
    const char *why;
    int lease; /* -1: none */
};

/* ---- kernels ---- */

static HvxlKernel *
new_kernel(char *path, const char *why, int lease)
{
    HvxlKernel *kernel = g_new(HvxlKernel, 1);

    *kernel = (HvxlKernel){ path, why, lease };
    return kernel;
}

static HvxlKernel *
as_it_is(const char *path, const char *why)
{
    g_debug("kernel '%s' is used as it is: %s", path, why);
    return new_kernel(g_strdup(path), why, -1);
}

void
hvxl_kernel_free(HvxlKernel *kernel)
{
    if (!kernel)
        return;
    if (kernel->lease >= 0)
        close(kernel->lease);
    g_free(kernel->path);
    g_free(kernel);
}

const char *
hvxl_kernel_path(const HvxlKernel *kernel)
{
    return kernel->path;
}

const char *
hvxl_kernel_why_packed(const HvxlKernel *kernel)
{
    return kernel->why;
}

/* ---- the memo ---- */

static guint
hash_file_id(gconstpointer key)
{
    const FileId *id = key;
    guint64 mixed = (guint64)id->inode * 31 + (guint64)id->mtime_ns;

    return (guint)(mixed ^ mixed >> 32);
}

static gboolean
same_file_id(gconstpointer a, gconstpointer b)
{
    const FileId *x = a, *y = b;

    return x->dev == y->dev && x->inode == y->inode && x->size == y->size &&
           x->mtime_ns == y->mtime_ns && x->ctime_ns == y->ctime_ns;
}

static gint64
to_ns(const struct timespec *time)
{
    return (gint64)time->tv_sec * 1000000000 + time->tv_nsec;
}

static FileId
file_id(const struct stat *st)
{
    return (FileId){ st->st_dev, st->st_ino, st->st_size, to_ns(&st->st_mtim),
                     to_ns(&st->st_ctim) };
}

static gboolean
is_settled(const FileId *id, gint64 now_us)
{
    return MAX(id->mtime_ns, id->ctime_ns) / 1000 + RACY_US <= now_us;
}

/* A file system that a guest's owner wrote could show inodes and times that were seen on another
 * one in the same place. So the memo ends where something is mounted or unmounted. */
static void
forget_after_mounts_locked(HvxlKernelCache *cache)
{
    struct pollfd mounts = { .fd = cache->mounts, .events = POLLPRI };

    /* No I/O: it compares two numbers. Under the lock, so that nobody reads the memo between the
     * poll, which tells of a change once, and what follows from it. */
    if (poll(&mounts, 1, 0) != 0)
        g_hash_table_remove_all(cache->memo);
}

static gboolean
recall(HvxlKernelCache *cache, const FileId *id, Answer *ret_answer)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);
    const Answer *found;

    forget_after_mounts_locked(cache);
    found = g_hash_table_lookup(cache->memo, id);
    if (!found)
        return FALSE;
    *ret_answer = *found;
    cache->stats.recalled++;
    return TRUE;
}

static void
insert_bounded(GHashTable *table, gpointer key, gpointer value)
{
    if (g_hash_table_size(table) >= MAX_REMEMBERED)
        g_hash_table_remove_all(table);
    g_hash_table_insert(table, key, value);
}

static void
remember(HvxlKernelCache *cache, const FileId *id, const Answer *answer)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    if (cache->mounts >= 0)
        insert_bounded(cache->memo, g_memdup2(id, sizeof(*id)), g_memdup2(answer, sizeof(*answer)));
}

static void
forget(HvxlKernelCache *cache, const FileId *id)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    g_hash_table_remove(cache->memo, id);
}

static const char *
recall_refusal(HvxlKernelCache *cache, const HvxlKernelHash *hash)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    return g_hash_table_lookup(cache->refused, hash->hex);
}

static void
remember_refusal(HvxlKernelCache *cache, const HvxlKernelHash *hash, const char *why)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    insert_bounded(cache->refused, g_strdup(hash->hex), (gpointer)why);
    cache->stats.refused++;
}

static void
count(HvxlKernelCache *cache, guint64 *counter)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    (*counter)++;
}

/* ---- waiting ---- */

static void
wake_all(GCancellable *cancellable, gpointer data)
{
    HvxlKernelCache *cache = data;
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    g_cond_broadcast(&cache->changed);
}

/* So that a wait ends when the start is cancelled. Without the lock: it may call wake_all(). */
static gulong
watch(HvxlKernelCache *cache, GCancellable *cancellable)
{
    return cancellable ? g_cancellable_connect(cancellable, G_CALLBACK(wake_all), cache, NULL) : 0;
}

static gboolean
set_cancelled(GError **error)
{
    g_set_error(error, HV_ERROR, HV_ERROR_CANCELLED, "the start was cancelled");
    return FALSE;
}

static gboolean
check_cancelled(GCancellable *cancellable, GError **error)
{
    return g_cancellable_is_cancelled(cancellable) ? set_cancelled(error) : TRUE;
}

static gboolean
begin_reading(HvxlKernelCache *cache, GCancellable *cancellable, GError **error)
{
    gulong watched = watch(cache, cancellable);
    gboolean ok;

    g_mutex_lock(&cache->lock);
    while (cache->readers >= READERS && !g_cancellable_is_cancelled(cancellable))
        g_cond_wait(&cache->changed, &cache->lock);
    ok = cache->readers < READERS;
    if (ok)
        cache->readers++;
    g_mutex_unlock(&cache->lock);
    g_cancellable_disconnect(cancellable, watched);
    return ok || set_cancelled(error);
}

static void
end_reading(HvxlKernelCache *cache)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    cache->readers--;
    g_cond_broadcast(&cache->changed);
}

/* The flight of this key: a new one that the caller has to end, or one under way. */
static Flight *
board(HvxlKernelCache *cache, const char *key, gboolean *ret_pilot)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);
    Flight *flight = g_hash_table_lookup(cache->flights, key);

    *ret_pilot = flight == NULL;
    if (!flight) {
        flight = g_new0(Flight, 1);
        g_hash_table_insert(cache->flights, g_strdup(key), flight);
    }
    flight->refs++;
    return flight;
}

static void
leave_locked(Flight *flight)
{
    if (--flight->refs == 0)
        g_free(flight);
}

/* `answer` NULL: nothing came of it. */
static void
land(HvxlKernelCache *cache, const char *key, Flight *flight, const Answer *answer)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    flight->done = TRUE;
    flight->valid = answer != NULL;
    if (answer)
        flight->answer = *answer;
    g_hash_table_remove(cache->flights, key);
    leave_locked(flight);
    g_cond_broadcast(&cache->changed);
}

/* FALSE with an error: cancelled. FALSE without: nothing came of it, try again. Work is likewise.
 */
static gboolean
ride(HvxlKernelCache *cache, Flight *flight, GCancellable *cancellable, Answer *ret_answer,
     GError **error)
{
    gulong watched = watch(cache, cancellable);
    gboolean done, valid;

    g_mutex_lock(&cache->lock);
    while (!flight->done && !g_cancellable_is_cancelled(cancellable))
        g_cond_wait(&cache->changed, &cache->lock);
    done = flight->done;
    valid = done && flight->valid;
    if (valid)
        *ret_answer = flight->answer;
    leave_locked(flight);
    g_mutex_unlock(&cache->lock);
    g_cancellable_disconnect(cancellable, watched);
    return valid || (!done && set_cancelled(error));
}

typedef gboolean (*Work)(HvxlKernelCache *cache, gpointer what, GCancellable *cancellable,
                         Answer *ret_answer, GError **error);

/* Does the work, or waits for who does it under the same key, after a call of `before_wait`. */
static gboolean
do_once(HvxlKernelCache *cache, const char *key, Work work, GDestroyNotify before_wait,
        gpointer what, GCancellable *cancellable, Answer *ret_answer, GError **error)
{
    gboolean is_pilot, ok;
    Flight *flight = board(cache, key, &is_pilot);

    if (is_pilot) {
        ok = work(cache, what, cancellable, ret_answer, error);
        land(cache, key, flight, ok ? ret_answer : NULL);
        return ok;
    }
    if (before_wait)
        before_wait(what);
    return ride(cache, flight, cancellable, ret_answer, error);
}

/* ---- trouble ---- */

static gboolean
is_paused(HvxlKernelCache *cache)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    return g_get_monotonic_time() < cache->paused_until;
}

/* One warning for trouble that lasts; a kernel stored in between ends it. */
static void
pause_after(HvxlKernelCache *cache, const GError *trouble)
{
    gboolean warn;

    g_mutex_lock(&cache->lock);
    warn = !cache->warned;
    cache->warned = TRUE;
    cache->paused_until = g_get_monotonic_time() + PAUSE_US;
    g_mutex_unlock(&cache->lock);
    if (warn)
        g_warning("the cache of unpacked kernels is out of order, guests start slower: %s",
                  trouble->message);
}

static void
end_trouble(HvxlKernelCache *cache)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    cache->warned = FALSE;
    cache->paused_until = 0;
}

/* ---- unpacking ---- */

/* A packed kernel in memory, and one of the places of READERS. */
typedef struct Packed {
    HvxlKernelCache *cache;
    const char *path; /* for the log */
    guint8 *file;     /* owned; NULL: dropped, and the place given back */
    gsize file_len;
    HvxlPayload payload; /* in it */
    HvxlKernelHash hash;
} Packed;

static void
drop_packed(gpointer data)
{
    Packed *packed = data;

    if (!packed->file)
        return;
    g_clear_pointer(&packed->file, g_free);
    end_reading(packed->cache);
}

static const guint8 *
payload_of(const Packed *packed)
{
    return packed->file + packed->payload.offset;
}

typedef struct Unpacking {
    HvxlNewKernel *entry;
    GCancellable *cancellable;
    gboolean started, no_elf;
    GError *error;
} Unpacking;

static gboolean
take_piece(const guint8 *data, gsize len, gpointer user)
{
    Unpacking *into = user;

    into->no_elf = !into->started && !hvxl_kernel_is_elf(data, len);
    into->started = TRUE;
    return !into->no_elf && check_cancelled(into->cancellable, &into->error) &&
           hvxl_new_kernel_write(into->entry, data, len, &into->error);
}

/* Unpacks into a new entry and checks it. A reason in `ret_why` is one for ever, an error is not.
 */
static gboolean
fill_entry(HvxlNewKernel *entry, const Packed *packed, guint64 size, GCancellable *cancellable,
           const char **ret_why, GError **error)
{
    Unpacking into = { .entry = entry, .cancellable = cancellable };
    const char *why = hvxl_kernel_unpack(payload_of(packed), packed->payload.length, size,
                                         take_piece, &into);

    if (into.error) {
        g_propagate_error(error, into.error);
        return FALSE;
    }
    if (into.no_elf)
        why = "what it unpacks to is no ELF file for x86";
    *ret_why = why ? why : hvxl_kernel_check_elf(hvxl_new_kernel_fd(entry), size);
    return TRUE;
}

static gboolean
store_unpacked(HvxlKernelCache *cache, const Packed *packed, GCancellable *cancellable,
               const char **ret_why, GError **error)
{
    g_autoptr(HvxlNewKernel) entry = NULL;
    gint64 began = g_get_monotonic_time();
    guint64 size = 0;
    int lease;

    *ret_why = hvxl_kernel_unpacked_size(payload_of(packed), packed->payload.length, &size);
    if (*ret_why)
        return TRUE;
    entry = hvxl_kernel_store_begin(&cache->store, &packed->hash, size, error);
    if (!entry || !fill_entry(entry, packed, size, cancellable, ret_why, error))
        return FALSE;
    if (*ret_why)
        return TRUE;
    lease = hvxl_new_kernel_commit(entry, error);
    if (lease < 0)
        return FALSE;
    close(lease); /* each who asked takes one of his own */
    count(cache, &cache->stats.unpacked);
    g_message("unpacked kernel '%s' (%" G_GUINT64_FORMAT " MiB) in %" G_GINT64_FORMAT " ms",
              packed->path, size >> 20, (g_get_monotonic_time() - began) / 1000);
    return TRUE;
}

/* Work: one thread's for all who have a kernel with these contents. */
static gboolean
unpack(HvxlKernelCache *cache, gpointer what, GCancellable *cancellable, Answer *ret_answer,
       GError **error)
{
    const Packed *packed = what;
    g_autoptr(GError) trouble = NULL;

    ret_answer->why = NULL;
    if (store_unpacked(cache, packed, cancellable, &ret_answer->why, &trouble)) {
        if (ret_answer->why)
            remember_refusal(cache, &packed->hash, ret_answer->why);
        else
            end_trouble(cache);
        return TRUE;
    }
    if (g_error_matches(trouble, HV_ERROR, HV_ERROR_CANCELLED)) {
        g_propagate_error(error, g_steal_pointer(&trouble));
        return FALSE;
    }
    ret_answer->passing = TRUE;
    ret_answer->why = "the cache is full of kernels in use";
    if (!g_error_matches(trouble, HV_ERROR, HV_ERROR_WRONG_STATE)) {
        ret_answer->why = "the cache is out of order";
        pause_after(cache, trouble);
    }
    return TRUE;
}

/* ---- reading ---- */

/* A kernel file that is open. */
typedef struct Source {
    const char *path;
    int fd;
    FileId id;
    gboolean settled;
} Source;

static gssize
read_up_to(int fd, guint8 *buffer, gsize len)
{
    gsize have = 0;

    while (have < len) {
        ssize_t n = pread(fd, buffer + have, len - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        have += (gsize)n;
    }
    return (gssize)have;
}

/* The start of the file tells most of those that are not for us. */
static const char *
look_at_head(const Source *source)
{
    guint8 head[HVXL_KERNEL_HEAD];
    gssize len = read_up_to(source->fd, head, sizeof(head));
    HvxlPayload payload;

    if (len < 0)
        return "it cannot be read";
    return hvxl_kernel_find_payload(head, (gsize)len, (guint64)source->id.size, &payload);
}

static gboolean
read_whole(const Source *source, guint8 *file)
{
    struct stat st;
    FileId after;

    if (read_up_to(source->fd, file, (gsize)source->id.size) != source->id.size ||
        fstat(source->fd, &st) < 0)
        return FALSE;
    after = file_id(&st);
    return same_file_id(&source->id, &after);
}

static HvxlKernelHash
hash_file(const guint8 *file, gsize len)
{
    g_autofree char *hex = g_compute_checksum_for_data(G_CHECKSUM_SHA256, file, len);
    HvxlKernelHash hash;

    g_strlcpy(hash.hex, hex, sizeof(hash.hex));
    return hash;
}

static gboolean
is_stored(HvxlKernelCache *cache, const HvxlKernelHash *hash)
{
    int lease = hvxl_kernel_store_lease(&cache->store, hash);

    if (lease >= 0)
        close(lease); /* each who asked takes one of his own */
    return lease >= 0;
}

static gboolean
answer_for(HvxlKernelCache *cache, Packed *packed, GCancellable *cancellable, Answer *ret_answer,
           GError **error)
{
    g_autofree char *key = NULL;

    ret_answer->why = hvxl_kernel_find_payload(packed->file, packed->file_len, packed->file_len,
                                               &packed->payload);
    if (ret_answer->why)
        return TRUE;
    packed->hash = ret_answer->hash = hash_file(packed->file, packed->file_len);
    count(cache, &cache->stats.hashed);
    if (is_stored(cache, &packed->hash))
        return TRUE;
    ret_answer->why = recall_refusal(cache, &packed->hash);
    if (ret_answer->why)
        return TRUE;
    if (is_paused(cache)) {
        ret_answer->passing = TRUE;
        ret_answer->why = "the cache is out of order";
        return TRUE;
    }
    key = g_strconcat("contents ", packed->hash.hex, NULL);
    return do_once(cache, key, unpack, drop_packed, packed, cancellable, ret_answer, error);
}

/* Work: one thread's for all who have the same file. */
static gboolean
read_kernel(HvxlKernelCache *cache, gpointer what, GCancellable *cancellable, Answer *ret_answer,
            GError **error)
{
    const Source *source = what;
    Packed packed = { .cache = cache, .path = source->path, .file_len = (gsize)source->id.size };
    gboolean ok = TRUE;

    ret_answer->why = look_at_head(source);
    if (!ret_answer->why) {
        if (!begin_reading(cache, cancellable, error))
            return FALSE;
        packed.file = g_malloc(packed.file_len);
        if (read_whole(source, packed.file)) {
            ok = answer_for(cache, &packed, cancellable, ret_answer, error);
        } else {
            ret_answer->passing = TRUE;
            ret_answer->why = "it changed while it was read";
        }
        drop_packed(&packed);
    }
    if (ok && source->settled && !ret_answer->passing)
        remember(cache, &source->id, ret_answer);
    return ok;
}

static gboolean
look(HvxlKernelCache *cache, Source *source, GCancellable *cancellable, Answer *ret_answer,
     GError **error)
{
    gint64 now = g_get_real_time(); /* before the file is looked at */
    const FileId *id = &source->id;
    g_autofree char *key = NULL;
    struct stat st;

    if (fstat(source->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        ret_answer->why = "it is no regular file";
        return TRUE;
    }
    source->id = file_id(&st);
    source->settled = is_settled(id, now);
    if (!source->settled)
        return read_kernel(cache, source, cancellable, ret_answer, error);
    key = g_strdup_printf("file %ju %ju %jd %" G_GINT64_FORMAT " %" G_GINT64_FORMAT,
                          (uintmax_t)id->dev, (uintmax_t)id->inode, (intmax_t)id->size,
                          id->mtime_ns, id->ctime_ns);
    return do_once(cache, key, read_kernel, NULL, source, cancellable, ret_answer, error);
}

static gboolean
open_and_look(HvxlKernelCache *cache, const char *path, GCancellable *cancellable,
              Answer *ret_answer, GError **error)
{
    Source source = { .path = path };
    gboolean ok;

    /* Whatever it is: no terminal of ours, and no waiting for the other end of a pipe. */
    source.fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (source.fd < 0) {
        ret_answer->why = "it cannot be opened";
        return TRUE;
    }
    ok = look(cache, &source, cancellable, ret_answer, error);
    close(source.fd);
    return ok;
}

/* ---- the cache ---- */

/* NULL with an error: cancelled. NULL without: try again. */
static HvxlKernel *
get_once(HvxlKernelCache *cache, const char *path, GCancellable *cancellable, GError **error)
{
    Answer answer = { .why = NULL };
    struct stat st;
    FileId id;
    int lease;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
        return as_it_is(path, "it is no file that can be read");
    id = file_id(&st);
    if (!recall(cache, &id, &answer) && !open_and_look(cache, path, cancellable, &answer, error))
        return NULL;
    if (answer.why)
        return as_it_is(path, answer.why);
    lease = hvxl_kernel_store_lease(&cache->store, &answer.hash);
    if (lease < 0) {
        forget(cache, &id);
        return NULL;
    }
    return new_kernel(hvxl_kernel_store_path(&cache->store, &answer.hash), NULL, lease);
}

HvxlKernel *
hvxl_kernel_cache_get(HvxlKernelCache *cache, const char *kernel_path, GCancellable *cancellable,
                      GError **error)
{
    if (!cache)
        return as_it_is(kernel_path, "there is no cache");
    for (guint round = 0; round < ROUNDS; round++) {
        g_autoptr(GError) local = NULL;
        HvxlKernel *kernel = get_once(cache, kernel_path, cancellable, &local);

        if (kernel)
            return kernel;
        if (local) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
    }
    return as_it_is(kernel_path, "its entry vanished again and again");
}

HvxlKernelCache *
hvxl_kernel_cache_new(const char *dir, guint64 max_bytes, guint max_entries)
{
    HvxlKernelCache *cache = g_new0(HvxlKernelCache, 1);

    hvxl_kernel_store_init(&cache->store, dir, max_bytes, max_entries);
    cache->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
    g_mutex_init(&cache->lock);
    g_cond_init(&cache->changed);
    cache->memo = g_hash_table_new_full(hash_file_id, same_file_id, g_free, g_free);
    cache->refused = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    cache->flights = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    hvxl_kernel_store_sweep(&cache->store);
    return cache;
}

void
hvxl_kernel_cache_free(HvxlKernelCache *cache)
{
    if (!cache)
        return;
    g_hash_table_unref(cache->memo);
    g_hash_table_unref(cache->refused);
    g_hash_table_unref(cache->flights);
    g_cond_clear(&cache->changed);
    g_mutex_clear(&cache->lock);
    if (cache->mounts >= 0)
        close(cache->mounts);
    hvxl_kernel_store_clear(&cache->store);
    g_free(cache);
}

void
hvxl_kernel_cache_get_stats(HvxlKernelCache *cache, HvxlKernelCacheStats *ret_stats)
{
    g_autoptr(GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new(&cache->lock);

    *ret_stats = cache->stats;
}
