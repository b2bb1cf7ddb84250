/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Models of processors. The engine tells what the processors say, libvirt's data files what that is
 * called, and src/conf puts the two together. The files are read when they are first needed, once.
 */
#include "hv-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the definitions ---- */

/* All of a regular file that is no larger than a document may be. */
static char *
read_file(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    g_autofree char *text = NULL;
    gsize size, done = 0;
    struct stat st;
    ssize_t n = 0;

    if (fd < 0 || fstat(fd, &st) < 0) {
        hv_set_io_error(error, errno, "open", path);
    } else if (!S_ISREG(st.st_mode) || st.st_size > CONF_MAX_XML) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "'%s' is no file, or larger than %u bytes", path,
                    CONF_MAX_XML);
    } else {
        size = (gsize)st.st_size;
        text = g_malloc(size + 1);
        while (done < size && (n = read(fd, text + done, size - done)) > 0)
            done += (gsize)n;
        text[done] = '\0';
        if (n < 0) {
            hv_set_io_error(error, errno, "read", path);
            g_clear_pointer(&text, g_free);
        }
    }
    if (fd >= 0)
        close(fd);
    return g_steal_pointer(&text);
}

static char *
read_definitions(const char *name, gpointer dir, GError **error)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);

    return read_file(path, error);
}

/* No lock is held while files are read: two may read them at once, the first one counts. */
static ConfCpuMap *
get_map(HvHost *host, GError **error)
{
    g_autoptr(GError) local = NULL;
    ConfCpuMap *map, *read = NULL;

    g_mutex_lock(&host->cpu_lock);
    map = host->cpu_map ? conf_cpu_map_ref(host->cpu_map) : NULL;
    g_mutex_unlock(&host->cpu_lock);
    if (map)
        return map;
    read = conf_cpu_map_new(read_definitions, host->cpu_map_dir, &local);
    if (!read) {
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "no models of processors are known, see cpu_map_dir: %s: %s", host->cpu_map_dir,
                    local->message);
        return NULL;
    }
    g_mutex_lock(&host->cpu_lock);
    if (!host->cpu_map)
        host->cpu_map = conf_cpu_map_ref(read);
    g_mutex_unlock(&host->cpu_lock);
    return read;
}

char **
hv_host_cpu_models(HvHost *host, const char *arch, GError **error)
{
    g_autoptr(ConfCpuMap) map = NULL;
    g_autofree const char **names = NULL;

    switch (conf_cpu_arch(arch)) {
    case CONF_CPU_ARCH_UNKNOWN:
        g_set_error(error, HV_ERROR, HV_ERROR_INVALID_ARG, "cannot find architecture %s", arch);
        return NULL;
    case CONF_CPU_ARCH_OTHER:
        g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                    "'%s' architecture is not supported by CPU driver", arch);
        return NULL;
    case CONF_CPU_ARCH_ANY:
        return g_new0(char *, 1);
    case CONF_CPU_ARCH_X86:
        break;
    }
    map = get_map(host, error);
    if (!map)
        return NULL;
    names = conf_cpu_map_models(map);
    return g_strdupv((char **)names);
}

/* ---- the processors ---- */

static ConfCpuSpec *
describe(HvHost *host, const ConfCpuMap *map, HvCpuView view, const char *arch, GError **error)
{
    g_autoptr(GArray) leaves = NULL;

    if (!host->ops->cpu_leaves) {
        hv_set_unsupported(error, host, "telling what the processors can do");
        return NULL;
    }
    if (!hv_host_enter_engine(host, error))
        return NULL;
    leaves = host->ops->cpu_leaves(host->engine, view, error);
    hv_host_leave_engine(host);
    return leaves ? conf_cpu_decode(map, arch, (const ConfCpuLeaf *)leaves->data, leaves->len)
                  : NULL;
}

ConfCpuSpec *
hv_host_cpu(HvHost *host, const char *arch, GError **error)
{
    g_autoptr(ConfCpuMap) map = get_map(host, error);

    return map ? describe(host, map, HV_CPU_HOST, arch, error) : NULL;
}

/* The host, or what it gives to `guest`: to one that is fully virtual where nothing is said, as a
 * paravirtual one sees no whole processor. */
static ConfCpuSpec *
describe_for(HvHost *host, const ConfCpuMap *map, const HvGuestKind *guest, GError **error)
{
    HvHostInfo info;
    gboolean hvm;

    if (!guest)
        return hv_host_info(host, &info, error)
                   ? describe(host, map, HV_CPU_HOST, info.model, error)
                   : NULL;
    if (!hv_guest_kind_check(host, guest, &info, &hvm, error))
        return NULL;
    return describe(host, map, hvm || !guest->machine ? HV_CPU_HVM : HV_CPU_PV, info.model, error);
}

/* ---- questions ---- */

ConfCpuCompare
hv_host_compare_cpu(HvHost *host, const HvGuestKind *guest, const ConfCpuSpec *cpu, char **ret_why,
                    GError **error)
{
    g_autoptr(ConfCpuMap) map = get_map(host, error);
    g_autoptr(ConfCpuSpec) ours = map ? describe_for(host, map, guest, error) : NULL;

    return ours ? conf_cpu_compare(map, ours, cpu, ret_why, error) : CONF_CPU_COMPARE_ERROR;
}

char *
hv_host_baseline_cpu(HvHost *host, const HvGuestKind *guest, GPtrArray *cpus, unsigned flags,
                     GError **error)
{
    g_autoptr(ConfCpuMap) map = get_map(host, error);
    g_autoptr(ConfCpuSpec) limit = NULL;

    if (!map)
        return NULL;
    if (guest) {
        limit = describe_for(host, map, guest, error);
        if (!limit)
            return NULL;
        flags |= CONF_CPU_BASELINE_FORBID;
    }
    return conf_cpu_baseline(map, cpus, limit, flags, error);
}
