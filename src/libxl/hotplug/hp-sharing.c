/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hp-sharing.h"
#include "hp-store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SHARE_HINT "<shareable/>, script block-shared"

bool
hp_parse_number(const char *text, dev_t *ret)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    size_t first = strspn(text, digits);
    if (first == 0 || first > 3 || text[first] != ':')
        return false;
    size_t second = strspn(text + first + 1, digits);
    if (second == 0 || second > 5 || text[first + 1 + second])
        return false;
    *ret = makedev((unsigned)strtoul(text, NULL, 16),
                   (unsigned)strtoul(text + first + 1, NULL, 16));
    return true;
}

static bool
has_number(const HpNumbers *numbers, dev_t number)
{
    for (unsigned i = 0; i < numbers->n; i++) {
        if (numbers->at[i] == number)
            return true;
    }
    return false;
}

/* One line of mountinfo(5): ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG]... - TYPE SOURCE SUPER
 */
typedef struct Mount {
    dev_t number;
    const char *point;
    const char *source;
    bool read_only;
} Mount;

static bool
is_read_only(const char *options)
{
    return strncmp(options, "ro", 2) == 0 && (options[2] == ',' || !options[2]);
}

static bool
parse_mount(char *line, Mount *ret)
{
    char *words[64];
    size_t n = 0, dash = 0;
    char *rest = line;
    while (n < HP_N(words) && (words[n] = hp_next_word(&rest))) {
        if (n >= 6 && !dash && strcmp(words[n], "-") == 0)
            dash = n;
        n++;
    }
    unsigned first, second;
    if (!dash || n < dash + 3 || sscanf(words[2], "%u:%u", &first, &second) != 2)
        return false;
    ret->number = makedev(first, second);
    ret->point = words[4];
    ret->source = words[dash + 2];
    ret->read_only = is_read_only(words[5]) || (n > dash + 3 && is_read_only(words[dash + 3]));
    return true;
}

/* btrfs and its like have a number of no device; then what they were mounted from must do. */
static bool
is_mount_of(const Mount *mount, const HpNumbers *numbers)
{
    struct stat st;
    if (has_number(numbers, mount->number))
        return true;
    return major(mount->number) == 0 && mount->source[0] == '/' && !strchr(mount->source, '\\') &&
           stat(mount->source, &st) == 0 && S_ISBLK(st.st_mode) && has_number(numbers, st.st_rdev);
}

bool
hp_sharing_check_mounts(HpRun *run, const char *disk, bool read_only, const HpNumbers *numbers)
{
    HP_AUTO_FREE char *line = NULL;
    size_t size = 0;
    Mount mount;
    bool ok = true;
    FILE *mounts = fopen(run->host->mountinfo, "re");
    if (!mounts)
        return hp_fail(&run->error, "cannot read %s to see who has '%s': %s", run->host->mountinfo,
                       disk, strerror(errno));
    while (ok && getline(&line, &size, mounts) >= 0) {
        if (!parse_mount(line, &mount) || (read_only && mount.read_only) ||
            !is_mount_of(&mount, numbers))
            continue;
        ok = hp_fail_busy(&run->error,
                          "disk '%s' is mounted on this host at %s%s: unmount it, or give the "
                          "guest the disk %sas shareable (" SHARE_HINT ")",
                          disk, mount.point, mount.read_only ? "" : " for writing",
                          mount.read_only ? "read-only, or " : "");
    }
    fclose(mounts);
    return ok;
}

#define UUID_SIZE 128

static bool
read_domain(HpRun *run, const char *domid, const char *name, char *ret)
{
    char dir[64];
    snprintf(dir, sizeof dir, "/local/domain/%.16s", domid);
    return hp_store_read(run->store, dir, name, ret, UUID_SIZE, &run->error) != HP_READ_FAILED;
}

/* vm of a domain, and vm of the domain that it is the device model of; "" where there is none */
static bool
read_vms(HpRun *run, const char *domid, char *ret_vm, char *ret_target_vm)
{
    char target[UUID_SIZE];
    ret_target_vm[0] = 0;
    return read_domain(run, domid, "vm", ret_vm) && read_domain(run, domid, "target", target) &&
           (!target[0] || read_domain(run, target, "vm", ret_target_vm));
}

/* Two domain ids are the same guest while it is migrated within this host, and a guest's disks are
 * its device model's as well. A domain that is gone from the store is nobody. */
static bool
is_same_vm(HpRun *run, const char *domid, bool *ret)
{
    char own[UUID_SIZE], own_target[UUID_SIZE], other[UUID_SIZE], other_target[UUID_SIZE], text[16];
    snprintf(text, sizeof text, "%u", run->request.domid);
    if (!read_vms(run, text, own, own_target) || !read_vms(run, domid, other, other_target))
        return false;
    size_t length = strlen(own);
    if (length > 2 && strcmp(own + length - 2, "-1") == 0) /* its second life, in xend's words */
        own[length - 2] = 0;
    *ret = !other[0] || strcmp(own, other) == 0 || strcmp(own_target, other) == 0 ||
           (other_target[0] &&
            (strcmp(own, other_target) == 0 || strcmp(own_target, other_target) == 0));
    return true;
}

static bool
refuse_guest(HpRun *run, const char *disk, const char *domid, const char *devid, bool writes)
{
    char name[UUID_SIZE];
    HpError unused = { 0 };
    char dir[64];
    snprintf(dir, sizeof dir, "/local/domain/%.16s", domid);
    if (hp_store_read(run->store, dir, "name", name, sizeof name, &unused) != HP_READ_OK)
        snprintf(name, sizeof name, "?");
    return hp_fail_busy(&run->error,
                        "disk '%s' is in use by domain %s (id %s, disk %s)%s: detach it there, "
                        "or, if all of them can share it, make it shareable in each (" SHARE_HINT
                        ")",
                        disk, name, domid, devid, writes ? ", which may write to it" : "");
}

/* How they have it: to read, to write, or to share with whoever else writes. */
static HpMode
read_mode(HpRun *run, const char *disk)
{
    char text[HP_PATH_SIZE] = "";
    HpError unused = { 0 };
    hp_store_read(run->store, disk, "mode", text, sizeof text, &unused);
    HpMode mode = hp_parse_mode(text);
    if (mode != HP_MODE_WRITE)
        return mode;
    hp_store_read(run->store, disk, "script", text, sizeof text, &unused);
    const char *name = strrchr(text, '/');
    return name && strcmp(name + 1, HP_BLOCK_SHARED) == 0 ? HP_MODE_SHARED : mode;
}

/* DIR is backend/vbd/DOMID. */
static bool
check_disk(HpRun *run, const char *disk, bool read_only, const HpNumbers *numbers, const char *dir,
           const char *domid, const char *devid)
{
    char path[HP_PATH_SIZE], text[32];
    dev_t number;
    bool same = false;
    if (snprintf(path, sizeof path, "%s/%s", dir, devid) >= (int)sizeof path)
        return true;
    HpError unused = { 0 }; /* what is too long to be a number is not ours */
    if (hp_store_read(run->store, path, "physical-device", text, sizeof text, &unused) !=
            HP_READ_OK ||
        !hp_parse_number(text, &number) || !has_number(numbers, number))
        return true;
    HpMode theirs = read_mode(run, path);
    /* Where others may write, a reader has been told to expect it. So do Xen's scripts. */
    if (read_only && theirs != HP_MODE_WRITE)
        return true;
    if (!is_same_vm(run, domid, &same))
        return false;
    return same || refuse_guest(run, disk, domid, devid, theirs != HP_MODE_READ);
}

bool
hp_sharing_check_guests(HpRun *run, const char *disk, bool read_only, const HpNumbers *numbers)
{
    char base[HP_PATH_SIZE], dir[HP_PATH_SIZE];
    unsigned n_domains = 0;
    bool ok = true;
    snprintf(base, sizeof base, "%s/vbd", run->request.base_path);
    HP_AUTO_FREE char **domains = run->store->list(run->store, base, &n_domains);
    if (!domains && errno != ENOENT)
        return hp_fail(&run->error, "cannot list %s of xenstore: %s", base, strerror(errno));
    for (unsigned i = 0; domains && ok && i < n_domains; i++) {
        unsigned n_disks = 0;
        if (snprintf(dir, sizeof dir, "%s/%s", base, domains[i]) >= (int)sizeof dir)
            continue;
        HP_AUTO_FREE char **disks = run->store->list(run->store, dir, &n_disks);
        for (unsigned k = 0; disks && ok && k < n_disks; k++)
            ok = check_disk(run, disk, read_only, numbers, dir, domains[i], disks[k]);
    }
    return ok;
}

bool
hp_sharing_check(HpRun *run, const char *disk, bool read_only, const HpNumbers *numbers)
{
    if (numbers->n == 0)
        return true;
    return hp_sharing_check_mounts(run, disk, read_only, numbers) &&
           hp_sharing_check_guests(run, disk, read_only, numbers);
}
