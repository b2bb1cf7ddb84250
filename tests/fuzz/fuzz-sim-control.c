/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the simulated host reads of others: sim.conf, sim-control, and the frames of its protocol.
 * The input goes to all three; frames are split off it as both ends do.
 */
#include <hv/sim/hvsim-control.h>

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int file = -1;
static char path[64];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    file = memfd_create("sim", MFD_CLOEXEC);
    g_assert(file >= 0);
    g_snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    /* sim_log() says each bad file on stderr; what libFuzzer and the sanitizers say goes to
     * descriptor 2 itself. */
    stderr = fopen("/dev/null", "we");
    g_assert(stderr != NULL);
    return 0;
}

static void
check_conf(void)
{
    SimConf conf = { 0 };
    g_autoptr(GError) error = NULL;
    gboolean ok = sim_conf_read(path, &conf, &error);

    g_assert(!ok == !!error);
    if (!ok)
        return;
    g_assert(conf.cpus >= 1 && conf.cpus <= SIM_MAX_CPUS && conf.dom0_kib < conf.memory_kib);
    g_assert(conf.cpus == conf.nodes * conf.sockets * conf.cores * conf.threads);
    g_free(conf.scheduler);
}

static void
check_control(void)
{
    SimControl *control = sim_control_new(path);

    sim_control_refresh(control);
    for (SimOp op = 0; op < SIM_N_OPS; op++) {
        SimFault fault = sim_control_fault(control, op % 2 ? "d" : NULL, op);

        g_assert(fault.delay_ms <= 86400000);
        g_free(fault.fail);
    }
    for (SimKnob knob = 0; knob < SIM_N_KNOBS; knob++) {
        guint64 value;

        sim_control_knob(control, knob % 2 ? "d" : NULL, knob, &value);
    }
    sim_control_free(control);
}

/* A packed thing comes back from its own packing. */
static void
check_start(GVariant *packed)
{
    const char *why = NULL;
    g_autoptr(SimStart) start = sim_start_unpack(packed, &why);
    g_autoptr(GVariant) again = NULL;

    g_assert(!start == !!why);
    if (!start)
        return;
    again = g_variant_ref_sink(sim_start_pack(start));
    g_assert(g_variant_equal(packed, again));
}

static void
check_guest(GVariant *packed)
{
    const char *why = NULL;
    g_autoptr(SimGuest) guest = sim_guest_unpack(packed, 16, &why);
    g_autoptr(GVariant) again = NULL;

    g_assert(!guest == !!why);
    if (!guest)
        return;
    again = g_variant_ref_sink(sim_guest_pack(guest));
    g_assert(g_variant_equal(packed, again));
}

static void
check_payload(const SimHeader *header, GVariant *payload)
{
    if (header->kind != SIM_KIND_REQUEST)
        return;
    if (header->op == SIM_OP_START || header->op == SIM_OP_RESTORE) {
        g_autoptr(GVariant) start = g_variant_get_child_value(payload, 0);

        check_start(start);
    }
    if (header->op == SIM_OP_RESTORE) {
        g_autoptr(GVariant) guest = g_variant_get_child_value(payload, 1);

        check_guest(guest);
    }
}

static void
check_frames(const uint8_t *data, size_t size)
{
    SimHeader header;

    while (size >= sizeof(header)) {
        memcpy(&header, data, sizeof(header));
        if (!sim_header_check(&header) || size - sizeof(header) < header.length)
            return;
        g_autoptr(GBytes) bytes = g_bytes_new(data + sizeof(header), header.length);
        g_autoptr(GVariant) payload = sim_payload(&header, bytes);
        if (!payload)
            return;
        check_payload(&header, payload);
        data += sizeof(header) + header.length;
        size -= sizeof(header) + header.length;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_assert(ftruncate(file, 0) == 0);
    g_assert(pwrite(file, data, size, 0) == (ssize_t)size);
    check_conf();
    check_control();
    check_frames(data, size);
    return 0;
}
