/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Displays. xend has two places for one display: keys of an HVM image, and a vfb device, which xend
 * itself adds to a running HVM guest as a copy. They are laid over each other here.
 */
#include "conf-sxp.h"

#include <string.h>

#define VNC_BASE_PORT 5900
#define DEFAULT_VRAM  4 /* MiB; what xend writes into every config */

/* ---- one display out of two places ---- */

static const SxpRow *
image_row_of(const SxpRow *row)
{
    for (gsize i = 0; i < sxp_image_table.n_rows; i++) {
        const SxpRow *other = &sxp_image_table.rows[i];

        if (other->base == SXP_IN_GUEST && other->type == row->type && !other->alias &&
            other->offset == offsetof(SxpGuest, display) + row->offset)
            return other;
    }
    return NULL;
}

/* Moves what `from` says into `to`. False when both speak and differ. */
static bool
merge_field(SxpType type, void *to, void *from)
{
    if (type == SXP_TEXT) {
        char **a = to, **b = from;

        if (*a == NULL)
            *a = g_steal_pointer(b);
        return *b == NULL || g_str_equal(*a, *b);
    }
    if (type == SXP_SWITCH) {
        ConfTristate *a = to, *b = from;

        if (*a == CONF_TRISTATE_ABSENT)
            *a = *b;
        return *b == CONF_TRISTATE_ABSENT || *a == *b;
    }
    if (type == SXP_NUMBER) {
        ConfOptInt *a = to, *b = from;

        if (!a->set)
            *a = *b;
        return !b->set || a->value == b->value;
    }
    return true;
}

static void
merge_image(SxpRead *in)
{
    for (gsize i = 0; i < sxp_display_table.n_rows; i++) {
        const SxpRow *row = &sxp_display_table.rows[i];
        const SxpRow *image = row->base == SXP_IN_DEVICE ? image_row_of(row) : NULL;
        char *to = (char *)&in->vfb + row->offset;

        if (image == NULL || row->type == SXP_LOST || row->type == SXP_RUNTIME)
            continue;
        if (!merge_field(row->type, to, (char *)&in->guest + image->offset))
            sxp_remark(in, sxp_item(in, image->path), CONF_OUTCOME_LOST,
                       "the vfb says otherwise and is the one that was taken");
    }
}

/* ---- graphics ---- */

static const SxpItem *
display_item(const SxpRead *in, const char *key)
{
    g_autofree char *vfb = g_strconcat("device/vfb/", key, NULL);
    g_autofree char *image = g_strconcat("image/*/", key, NULL);
    const SxpItem *item = sxp_item(in, vfb);

    return item != NULL ? item : sxp_item(in, image);
}

static void
mark_both(SxpRead *in, const char *key, ConfFate fate)
{
    g_autofree char *vfb = g_strconcat("device/vfb/", key, NULL);
    g_autofree char *image = g_strconcat("image/*/", key, NULL);

    sxp_mark(sxp_item(in, vfb), fate);
    sxp_mark(sxp_item(in, image), fate);
}

/* libvirt says the address twice: as the attribute of old and as an element. */
static void
set_listen(ConfGraphics *graphics, const char *address)
{
    ConfListen *listen;

    if (address == NULL)
        return;
    conf_set_string(&graphics->listen, address);
    listen = conf_listen_new();
    conf_set_string(&listen->type, "address");
    conf_set_string(&listen->address, address);
    g_ptr_array_add(graphics->listens, listen);
}

/* "1", and of xend 3.0 "127.0.0.1:1" */
static gboolean
set_vnc_port(SxpRead *in, ConfGraphics *graphics, const char *text, GError **error)
{
    const char *colon = strrchr(text, ':');
    guint64 number;

    if (!g_ascii_string_to_unsigned(colon != NULL ? colon + 1 : text, 10, 0, 65535 - VNC_BASE_PORT,
                                    &number, NULL))
        return sxp_fail(in, display_item(in, "vncdisplay"), error,
                        "'%s' is no number of a VNC display (0 to %d)", text,
                        65535 - VNC_BASE_PORT);
    if (colon != NULL && colon != text && graphics->listen == NULL) {
        g_autofree char *address = g_strndup(text, (gsize)(colon - text));

        set_listen(graphics, address);
    }
    graphics->port = (ConfOptInt){ true, VNC_BASE_PORT + (int64_t)number };
    conf_set_string(&graphics->autoport, "no");
    return TRUE;
}

/* A free display is looked for, from this one on: from 0, libvirt does the same. */
static void
mark_search(SxpRead *in, const char *first)
{
    if (g_str_equal(first, "0"))
        mark_both(in, "vncdisplay", CONF_FATE_DEFAULT);
    else
        sxp_remark(in, display_item(in, "vncdisplay"), CONF_OUTCOME_CHANGED,
                   "vncunused=1 searches from here; libvirt searches from the start of its port "
                   "range");
}

static gboolean
add_vnc(SxpRead *in, const SxpDisplay *display, GError **error)
{
    g_autoptr(ConfGraphics) graphics = conf_graphics_new();

    conf_set_string(&graphics->type, "vnc");
    set_listen(graphics, display->vnclisten);
    conf_set_string(&graphics->passwd, display->vncpasswd);
    conf_set_string(&graphics->keymap, display->keymap);
    conf_set_string(&graphics->autoport, "yes");
    if (display->vncdisplay != NULL && display->vncunused == CONF_TRISTATE_ON)
        mark_search(in, display->vncdisplay);
    else if (display->vncdisplay != NULL && !set_vnc_port(in, graphics, display->vncdisplay, error))
        return FALSE;
    if (display->vncdisplay != NULL && display->vncunused == CONF_TRISTATE_ABSENT)
        sxp_remark(in, display_item(in, "vncdisplay"), CONF_OUTCOME_CHANGED,
                   "xend takes the next free display where this one is taken; libvirt takes this "
                   "one only");
    g_ptr_array_add(in->def->graphics, g_steal_pointer(&graphics));
    return TRUE;
}

static void
add_sdl(SxpRead *in, const SxpDisplay *display)
{
    ConfGraphics *graphics = conf_graphics_new();

    conf_set_string(&graphics->type, "sdl");
    conf_set_string(&graphics->display, display->display);
    conf_set_string(&graphics->xauth, display->xauthority);
    graphics->gl = display->opengl;
    g_ptr_array_add(in->def->graphics, graphics);
}

static void
add_spice(SxpRead *in, const SxpDisplay *display)
{
    ConfGraphics *graphics = conf_graphics_new();

    conf_set_string(&graphics->type, "spice");
    set_listen(graphics, display->spicehost);
    conf_set_string(&graphics->keymap, display->keymap);
    if (display->spice_ticketless != CONF_TRISTATE_ON)
        conf_set_string(&graphics->passwd, display->spicepasswd);
    else
        sxp_mark(sxp_item(in, "image/hvm/spicepasswd"), CONF_FATE_DEFAULT);
    if (display->spice_mouse != CONF_TRISTATE_ABSENT)
        conf_set_string(&graphics->mouse_mode,
                        display->spice_mouse == CONF_TRISTATE_ON ? "client" : "server");
    graphics->port = display->spiceport;
    graphics->tls_port = display->spicetls_port;
    conf_set_string(&graphics->autoport, display->spiceport.set ? "no" : "yes");
    g_ptr_array_add(in->def->graphics, graphics);
}

/* Keys of a display that is not there say nothing. */
static void
mute(SxpRead *in, bool vnc, bool sdl, bool spice)
{
    static const char *const vnc_keys[] = { "vncdisplay", "vncunused", "vnclisten", "vncpasswd" };
    static const char *const spice_keys[] = {
        "spicehost",       "spiceport", "spicetls_port", "spicepasswd", "spice_disable_ticketing",
        "spiceagent_mouse"
    };

    for (gsize i = 0; !vnc && i < G_N_ELEMENTS(vnc_keys); i++)
        mark_both(in, vnc_keys[i], CONF_FATE_DEFAULT);
    if (!vnc && !spice)
        mark_both(in, "keymap", CONF_FATE_DEFAULT);
    if (!sdl) {
        /* Where the shell that started the guest had its own windows. */
        mark_both(in, "display", CONF_FATE_RUNTIME);
        mark_both(in, "xauthority", CONF_FATE_RUNTIME);
        mark_both(in, "opengl", CONF_FATE_DEFAULT);
    }
    for (gsize i = 0; !spice && i < G_N_ELEMENTS(spice_keys); i++) {
        g_autofree char *path = g_strconcat("image/hvm/", spice_keys[i], NULL);

        sxp_mark(sxp_item(in, path), CONF_FATE_DEFAULT);
    }
}

/* ---- video ---- */

static ConfVideo *
add_video(ConfDomain *def, const char *model)
{
    ConfVideo *video = conf_video_new();

    conf_set_string(&video->model_type, model);
    g_ptr_array_add(def->videos, video);
    return video;
}

/* QEMU of today refuses cards with less memory than these; xend's own default was below. */
static void
set_vram(SxpRead *in, ConfVideo *video, const ConfOptInt *videoram)
{
    int64_t least = g_str_equal(video->model_type, "vga")      ? 16
                    : g_str_equal(video->model_type, "cirrus") ? 8
                                                               : 0;

    if (!videoram->set || videoram->value <= 0 || videoram->value > 1024)
        return;
    video->vram_kib = (ConfOptInt){ true, MAX(videoram->value, least) * 1024 };
    if (videoram->value < least)
        sxp_remark(in, display_item(in, "videoram"), CONF_OUTCOME_CHANGED,
                   "raised to the %" G_GINT64_FORMAT " MiB that the device model needs", least);
}

static void
derive_video(SxpRead *in, const SxpDisplay *display, bool nographic)
{
    bool vga = in->guest.stdvga == CONF_TRISTATE_ON;
    bool sized = display->videoram.set && display->videoram.value != DEFAULT_VRAM;

    if (!sized)
        mark_both(in, "videoram", CONF_FATE_DEFAULT);
    if (nographic)
        add_video(in->def, "none");
    else if (in->guest.hvm && (vga || sized))
        set_vram(in, add_video(in->def, vga ? "vga" : "cirrus"),
                 sized ? &display->videoram : &(ConfOptInt){ false, 0 });
    else if (!in->guest.hvm && sized && in->def->graphics->len > 0)
        set_vram(in, add_video(in->def, "xen"), &display->videoram);
    else if (sized)
        mark_both(in, "videoram", CONF_FATE_DEFAULT);
}

/* ---- both directions ---- */

static void
add_xen_input(ConfDomain *def, const char *type)
{
    ConfInput *input = conf_input_new();

    conf_set_string(&input->type, type);
    conf_set_string(&input->bus, "xen");
    g_ptr_array_add(def->inputs, input);
}

gboolean
sxp_display_to_domain(SxpRead *in, GError **error)
{
    const SxpDisplay *display = &in->vfb;
    bool nographic = in->guest.nographic == CONF_TRISTATE_ON;
    bool vnc, sdl, spice;

    merge_image(in);
    sdl = display->sdl == CONF_TRISTATE_ON || g_strcmp0(display->type, "sdl") == 0;
    /* A vfb that says nothing is VNC. */
    vnc = display->vnc == CONF_TRISTATE_ON || g_strcmp0(display->type, "vnc") == 0 ||
          (in->has_vfb && display->vnc == CONF_TRISTATE_ABSENT && !sdl);
    spice = in->guest.display.spice == CONF_TRISTATE_ON;
    if (nographic)
        vnc = sdl = spice = false;
    if (vnc && !add_vnc(in, display, error))
        return FALSE;
    if (sdl)
        add_sdl(in, display);
    if (spice) {
        conf_set_string(&in->guest.display.keymap, display->keymap);
        add_spice(in, &in->guest.display);
    }
    mute(in, vnc, sdl, spice);
    derive_video(in, display, nographic);
    if (in->has_vkbd && !in->guest.hvm) {
        add_xen_input(in->def, "mouse");
        add_xen_input(in->def, "keyboard");
    }
    return TRUE;
}

static const char *
listen_of(const ConfGraphics *graphics)
{
    const ConfListen *first = graphics->listens->len > 0 ? graphics->listens->pdata[0] : NULL;

    return graphics->listen != NULL ? graphics->listen : first != NULL ? first->address : NULL;
}

static void
from_graphics(SxpDisplay *display, const ConfGraphics *graphics)
{
    bool autoport = g_strcmp0(graphics->autoport, "yes") == 0 || !graphics->port.set ||
                    graphics->port.value <= 0;

    if (g_strcmp0(graphics->type, "vnc") == 0) {
        display->vnc = CONF_TRISTATE_ON;
        display->vncunused = autoport ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        if (!autoport && graphics->port.value >= VNC_BASE_PORT)
            display->vncdisplay = g_strdup_printf("%" G_GINT64_FORMAT,
                                                  graphics->port.value - VNC_BASE_PORT);
        conf_set_string(&display->vnclisten, listen_of(graphics));
        conf_set_string(&display->vncpasswd, graphics->passwd);
        conf_set_string(&display->keymap, graphics->keymap);
    } else if (g_strcmp0(graphics->type, "sdl") == 0) {
        display->sdl = CONF_TRISTATE_ON;
        conf_set_string(&display->display, graphics->display);
        conf_set_string(&display->xauthority, graphics->xauth);
        display->opengl = graphics->gl;
    } else if (g_strcmp0(graphics->type, "spice") == 0) {
        display->spice = CONF_TRISTATE_ON;
        conf_set_string(&display->spicehost, listen_of(graphics));
        conf_set_string(&display->spicepasswd, graphics->passwd);
        display->spice_ticketless = graphics->passwd != NULL ? CONF_TRISTATE_OFF : CONF_TRISTATE_ON;
        if (!autoport)
            display->spiceport = graphics->port;
        display->spicetls_port = graphics->tls_port;
        if (g_strcmp0(graphics->mouse_mode, "client") == 0)
            display->spice_mouse = CONF_TRISTATE_ON;
        else if (graphics->mouse_mode != NULL)
            display->spice_mouse = CONF_TRISTATE_OFF;
    }
}

void
sxp_display_from_domain(SxpDisplay *display, const ConfDomain *def)
{
    for (guint i = 0; i < def->graphics->len; i++) {
        const ConfGraphics *graphics = def->graphics->pdata[i];
        bool taken = (g_strcmp0(graphics->type, "vnc") == 0 &&
                      display->vnc != CONF_TRISTATE_ABSENT) ||
                     (g_strcmp0(graphics->type, "sdl") == 0 &&
                      display->sdl != CONF_TRISTATE_ABSENT);

        if (!taken)
            from_graphics(display, graphics);
    }
    if (def->videos->len > 0) {
        const ConfVideo *video = def->videos->pdata[0];

        if (video->vram_kib.set)
            display->videoram = (ConfOptInt){ true, conf_mib_of_kib(video->vram_kib.value) };
    }
}
