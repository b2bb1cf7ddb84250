/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Engine `sim`: devices and the less common turns of a domain's life. */
#include <hv/sim/hvsim-engine.h>
#include <hv/sim/hvsim-live.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- devices ---- */

static gboolean
set_unpluggable(const ConfAnyDevice *device, GError **error)
{
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                "a <%s> of this kind cannot be plugged into or out of a running domain",
                conf_device_element(device));
    return FALSE;
}

/* What the guest would be restored with from now on. */
static char *
record_of(const ConfDomain *def)
{
    return conf_domain_format_xml(def, CONF_XML_SECURE | CONF_XML_INACTIVE);
}

static void
fill_plugged(const ConfDomain *live, ConfAnyDevice *device)
{
    ConfInterface *iface = device->interface;
    if (device->kind == CONF_DEVICE_INTERFACE && iface->target == NULL)
        iface->target = g_strdup_printf("vif%d.%u", live->id, live->interfaces->len);
}

static gboolean
order_device(HvEngine *engine, SimOp op, int domid, const char *key, const ConfDomain *after,
             GError **error)
{
    g_autofree char *record = record_of(after);
    return sim_engine_order(engine, op, g_variant_new("(iss)", domid, key, record), error);
}

static char *
pci_of(const ConfHostdev *hostdev)
{
    return g_strdup_printf("%04x:%02x:%02x.%x", (guint)hostdev->domain.value,
                           (guint)hostdev->bus.value, (guint)hostdev->slot.value,
                           (guint)hostdev->function.value);
}

/* <hostdev managed='yes'>: taken from its driver before, given back afterwards. */
static gboolean
manage(HvEngine *engine, const ConfAnyDevice *device, HvPciOp op, GError **error)
{
    const ConfHostdev *hostdev = device->hostdev;
    if (device->kind != CONF_DEVICE_HOSTDEV || g_strcmp0(hostdev->type, "pci") != 0 ||
        g_strcmp0(hostdev->managed, "yes") != 0)
        return TRUE;
    g_autofree char *address = pci_of(hostdev);
    return sim_engine_order(engine, SIM_OP_PCI, g_variant_new("(us)", (guint32)op, address), error);
}

gboolean
sim_engine_attach(HvEngine *engine, int domid, const ConfDomain *live, ConfAnyDevice *device,
                  GError **error)
{
    g_autofree char *key = sim_live_device_key(device);
    g_autoptr(ConfDomain) with = conf_domain_copy(live);
    if (key == NULL)
        return set_unpluggable(device, error);
    if (!manage(engine, device, HV_PCI_DETACH, error))
        return FALSE;
    fill_plugged(live, device);
    if (conf_domain_insert_device(with, device, error) &&
        order_device(engine, SIM_OP_ATTACH, domid, key, with, error))
        return TRUE;
    manage(engine, device, HV_PCI_ATTACH, NULL);
    return FALSE;
}

gboolean
sim_engine_detach(HvEngine *engine, int domid, const ConfDomain *live, const ConfAnyDevice *device,
                  GError **error)
{
    g_autofree char *key = sim_live_device_key(device);
    g_autoptr(ConfDomain) without = conf_domain_copy(live);
    ConfAnyDevice found;
    if (key == NULL)
        return set_unpluggable(device, error);
    if (!conf_domain_find_device(without, device, &found, error))
        return FALSE;
    conf_domain_remove_device(without, &found);
    return order_device(engine, SIM_OP_DETACH, domid, key, without, error) &&
           manage(engine, device, HV_PCI_ATTACH, error);
}

/* As on Xen: another medium, another bridge; nothing else of a device can change under a guest. */
static gboolean
check_update(const ConfAnyDevice *before, const ConfAnyDevice *after, GError **error)
{
    const char *what = NULL;
    if (before->kind == CONF_DEVICE_DISK) {
        if (before->disk->device != CONF_DISK_DEVICE_CDROM &&
            before->disk->device != CONF_DISK_DEVICE_FLOPPY)
            what = "the source of a disk that is no removable medium";
        else if (g_strcmp0(before->disk->target_bus, after->disk->target_bus) != 0)
            what = "the bus";
    } else if (before->kind == CONF_DEVICE_INTERFACE) {
        if (g_strcmp0(before->interface->type, after->interface->type) != 0)
            what = "the type";
        else if (g_strcmp0(before->interface->model, after->interface->model) != 0)
            what = "the model";
    } else {
        what = "anything";
    }
    if (what == NULL)
        return TRUE;
    g_set_error(error, HV_ERROR, HV_ERROR_UNSUPPORTED,
                "changing %s of a <%s> of a running domain is not supported", what,
                conf_device_element(before));
    return FALSE;
}

gboolean
sim_engine_update(HvEngine *engine, int domid, const ConfDomain *live, const ConfAnyDevice *before,
                  ConfAnyDevice *after, gboolean force, GError **error)
{
    g_autofree char *key = sim_live_device_key(before);
    g_autoptr(ConfDomain) with = conf_domain_copy(live);
    ConfAnyDevice found;
    if (!check_update(before, after, error) ||
        !conf_domain_find_device(with, before, &found, error))
        return FALSE;
    conf_domain_replace_device(with, &found, after);
    return order_device(engine, SIM_OP_UPDATE, domid, key, with, error);
}

gboolean
sim_engine_block_resize(HvEngine *engine, int domid, const ConfDomain *live, const ConfDisk *disk,
                        guint64 bytes, GError **error)
{
    return sim_engine_order(engine, SIM_OP_RESIZE,
                            g_variant_new("(ist)", domid, disk->target, bytes), error);
}

/* No device model has the images open, so they are changed as those of a domain that does not run.
 * That a guest writes to another image from now on changes nothing: it writes to none. */
gboolean
sim_engine_disk_snapshot(HvEngine *engine, int domid, const ConfDomain *live,
                         const ConfSnapshot *snapshot, HvDiskSnapshotOp op, GError **error)
{
    if (!sim_engine_order(engine, SIM_OP_DISK_SNAPSHOT, g_variant_new("(i)", domid), error))
        return FALSE;
    return op == HV_DISK_SNAPSHOT_CREATE ? hv_snapshot_images_create(snapshot, live, error)
                                         : hv_snapshot_images_delete(snapshot, live, error);
}

gboolean
sim_engine_set_block_threshold(HvEngine *engine, int domid, const ConfDisk *disk, guint64 bytes,
                               GError **error)
{
    return sim_engine_order(engine, SIM_OP_THRESHOLD,
                            g_variant_new("(ist)", domid, disk->target, bytes), error);
}

/* ---- the host's devices ---- */

static gboolean
pci(HvEngine *engine, HvPciOp op, const HvPciAddress *address, GError **error)
{
    g_autofree char *text = g_strdup_printf("%04x:%02x:%02x.%x", address->domain, address->bus,
                                            address->slot, address->function);
    return sim_engine_order(engine, SIM_OP_PCI, g_variant_new("(us)", (guint32)op, text), error);
}

gboolean
sim_engine_pci_detach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    return pci(engine, HV_PCI_DETACH, address, error);
}

gboolean
sim_engine_pci_attach(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    return pci(engine, HV_PCI_ATTACH, address, error);
}

gboolean
sim_engine_pci_reset(HvEngine *engine, const HvPciAddress *address, GError **error)
{
    return pci(engine, HV_PCI_RESET, address, error);
}

/* ---- reset, keys, sleep, names ---- */

gboolean
sim_engine_reset(HvEngine *engine, int domid, const ConfDomain *live, GError **error)
{
    return sim_engine_order(engine, SIM_OP_RESET, g_variant_new("(i)", domid), error);
}

gboolean
sim_engine_inject_nmi(HvEngine *engine, int domid, GError **error)
{
    return sim_engine_order(engine, SIM_OP_NMI, g_variant_new("(i)", domid), error);
}

gboolean
sim_engine_send_keys(HvEngine *engine, int domid, const ConfDomain *live, const guint *keys,
                     guint n_keys, guint hold_ms, GError **error)
{
    GVariant *all = g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, keys, n_keys, sizeof(*keys));
    return sim_engine_order(engine, SIM_OP_KEYS, g_variant_new("(i@au)", domid, all), error);
}

gboolean
sim_engine_pm_suspend(HvEngine *engine, int domid, const ConfDomain *live, GError **error)
{
    return sim_engine_order(engine, SIM_OP_SLEEP, g_variant_new("(i)", domid), error);
}

gboolean
sim_engine_pm_wakeup(HvEngine *engine, int domid, const ConfDomain *live, GError **error)
{
    return sim_engine_order(engine, SIM_OP_WAKEUP, g_variant_new("(i)", domid), error);
}

/* The record and the uuid of a domain that runs. */
static GVariant *
ask_facts(HvEngine *engine, int domid, GError **error)
{
    return sim_client_call(engine->client, SIM_OP_ADOPT, g_variant_new("(i)", domid), NULL, NULL,
                           error);
}

static gboolean
rename_to(HvEngine *engine, int domid, const char *name, const guint8 *uuid, GError **error)
{
    g_autoptr(GVariant) facts = ask_facts(engine, domid, error);
    g_autoptr(ConfDomain) def = facts == NULL ? NULL : sim_live_adopt(facts, error);
    guint64 high, low;
    if (def == NULL)
        return FALSE;
    g_free(def->name);
    def->name = g_strdup(name);
    if (uuid != NULL)
        memcpy(def->uuid, uuid, sizeof(def->uuid));
    sim_uuid_to_words(def->uuid, &high, &low);
    g_autofree char *record = record_of(def);
    return sim_engine_order(engine, SIM_OP_RENAME,
                            g_variant_new("(istts)", domid, name, high, low, record), error);
}

gboolean
sim_engine_rename(HvEngine *engine, int domid, const char *before, const char *after,
                  GError **error)
{
    return rename_to(engine, domid, after, NULL, error);
}

gboolean
sim_engine_preserve(HvEngine *engine, int domid, const char *name, const guint8 uuid[16],
                    GError **error)
{
    return rename_to(engine, domid, name, uuid, error);
}

/* ---- core dumps ---- */

#define NOTE_NAME  "xlvirt-sim"
#define DUMP_STEP  (1u << 20)
#define DUMP_BYTES (4u << 20) /* written in place of the guest's memory */
#define TICK_US    10000

static gboolean
write_whole(int fd, const void *data, gsize len, GError **error)
{
    const char *at = data;
    while (len > 0) {
        gssize n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot write the core: %s",
                        g_strerror(errno));
            return FALSE;
        }
        at += n;
        len -= (gsize)n;
    }
    return TRUE;
}

/* A core with one note, the domain's definition, and one segment of memory. */
static GByteArray *
core_head(const char *record, guint64 memory_bytes)
{
    gsize note_len = strlen(record) + 1, name_len = sizeof(NOTE_NAME);
    gsize padded = (name_len + 3) / 4 * 4 + (note_len + 3) / 4 * 4;
    Elf64_Ehdr elf = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                                    EV_CURRENT },
                       .e_type = ET_CORE,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_phoff = sizeof(Elf64_Ehdr),
                       .e_ehsize = sizeof(Elf64_Ehdr),
                       .e_phentsize = sizeof(Elf64_Phdr),
                       .e_phnum = 2 };
    Elf64_Nhdr note = { (Elf64_Word)name_len, (Elf64_Word)note_len, 1 };
    Elf64_Phdr segments[2] = {
        { .p_type = PT_NOTE,
          .p_offset = sizeof(elf) + sizeof(segments),
          .p_filesz = sizeof(note) + padded },
        { .p_type = PT_LOAD,
          .p_offset = sizeof(elf) + sizeof(segments) + sizeof(note) + padded,
          .p_filesz = DUMP_BYTES,
          .p_memsz = memory_bytes },
    };
    GByteArray *head = g_byte_array_new();
    g_byte_array_append(head, (guint8 *)&elf, sizeof(elf));
    g_byte_array_append(head, (guint8 *)segments, sizeof(segments));
    g_byte_array_append(head, (guint8 *)&note, sizeof(note));
    gsize at = head->len;
    g_byte_array_set_size(head, (guint)(at + padded));
    memset(head->data + at, 0, padded);
    memcpy(head->data + at, NOTE_NAME, name_len);
    memcpy(head->data + at + (name_len + 3) / 4 * 4, record, note_len);
    return head;
}

/* FALSE: cancelled. */
static gboolean
wait_a_while(guint ms, GCancellable *cancellable)
{
    gint64 until = g_get_monotonic_time() + ms * G_GINT64_CONSTANT(1000);
    while (g_get_monotonic_time() < until) {
        if (g_cancellable_is_cancelled(cancellable))
            return FALSE;
        g_usleep(TICK_US);
    }
    return !g_cancellable_is_cancelled(cancellable);
}

gboolean
sim_engine_core_dump(HvEngine *engine, int domid, const char *path, GCancellable *cancellable,
                     HvEngineProgress progress, gpointer data, GError **error)
{
    g_autoptr(GVariant) facts = sim_client_call(
        engine->client, SIM_OP_DUMP, g_variant_new("(i)", domid), cancellable, NULL, error);
    const char *record;
    guint64 memory_kib;
    guint32 write_ms;
    if (facts == NULL)
        return FALSE;
    g_variant_get(facts, "(&stu)", &record, &memory_kib, &write_ms);
    g_autoptr(GByteArray) head = core_head(record, memory_kib * 1024);
    g_autofree char *zeros = g_malloc0(DUMP_STEP);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        g_set_error(error, HV_ERROR, HV_ERROR_IO, "cannot open '%s': %s", path, g_strerror(errno));
        return FALSE;
    }
    gboolean ok = write_whole(fd, head->data, head->len, error);
    for (gsize done = 0; ok && done < DUMP_BYTES; done += DUMP_STEP) {
        if (progress != NULL)
            progress(memory_kib * 1024 / DUMP_BYTES * done, memory_kib * 1024, data);
        if (!wait_a_while(write_ms / (DUMP_BYTES / DUMP_STEP), cancellable)) {
            g_set_error_literal(error, HV_ERROR, HV_ERROR_CANCELLED, "the dump was cancelled");
            ok = FALSE;
        }
        ok = ok && write_whole(fd, zeros, DUMP_STEP, error);
    }
    close(fd);
    return ok;
}

/* ---- screen and channels ---- */

/* One character is two columns of four pixels: the eight bits of its code (docs/SIM.md). */
#define CELL_X 2u
#define CELL_Y 4u
#define WIDTH  (SIM_COLUMNS * CELL_X)
#define HEIGHT (SIM_LINES * CELL_Y)

static void
draw_character(guint8 *pixels, guint line, guint column, guint8 code)
{
    for (guint bit = 0; bit < 8; bit++) {
        guint x = column * CELL_X + bit / CELL_Y, y = line * CELL_Y + bit % CELL_Y;
        memset(pixels + (y * WIDTH + x) * 3, code >> bit & 1 ? 0xff : 0, 3);
    }
}

gboolean
sim_engine_screenshot(HvEngine *engine, int domid, const ConfDomain *live, guint screen, int fd,
                      const char **ret_mime, GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(
        engine->client, SIM_OP_SCREEN, g_variant_new("(iu)", domid, screen), NULL, NULL, error);
    if (reply == NULL)
        return FALSE;
    const char *text;
    guint line = 0, column = 0;
    g_autofree char *head = g_strdup_printf("P6\n%u %u\n255\n", WIDTH, HEIGHT);
    g_autofree guint8 *pixels = g_malloc0(WIDTH * HEIGHT * 3);
    g_variant_get(reply, "(&s)", &text);
    for (; *text != '\0' && line < SIM_LINES; text++) {
        if (*text == '\n') {
            line++;
            column = 0;
        } else if (column < SIM_COLUMNS) {
            draw_character(pixels, line, column++, (guint8)*text);
        }
    }
    *ret_mime = "image/x-portable-pixmap";
    return write_whole(fd, head, strlen(head), error) &&
           write_whole(fd, pixels, WIDTH * HEIGHT * 3, error);
}

int
sim_engine_channel(HvEngine *engine, int domid, const ConfChardev *channel, GError **error)
{
    int fd = -1;
    g_autoptr(GVariant) reply = sim_client_call(
        engine->client, SIM_OP_CHANNEL,
        g_variant_new("(is)", domid, channel->target_name == NULL ? "" : channel->target_name),
        NULL, &fd, error);
    if (reply != NULL && fd < 0)
        g_set_error(error, HV_ERROR, HV_ERROR_ENGINE,
                    "the simulated host sent no descriptor for the channel");
    return fd;
}

/* ---- domain 0 ---- */

static ConfDomain *
control_definition(const HvEngineDomain *seen)
{
    ConfDomain *def = conf_domain_new();
    def->name = g_strdup("Domain-0");
    def->uuid_set = true;
    def->os.type = CONF_OS_LINUX;
    def->os.machine = g_strdup("xenpv");
    def->os.arch = CONF_ARCH_X86_64;
    def->id = 0;
    def->memory_kib = seen->max_memory_kib;
    def->cur_memory_kib = seen->memory_kib;
    def->vcpus_max = seen->vcpus_max;
    if (seen->vcpus_online != seen->vcpus_max)
        def->vcpus = seen->vcpus_online;
    return def;
}

gboolean
sim_engine_control_domain(HvEngine *engine, HvEngineDomain *ret_seen, ConfDomain **ret_def,
                          GError **error)
{
    g_autoptr(GVariant) reply = sim_client_call(engine->client, SIM_OP_CONTROL, g_variant_new("()"),
                                                NULL, NULL, error);
    if (reply == NULL)
        return FALSE;
    g_autoptr(GVariant) row = g_variant_get_child_value(reply, 0);
    SimDomainRow seen;
    memcpy(&seen, g_variant_get_data(row), sizeof(seen));
    *ret_seen = sim_engine_domain(&seen);
    if (ret_def != NULL)
        *ret_def = control_definition(ret_seen);
    return TRUE;
}
