/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hvxl-kernel-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <hv/hv.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#undef G_LOG_DOMAIN
#define G_LOG_DOMAIN "hv-libxl"

#define TEMP_PREFIX ".new-"
#define HASH_LEN    64
/* Who holds the folder's lock only looks at and renames files, so this is plenty. */
#define LOCK_PATIENCE_MS 2000
/* Uses are told apart by minutes: a warm start then seldom writes anything. */
#define USED_GRANULE_S 60
/* The cache never takes the last of a file system. */
#define LEAVE_FREE ((guint64)64 * 1024 * 1024)
/* A page of zeros becomes a hole; half of Debian's kernel is such pages. */
#define PAGE 4096

/* The last bytes of an entry. ELF files may have bytes behind their segments: libxc ignores them.
 */
typedef struct Trailer {
    char magic[8];
    guint64 size; /* of what is before it; little-endian */
    char hash[HASH_LEN];
} Trailer;
G_STATIC_ASSERT(sizeof(Trailer) == 80);

static const char trailer_magic[8] = "XLVKRNL1";

struct HvxlNewKernel {
    HvxlKernelStore store; /* the owner's: only borrowed */
    HvxlKernelHash hash;
    int dir, fd;
    char *temp; /* name in the folder; NULL once it is gone */
    guint64 size;
};

void
hvxl_kernel_store_init(HvxlKernelStore *store, const char *dir, guint64 max_bytes,
                       guint max_entries)
{
    *store = (HvxlKernelStore){ g_strdup(dir), max_bytes, max_entries };
}

void
hvxl_kernel_store_clear(HvxlKernelStore *store)
{
    g_clear_pointer(&store->dir, g_free);
}

char *
hvxl_kernel_store_path(const HvxlKernelStore *store, const HvxlKernelHash *hash)
{
    return g_strconcat(store->dir, "/", hash->hex, NULL);
}

static void
set_io_error(GError **error, int saved_errno, const char *what, const char *path)
{
    g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot %s '%s': %s", what, path,
                g_strerror(saved_errno));
}

static void
close_keeping_errno(int fd)
{
    int saved_errno = errno;

    close(fd);
    errno = saved_errno;
}

static Trailer
make_trailer(const HvxlKernelHash *hash, guint64 size)
{
    Trailer trailer = { .size = GUINT64_TO_LE(size) };

    memcpy(trailer.magic, trailer_magic, sizeof(trailer.magic));
    memcpy(trailer.hash, hash->hex, HASH_LEN);
    return trailer;
}

/* ---- the folder ---- */

/* Opens it, -1 with errno. What others may write to is not trusted: they could plant kernels. */
static int
open_folder(const HvxlKernelStore *store)
{
    int fd = open(store->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -1;
    if (fstat(fd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 022) == 0)
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

static int
make_folder(const HvxlKernelStore *store, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(store->dir);
    int fd = open_folder(store);

    if (fd < 0 && errno == ENOENT && g_mkdir_with_parents(parent, 0755) == 0 &&
        (mkdir(store->dir, 0700) == 0 || errno == EEXIST))
        fd = open_folder(store);
    if (fd < 0)
        set_io_error(error, errno, "use the folder", store->dir);
    return fd;
}

static gboolean
lock_folder(int dir)
{
    for (int waited = 0; flock(dir, LOCK_EX | LOCK_NB) < 0; waited++) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited >= LOCK_PATIENCE_MS)
            return FALSE;
        g_usleep(1000);
    }
    return TRUE;
}

static void
unlock_folder(int dir)
{
    flock(dir, LOCK_UN);
}

/* Removes a file that nobody uses. The folder is locked. */
static gboolean
remove_unused_locked(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    gboolean removed;

    if (fd < 0)
        return errno == ENOENT;
    removed = flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(dir, name, 0) == 0;
    close(fd);
    return removed;
}

/* ---- what is in it ---- */

typedef struct Listed {
    char name[HASH_LEN + 1];
    gint64 used;
    guint64 bytes;
} Listed;

static gboolean
is_entry_name(const char *name)
{
    return strlen(name) == HASH_LEN && strspn(name, "0123456789abcdef") == HASH_LEN;
}

static int
by_last_use(gconstpointer a, gconstpointer b)
{
    gint64 x = ((const Listed *)a)->used, y = ((const Listed *)b)->used;

    return x < y ? -1 : x > y;
}

/* Entries, the one not used for longest first; removes what is left over. `ret_bytes` and
 * `ret_files` count entries and files under way. The folder is locked. */
static GArray *
list_locked(int dir, guint64 *ret_bytes, guint *ret_files)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(Listed));
    int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *at;
    struct stat st;

    *ret_bytes = 0;
    *ret_files = 0;
    if (!stream) {
        if (fd >= 0)
            close_keeping_errno(fd);
        return NULL;
    }
    while ((at = readdir(stream))) {
        gboolean is_temp = g_str_has_prefix(at->d_name, TEMP_PREFIX);
        Listed entry = { .used = 0 };

        if ((!is_temp && !is_entry_name(at->d_name)) ||
            fstatat(dir, at->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (is_temp && remove_unused_locked(dir, at->d_name))
            continue;
        /* A file under way will be as large as it is long. */
        entry.bytes = is_temp ? (guint64)st.st_size : (guint64)st.st_blocks * 512;
        *ret_bytes += entry.bytes;
        *ret_files += 1;
        if (is_temp)
            continue;
        g_strlcpy(entry.name, at->d_name, sizeof(entry.name));
        entry.used = (gint64)st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
        g_array_append_val(entries, entry);
    }
    closedir(stream);
    g_array_sort(entries, by_last_use);
    return g_steal_pointer(&entries);
}

void
hvxl_kernel_store_sweep(const HvxlKernelStore *store)
{
    g_autoptr(GArray) entries G_GNUC_UNUSED = NULL;
    guint64 bytes;
    guint files;
    int dir = open_folder(store);

    if (dir < 0)
        return;
    if (lock_folder(dir))
        entries = list_locked(dir, &bytes, &files);
    close(dir);
}

static gboolean
make_room_locked(const HvxlKernelStore *store, int dir, guint64 need, GError **error)
{
    guint64 bytes;
    guint files;
    g_autoptr(GArray) entries = list_locked(dir, &bytes, &files);

    if (!entries) {
        set_io_error(error, errno, "list", store->dir);
        return FALSE;
    }
    for (guint i = 0; i < entries->len; i++) {
        const Listed *entry = &g_array_index(entries, Listed, i);

        if (bytes + need <= store->max_bytes && files < store->max_entries)
            break;
        if (!remove_unused_locked(dir, entry->name))
            continue;
        g_debug("removed '%s/%s' to make room", store->dir, entry->name);
        bytes -= entry->bytes;
        files--;
    }
    if (bytes + need <= store->max_bytes && files < store->max_entries)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_WRONG_STATE,
                "the kernel cache has no room for %" G_GUINT64_FORMAT " bytes", need);
    return FALSE;
}

static gboolean
disk_has_room(const HvxlKernelStore *store, int dir, guint64 need, GError **error)
{
    struct statvfs fs;

    if (fstatvfs(dir, &fs) == 0 && (guint64)fs.f_bavail * fs.f_frsize >= need + LEAVE_FREE)
        return TRUE;
    set_io_error(error, ENOSPC, "store a kernel in", store->dir);
    return FALSE;
}

/* ---- leases ---- */

static gboolean
is_whole(int fd, const struct stat *st, const HvxlKernelHash *hash)
{
    Trailer found, wanted;

    if (!S_ISREG(st->st_mode) || st->st_uid != geteuid() || st->st_size <= (off_t)sizeof(Trailer) ||
        pread(fd, &found, sizeof(found), st->st_size - (off_t)sizeof(found)) != sizeof(found))
        return FALSE;
    wanted = make_trailer(hash, (guint64)st->st_size - sizeof(Trailer));
    return memcmp(&found, &wanted, sizeof(found)) == 0;
}

static void
mark_used(int fd, const struct stat *st)
{
    static const struct timespec now[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };
    gint64 age = g_get_real_time() / G_USEC_PER_SEC - st->st_mtim.tv_sec;

    if (age < 0 || age >= USED_GRANULE_S)
        (void)!futimens(fd, now); /* on a read-only disk the order does not matter */
}

/* As hvxl_kernel_store_lease(), but leaves an entry that is damaged where it is. */
static int
try_lease(int dir, const char *path, const HvxlKernelHash *hash, gboolean *ret_damaged)
{
    int fd = openat(dir, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;

    *ret_damaged = FALSE;
    if (fd < 0)
        return -1;
    /* Without a lock, or without a name any more: somebody is removing it right now. */
    if (flock(fd, LOCK_SH | LOCK_NB) < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0) {
        close(fd);
        return -1;
    }
    if (!is_whole(fd, &st, hash)) {
        *ret_damaged = TRUE;
        close(fd);
        return -1;
    }
    mark_used(fd, &st);
    return fd;
}

/* Looks again with the folder locked: it may be another file by now. */
static int
lease_or_remove_locked(const HvxlKernelStore *store, int dir, const HvxlKernelHash *hash)
{
    gboolean damaged;
    int fd = try_lease(dir, hash->hex, hash, &damaged);

    if (damaged && unlinkat(dir, hash->hex, 0) == 0)
        g_warning("removed '%s/%s', which was damaged", store->dir, hash->hex);
    return fd;
}

int
hvxl_kernel_store_lease(const HvxlKernelStore *store, const HvxlKernelHash *hash)
{
    g_autofree char *path = hvxl_kernel_store_path(store, hash);
    gboolean damaged;
    int fd = try_lease(AT_FDCWD, path, hash, &damaged);
    int dir = damaged ? open_folder(store) : -1;

    if (dir < 0)
        return fd;
    if (lock_folder(dir))
        fd = lease_or_remove_locked(store, dir, hash);
    close(dir);
    return fd;
}

/* ---- new entries ---- */

static gboolean
create_temp_locked(HvxlNewKernel *entry, guint64 size, GError **error)
{
    entry->temp = g_strconcat(TEMP_PREFIX, entry->hash.hex, "-XXXXXX", NULL);
    for (guint try = 0; entry->fd < 0 && try < 100; try++) {
        g_snprintf(strrchr(entry->temp, '-') + 1, 7, "%06x", g_random_int() & 0xffffff);
        entry->fd = openat(entry->dir, entry->temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (entry->fd < 0 && errno != EEXIST)
            break;
    }
    if (entry->fd < 0) {
        set_io_error(error, errno, "create a file in", entry->store.dir);
        g_clear_pointer(&entry->temp, g_free);
        return FALSE;
    }
    /* The lock says that its writer lives; the length is what it will take. */
    if (flock(entry->fd, LOCK_EX | LOCK_NB) == 0 &&
        ftruncate(entry->fd, (off_t)(size + sizeof(Trailer))) == 0)
        return TRUE;
    set_io_error(error, errno, "write to", entry->store.dir);
    return FALSE;
}

HvxlNewKernel *
hvxl_kernel_store_begin(const HvxlKernelStore *store, const HvxlKernelHash *hash, guint64 size,
                        GError **error)
{
    g_autoptr(HvxlNewKernel) entry = g_new0(HvxlNewKernel, 1);
    gboolean ok;

    entry->store = *store;
    entry->hash = *hash;
    entry->fd = -1;
    entry->dir = make_folder(store, error);
    if (entry->dir < 0)
        return NULL;
    if (!lock_folder(entry->dir)) {
        set_io_error(error, errno, "lock", store->dir);
        return NULL;
    }
    ok = make_room_locked(store, entry->dir, size + sizeof(Trailer), error) &&
         disk_has_room(store, entry->dir, size + sizeof(Trailer), error) &&
         create_temp_locked(entry, size, error);
    unlock_folder(entry->dir);
    return ok ? g_steal_pointer(&entry) : NULL;
}

static gboolean
write_all(HvxlNewKernel *entry, const void *data, gsize len, GError **error)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = pwrite(entry->fd, at, len, (off_t)entry->size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            set_io_error(error, errno, "write to", entry->store.dir);
            return FALSE;
        }
        at += n;
        len -= (gsize)n;
        entry->size += (guint64)n;
    }
    return TRUE;
}

/* Length of the run of pages, all zero or none of them zero, at `data`. */
static gsize
run_of_pages(const guint8 *data, gsize len, gboolean *ret_zero)
{
    static const guint8 zeros[PAGE];
    gsize run = 0;

    *ret_zero = len >= PAGE && memcmp(data, zeros, PAGE) == 0;
    while (len - run >= PAGE && (memcmp(data + run, zeros, PAGE) == 0) == *ret_zero)
        run += PAGE;
    return !*ret_zero && len - run < PAGE ? len : run;
}

gboolean
hvxl_new_kernel_write(HvxlNewKernel *entry, const guint8 *data, gsize len, GError **error)
{
    while (len > 0) {
        gboolean zero;
        gsize run = run_of_pages(data, len, &zero);

        if (zero)
            entry->size += run; /* the file is as long already, and a hole reads as zeros */
        else if (!write_all(entry, data, run, error))
            return FALSE;
        data += run;
        len -= run;
    }
    return TRUE;
}

int
hvxl_new_kernel_fd(const HvxlNewKernel *entry)
{
    return entry->fd;
}

/* Gives the file its name, and its lease to the caller. Whoever comes second takes what the first
 * one made. The folder is locked. */
static int
publish_locked(HvxlNewKernel *entry, GError **error)
{
    int fd = lease_or_remove_locked(&entry->store, entry->dir, &entry->hash);

    if (fd >= 0)
        return fd;
    /* From writer to reader: that is not one step, but nobody removes anything while we have the
     * folder. */
    if (flock(entry->fd, LOCK_SH | LOCK_NB) < 0 ||
        linkat(entry->dir, entry->temp, entry->dir, entry->hash.hex, 0) < 0) {
        set_io_error(error, errno, "store a kernel in", entry->store.dir);
        return -1;
    }
    fd = entry->fd;
    entry->fd = -1;
    return fd;
}

int
hvxl_new_kernel_commit(HvxlNewKernel *entry, GError **error)
{
    Trailer trailer = make_trailer(&entry->hash, entry->size);
    int fd;

    if (!write_all(entry, &trailer, sizeof(trailer), error))
        return -1;
    if (ftruncate(entry->fd, (off_t)entry->size) < 0 || fdatasync(entry->fd) < 0) {
        set_io_error(error, errno, "sync a file in", entry->store.dir);
        return -1;
    }
    if (!lock_folder(entry->dir)) {
        set_io_error(error, errno, "lock", entry->store.dir);
        return -1;
    }
    fd = publish_locked(entry, error);
    unlock_folder(entry->dir);
    return fd;
}

void
hvxl_new_kernel_free(HvxlNewKernel *entry)
{
    if (!entry)
        return;
    if (entry->temp)
        unlinkat(entry->dir, entry->temp, 0);
    if (entry->fd >= 0)
        close(entry->fd);
    if (entry->dir >= 0)
        close(entry->dir);
    g_free(entry->temp);
    g_free(entry);
}
