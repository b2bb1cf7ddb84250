/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Devices of the simulated domains, keys, screens and channels. No file or network is touched: a
 * device is its name. */
#include <hv/sim/hvsim-domain.h>

#include <linux/input-event-codes.h>
#include <string.h>

struct SimTurns {
    GHashTable *devices;  /* set of keys, owned */
    GHashTable *channels; /* name -> Channel, owned */
    GString *screen;      /* the last text, lines ended by '\n' */
};

typedef struct Channel {
    SimConsole *console;
} Channel;

static void
channel_free(gpointer data)
{
    sim_console_free(((Channel *)data)->console);
    g_free(data);
}

SimTurns *
sim_turns_new(const SimStart *start)
{
    SimTurns *turns = g_new0(SimTurns, 1);
    turns->devices = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    turns->channels = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, channel_free);
    turns->screen = g_string_new(NULL);
    for (guint i = 0; i < start->devices->len; i++)
        g_hash_table_add(turns->devices, g_strdup(start->devices->pdata[i]));
    return turns;
}

void
sim_turns_free(SimTurns *turns)
{
    g_hash_table_unref(turns->devices);
    g_hash_table_unref(turns->channels);
    g_string_free(turns->screen, TRUE);
    g_free(turns);
}

/* ---- the screen ---- */

void
sim_turns_show(SimTurns *turns, const char *text)
{
    gsize most = SIM_LINES * (SIM_COLUMNS + 1);
    for (; *text != '\0'; text++)
        if (*text == '\n' || !g_ascii_iscntrl(*text))
            g_string_append_c(turns->screen, *text);
    if (turns->screen->len > most)
        g_string_erase(turns->screen, 0, (gssize)(turns->screen->len - most));
}

char *
sim_turn_screen(SimDomain *domain)
{
    const char *text = sim_domain_turns(domain)->screen->str;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    guint n = g_strv_length(lines);
    GString *screen = g_string_new(NULL);
    for (guint i = n > SIM_LINES ? n - SIM_LINES : 0; i < n; i++)
        g_string_append_printf(screen, "%.*s\n", (int)SIM_COLUMNS, lines[i]);
    return g_string_free(screen, FALSE);
}

/* ---- devices ---- */

static gboolean
check_device(SimDomain *domain, const char *key, gboolean wanted, GError **error)
{
    gboolean there = g_hash_table_contains(sim_domain_turns(domain)->devices, key);
    if (!sim_domain_is_up(domain, error))
        return FALSE;
    if (there == wanted)
        return TRUE;
    g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "domain %d '%s' has %s: %s",
                sim_domain_id(domain), sim_domain_name(domain),
                there ? "this device already" : "no such device", key);
    return FALSE;
}

/* Only what was taken from its driver may be given to a guest. */
static gboolean
check_pci(SimDomain *domain, const char *key, GError **error)
{
    if (!g_str_has_prefix(key, "pci ") ||
        g_hash_table_contains(sim_domain_machine(domain)->free_pci, key + strlen("pci ")))
        return TRUE;
    g_set_error(error, SIM_ERROR, HV_ERROR_ENGINE, "PCI device %s is not assignable",
                key + strlen("pci "));
    return FALSE;
}

gboolean
sim_turn_attach(SimDomain *domain, const char *key, const char *record, GError **error)
{
    if (!check_device(domain, key, FALSE, error) || !check_pci(domain, key, error))
        return FALSE;
    g_hash_table_add(sim_domain_turns(domain)->devices, g_strdup(key));
    sim_domain_set_record(domain, record);
    sim_domain_print(domain, "\r\nxen: device plugged: %s\r\n", key);
    return TRUE;
}

gboolean
sim_turn_detach(SimDomain *domain, const char *key, const char *record, GError **error)
{
    guint64 keeps;
    if (!check_device(domain, key, TRUE, error))
        return FALSE;
    sim_control_knob(sim_domain_machine(domain)->control, sim_domain_name(domain),
                     SIM_KNOB_KEEPS_DEVICES, &keeps);
    if (keeps) {
        g_set_error(error, SIM_ERROR, HV_ERROR_TIMEOUT,
                    "the guest of domain %d '%s' does not let go of its %s", sim_domain_id(domain),
                    sim_domain_name(domain), key);
        return FALSE;
    }
    g_hash_table_remove(sim_domain_turns(domain)->devices, key);
    sim_domain_set_record(domain, record);
    sim_domain_print(domain, "\r\nxen: device unplugged: %s\r\n", key);
    return TRUE;
}

gboolean
sim_turn_update(SimDomain *domain, const char *key, const char *record, GError **error)
{
    if (!check_device(domain, key, TRUE, error))
        return FALSE;
    sim_domain_set_record(domain, record);
    sim_domain_print(domain, "\r\nxen: device changed: %s\r\n", key);
    return TRUE;
}

gboolean
sim_turn_resize(SimDomain *domain, const char *target, guint64 bytes, GError **error)
{
    g_autofree char *key = g_strconcat("disk ", target, NULL);
    if (!check_device(domain, key, TRUE, error))
        return FALSE;
    sim_domain_print(domain, "\r\n%s: detected capacity change to %" G_GUINT64_FORMAT "\r\n",
                     target, bytes);
    return TRUE;
}

gboolean
sim_turn_disk_tells(SimDomain *domain, const HvEngineEvent *what, GError **error)
{
    g_autofree char *key = g_strconcat("disk ", what->target, NULL);
    if (!check_device(domain, key, TRUE, error))
        return FALSE;
    sim_domain_tell(domain, what);
    return TRUE;
}

gboolean
sim_turn_visit(SimDomain *domain, const char *address, GError **error)
{
    HvEngineEvent what = { .kind = HV_ENGINE_EVENT_GRAPHICS,
                           .value = sim_domain_screen_port(domain) };
    if (what.value == 0) {
        g_set_error(error, SIM_ERROR, HV_ERROR_WRONG_STATE,
                    "the domain has no display with a port of its own choice");
        return FALSE;
    }
    g_strlcpy(what.target, address, sizeof(what.target));
    for (what.code = 0; what.code < HV_N_GRAPHICS_PHASES; what.code++)
        sim_domain_tell(domain, &what);
    return TRUE;
}

gboolean
sim_turn_clock(SimDomain *domain, gint64 offset, GError **error)
{
    if (!sim_domain_is_up(domain, error))
        return FALSE;
    sim_domain_tell(domain, &(HvEngineEvent){ .kind = HV_ENGINE_EVENT_CLOCK, .value = offset });
    return TRUE;
}

gboolean
sim_turn_lose(SimDomain *domain, GError **error)
{
    sim_domain_tell(domain, &(HvEngineEvent){ .kind = HV_ENGINE_EVENT_LOST });
    return TRUE;
}

gboolean
sim_machine_pci(SimMachine *machine, guint op, const char *address, GError **error)
{
    switch (op) {
    case HV_PCI_DETACH:
        g_hash_table_add(machine->free_pci, g_strdup(address));
        return TRUE;
    case HV_PCI_ATTACH:
        g_hash_table_remove(machine->free_pci, address);
        return TRUE;
    case HV_PCI_RESET:
        return TRUE;
    default:
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG, "no PCI operation %u", op);
        return FALSE;
    }
}

/* ---- keys ---- */

gboolean
sim_turn_nmi(SimDomain *domain, GError **error)
{
    if (!sim_domain_is_up(domain, error))
        return FALSE;
    sim_domain_print(domain, "\r\nUhhuh. NMI received for unknown reason 00 on CPU 0.\r\n");
    return TRUE;
}

/* The letters' rows of a keyboard. */
static char
letter_of(guint32 key)
{
    static const struct {
        guint32 first;
        const char *letters;
    } rows[] = {
        { KEY_1, "1234567890" },
        { KEY_Q, "qwertyuiop" },
        { KEY_A, "asdfghjkl" },
        { KEY_Z, "zxcvbnm" },
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        if (key >= rows[i].first && key < rows[i].first + strlen(rows[i].letters))
            return rows[i].letters[key - rows[i].first];
    return key == KEY_SPACE ? ' ' : '\0';
}

static gboolean
holds(const guint32 *keys, gsize n, guint32 wanted)
{
    for (gsize i = 0; i < n; i++)
        if (keys[i] == wanted)
            return TRUE;
    return FALSE;
}

gboolean
sim_turn_keys(SimDomain *domain, const guint32 *keys, gsize n, GError **error)
{
    gboolean sysrq = holds(keys, n, KEY_SYSRQ);
    if (!sim_domain_is_up(domain, error))
        return FALSE;
    if (n == 0 || n > SIM_MAX_KEYS) {
        g_set_error(error, SIM_ERROR, HV_ERROR_INVALID_ARG, "%" G_GSIZE_FORMAT " keys", n);
        return FALSE;
    }
    if (!sysrq && !sim_domain_is_hvm(domain)) {
        g_set_error(error, SIM_ERROR, HV_ERROR_UNSUPPORTED,
                    "domain %d '%s' is a PV guest: it can be sent Alt+SysRq and a letter only",
                    sim_domain_id(domain), sim_domain_name(domain));
        return FALSE;
    }
    for (gsize i = 0; i < n; i++) {
        char letter = letter_of(keys[i]);
        if (letter != '\0' && sysrq)
            sim_domain_print(domain, "\r\nsysrq: %c\r\n", letter);
        else if (letter != '\0')
            sim_domain_print(domain, "%c", letter);
        else if (keys[i] == KEY_ENTER)
            sim_domain_print(domain, "\r\n%s login: ", sim_domain_name(domain));
    }
    return TRUE;
}

/* ---- channels ---- */

/* Who is at the other end says again what it is told. */
static void
echo(const char *data, gsize len, gpointer user)
{
    Channel *channel = user;
    sim_console_write(channel->console, data, len);
}

int
sim_turn_channel(SimDomain *domain, const char *name, GError **error)
{
    SimTurns *turns = sim_domain_turns(domain);
    Channel *channel = g_hash_table_lookup(turns->channels, name);
    g_autofree char *key = g_strconcat("channel ", name, NULL);
    if (!check_device(domain, key, TRUE, error))
        return -1;
    if (channel == NULL) {
        channel = g_new0(Channel, 1);
        channel->console = sim_console_new(sim_domain_machine(domain)->loop, echo, channel);
        sim_console_listen(channel->console, TRUE);
        g_hash_table_insert(turns->channels, g_strdup(name), channel);
    }
    return sim_console_attach(channel->console, error);
}
