/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* <graphics>, <video>, <input> and <sound>. An HVM domain has one display of each kind and one card
 * of its device model; a PV or PVH domain has framebuffers of Xen's. */
#include "hvxl-config-keys.h"

#include <string.h>

#define VNC_FIRST_PORT 5900
#define MAX_PORT       65535
#define KIB_PER_MIB    1024

/* ---- where a display listens ---- */

static const ConfListen *
first_listen(const ConfGraphics *graphics)
{
    return graphics->listens->len ? graphics->listens->pdata[0] : NULL;
}

static const char *
listen_type(const ConfGraphics *graphics)
{
    const ConfListen *listen = first_listen(graphics);

    if (graphics->socket)
        return "socket";
    return listen && listen->type ? listen->type : "address";
}

static const char *
listen_address(const ConfGraphics *graphics, const char *otherwise)
{
    const ConfListen *listen = first_listen(graphics);

    if (graphics->listen && *graphics->listen)
        return graphics->listen;
    return listen && listen->address && *listen->address ? listen->address : otherwise;
}

static const char *
listen_socket(const ConfGraphics *graphics)
{
    const ConfListen *listen = first_listen(graphics);

    return graphics->socket ? graphics->socket : listen ? listen->socket : NULL;
}

static bool
is_auto(const ConfGraphics *graphics)
{
    return g_strcmp0(graphics->autoport, "yes") == 0 || !graphics->port.set ||
           graphics->port.value == -1;
}

static gboolean
check_listen(const ConfGraphics *graphics, GError **error)
{
    const char *type = listen_type(graphics);

    if (strcmp(type, "none") == 0)
        return hvxl_refuse(graphics->type, "devices/graphics/listen/@type", "none", error);
    if (strcmp(type, "network") == 0 && listen_address(graphics, NULL) == NULL)
        return hvxl_refuse(graphics->type, "devices/graphics/listen/@type", "network", error);
    return TRUE;
}

static void
warn_graphics(HvxlBuild *b, const ConfGraphics *graphics)
{
    if (graphics->websocket.set)
        hvxl_warn(b, graphics->type, "devices/graphics/@websocket", NULL);
    if (graphics->passwd_valid_to)
        hvxl_warn(b, graphics->type, "devices/graphics/@passwdValidTo", NULL);
    if (graphics->listens->len > 1)
        hvxl_warn(b, graphics->type, "devices/graphics/listen", "a second one");
}

static gboolean
build_graphics_rest(HvxlBuild *b, const ConfGraphics *graphics, GError **error)
{
    warn_graphics(b, graphics);
    return hvxl_build_extra(b, graphics->type, "devices/graphics", graphics->dev.extra, error);
}

/* ---- VNC ---- */

/* libxl joins address and display with a colon, unless there is one already. */
static char *
vnc_listen(const ConfGraphics *graphics, const char *otherwise, int *display)
{
    const char *address = listen_address(graphics, otherwise);
    char *listen;

    if (strcmp(listen_type(graphics), "socket") == 0) {
        *display = 0;
        return g_strconcat("unix:", listen_socket(graphics), NULL);
    }
    if (address == NULL || strchr(address, ':') == NULL)
        return g_strdup(address);
    listen = g_strdup_printf("[%s]:%d", address, *display);
    *display = 0;
    return listen;
}

static gboolean
build_vnc(HvxlBuild *b, const ConfGraphics *graphics, libxl_vnc_info *vnc, GError **error)
{
    bool socket = strcmp(listen_type(graphics), "socket") == 0;
    int display = 0;

    if (!check_listen(graphics, error))
        return FALSE;
    if (socket && listen_socket(graphics) == NULL)
        return hvxl_invalid(error, "graphics vnc: <listen type='socket'> has no socket=");
    if (!is_auto(graphics)) {
        if (graphics->port.value < VNC_FIRST_PORT || graphics->port.value > MAX_PORT)
            return hvxl_invalid(error, "graphics vnc: port %" G_GINT64_FORMAT " is not in %d-%d",
                                graphics->port.value, VNC_FIRST_PORT, MAX_PORT);
        display = (int)graphics->port.value - VNC_FIRST_PORT;
    }
    libxl_defbool_set(&vnc->enable, true);
    libxl_defbool_set(&vnc->findunused, is_auto(graphics) && !socket);
    g_free(vnc->listen);
    vnc->listen = vnc_listen(graphics, b->env->vnc_listen, &display);
    vnc->display = display;
    hvxl_set_string(&vnc->passwd, graphics->passwd);
    return build_graphics_rest(b, graphics, error);
}

static void
build_sdl(const ConfGraphics *graphics, libxl_sdl_info *sdl)
{
    libxl_defbool_set(&sdl->enable, true);
    hvxl_set_string(&sdl->display, graphics->display);
    hvxl_set_string(&sdl->xauthority, graphics->xauth);
    hvxl_set_tristate(&sdl->opengl, graphics->gl);
}

/* ---- SPICE ---- */

/* libxl makes the agent's channel itself, so that libvirt's is no device of its own here. */
bool
hvxl_is_spice_agent(const ConfChardev *channel)
{
    return g_strcmp0(channel->type, "spicevmc") == 0 &&
           g_strcmp0(channel->target_type, "virtio") == 0 &&
           (channel->target_name == NULL ||
            strcmp(channel->target_name, "com.redhat.spice.0") == 0);
}

static bool
has_spice_agent(const ConfDomain *def)
{
    for (guint i = 0; i < def->channels->len; i++) {
        if (hvxl_is_spice_agent(def->channels->pdata[i]))
            return true;
    }
    return false;
}

static gboolean
build_spice_ports(HvxlBuild *b, const ConfGraphics *graphics, libxl_spice_info *spice,
                  GError **error)
{
    int64_t port = graphics->port.set ? graphics->port.value : -1;
    int64_t tls = graphics->tls_port.set ? graphics->tls_port.value : -1;

    if (port > MAX_PORT || tls > MAX_PORT)
        return hvxl_invalid(error, "graphics spice: a port above %d", MAX_PORT);
    if (tls > 0)
        spice->tls_port = (int)tls;
    if (port > 0) {
        spice->port = (int)port;
        return TRUE;
    }
    if (tls > 0 && g_strcmp0(graphics->autoport, "yes") != 0)
        return TRUE;
    /* libxl looks for a free port for VNC only. */
    if (b->env->spice_port == NULL)
        return hvxl_refuse(NULL, "devices/graphics/@autoport", "yes, of spice", error);
    spice->port = b->env->spice_port(b->env->data, error);
    return spice->port > 0;
}

static gboolean
build_spice(HvxlBuild *b, const ConfGraphics *graphics, libxl_spice_info *spice, GError **error)
{
    bool sharing = graphics->clipboard_copypaste == CONF_TRISTATE_ON;

    if (!check_listen(graphics, error))
        return FALSE;
    if (strcmp(listen_type(graphics), "socket") == 0)
        return hvxl_refuse("spice", "devices/graphics/listen/@type", "socket, of spice", error);
    if (!build_spice_ports(b, graphics, spice, error))
        return FALSE;
    libxl_defbool_set(&spice->enable, true);
    hvxl_set_string(&spice->host, listen_address(graphics, b->env->spice_listen));
    libxl_defbool_set(&spice->disable_ticketing, graphics->passwd == NULL);
    hvxl_set_string(&spice->passwd, graphics->passwd);
    libxl_defbool_set(&spice->agent_mouse, g_strcmp0(graphics->mouse_mode, "server") != 0);
    libxl_defbool_set(&spice->vdagent, sharing || has_spice_agent(b->def));
    libxl_defbool_set(&spice->clipboard_sharing, sharing);
    hvxl_set_string(&spice->image_compression, graphics->image_compression);
    hvxl_set_string(&spice->streaming_video, graphics->streaming_mode);
    if (graphics->gl == CONF_TRISTATE_ON)
        hvxl_warn(b, NULL, "devices/graphics/gl", "of spice");
    return build_graphics_rest(b, graphics, error);
}

/* ---- displays ---- */

static gboolean
build_hvm_display(HvxlBuild *b, const ConfGraphics *graphics, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const char *type = graphics->type ? graphics->type : "vnc";
    bool vnc = strcmp(type, "vnc") == 0, sdl = strcmp(type, "sdl") == 0;
    bool spice = strcmp(type, "spice") == 0;

    if (!vnc && !sdl && !spice)
        return hvxl_refuse(type, "devices/graphics/@type", "other", error);
    if ((vnc && hvxl_is_on(info->u.hvm.vnc.enable)) ||
        (sdl && hvxl_is_on(info->u.hvm.sdl.enable)) ||
        (spice && hvxl_is_on(info->u.hvm.spice.enable))) {
        hvxl_warn(b, type, "devices/graphics", "a second of one type");
        return TRUE;
    }
    if (graphics->keymap)
        hvxl_set_string(&info->u.hvm.keymap, graphics->keymap);
    if (sdl)
        build_sdl(graphics, &info->u.hvm.sdl);
    return sdl || (vnc ? build_vnc(b, graphics, &info->u.hvm.vnc, error)
                       : build_spice(b, graphics, &info->u.hvm.spice, error));
}

static gboolean
build_hvm_displays(HvxlBuild *b, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;

    for (guint i = 0; i < b->def->graphics->len; i++) {
        if (!build_hvm_display(b, b->def->graphics->pdata[i], error))
            return FALSE;
    }
    /* libxl's default is on. */
    if (!hvxl_is_on(info->u.hvm.vnc.enable))
        libxl_defbool_set(&info->u.hvm.vnc.enable, false);
    if (!hvxl_is_on(info->u.hvm.sdl.enable))
        libxl_defbool_set(&info->u.hvm.sdl.enable, false);
    if (info->u.hvm.keymap == NULL && b->def->graphics->len)
        hvxl_set_string(&info->u.hvm.keymap, b->env->keymap);
    return TRUE;
}

gboolean
hvxl_build_vfb(HvxlBuild *b, const ConfGraphics *graphics, libxl_device_vfb *xl, GError **error)
{
    const char *type = graphics->type ? graphics->type : "vnc";

    libxl_defbool_set(&xl->vnc.enable, false);
    libxl_defbool_set(&xl->sdl.enable, false);
    hvxl_set_string(&xl->keymap, graphics->keymap ? graphics->keymap : b->env->keymap);
    if (strcmp(type, "vnc") == 0)
        return build_vnc(b, graphics, &xl->vnc, error);
    if (strcmp(type, "sdl") != 0)
        return hvxl_refuse(type, "devices/graphics/@type", "other than vnc and sdl, not HVM",
                           error);
    build_sdl(graphics, &xl->sdl);
    return TRUE;
}

gboolean
hvxl_vfb_build(const HvxlConfigEnv *env, const ConfDomain *def, const ConfGraphics *graphics,
               libxl_device_vfb *ret_vfb, GPtrArray *warnings, GError **error)
{
    g_auto(HvxlBuild) b = { .env = env };

    return hvxl_build_init(&b, env, def, warnings, error) &&
           hvxl_build_vfb(&b, graphics, ret_vfb, error);
}

/* Keyboard and mouse of a framebuffer are a device of their own. */
static gboolean
build_framebuffers(HvxlBuild *b, GError **error)
{
    for (guint i = 0; i < b->def->graphics->len; i++) {
        libxl_device_vfb *vfb = HVXL_ADD(b->config, vfbs, num_vfbs, vfb);
        libxl_device_vkb *vkb = HVXL_ADD(b->config, vkbs, num_vkbs, vkb);

        vfb->devid = vkb->devid = (int)i;
        g_autofree char *name = g_strdup_printf("vfb%u", i);
        if (!hvxl_build_vfb(b, b->def->graphics->pdata[i], vfb, error) ||
            !hvxl_keys_build(b, hvxl_vfb_keys, hvxl_n_vfb_keys, name,
                             conf_xl_ext_device(b->ext, name), vfb, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- video ---- */

static const struct VideoCard {
    const char *model;
    libxl_vga_interface_type kind;
    uint64_t min_kib; /* of the device model qemu-xen; libxl refuses less */
} video_cards[] = {
    { "vga", LIBXL_VGA_INTERFACE_TYPE_STD, 16 * KIB_PER_MIB },
    { "xen", LIBXL_VGA_INTERFACE_TYPE_STD, 16 * KIB_PER_MIB },
    { "cirrus", LIBXL_VGA_INTERFACE_TYPE_CIRRUS, 8 * KIB_PER_MIB },
    { "qxl", LIBXL_VGA_INTERFACE_TYPE_QXL, 128 * KIB_PER_MIB },
    { "none", LIBXL_VGA_INTERFACE_TYPE_NONE, 0 },
};

static gboolean
build_hvm_video(HvxlBuild *b, const ConfVideo *video, GError **error)
{
    libxl_domain_build_info *info = &b->config->b_info;
    const char *model = video->model_type ? video->model_type : "cirrus";
    uint64_t kib = (uint64_t)MAX(video->vram_kib.value, 0) + (uint64_t)MAX(video->ram_kib.value, 0);

    for (size_t i = 0; i < G_N_ELEMENTS(video_cards); i++) {
        if (strcmp(video_cards[i].model, model) != 0)
            continue;
        info->u.hvm.vga.kind = video_cards[i].kind;
        if (video_cards[i].kind == LIBXL_VGA_INTERFACE_TYPE_NONE && b->def->graphics->len == 0)
            libxl_defbool_set(&info->u.hvm.nographic, true);
        if (!video->vram_kib.set || video_cards[i].min_kib == 0)
            return TRUE;
        if (kib > 4096 * KIB_PER_MIB)
            return hvxl_invalid(error, "video: %" G_GUINT64_FORMAT " KiB of video memory", kib);
        if (kib < video_cards[i].min_kib)
            hvxl_warn(b, model, "devices/video/model/@vram", "less than the card has");
        info->video_memkb = MAX(kib, video_cards[i].min_kib);
        return hvxl_build_extra(b, model, "devices/video", video->dev.extra, error) &&
               hvxl_build_extra(b, model, "devices/video/model", video->model_extra, error);
    }
    return hvxl_refuse(model, "devices/video/model/@type", "other", error);
}

static gboolean
build_videos(HvxlBuild *b, GError **error)
{
    const GPtrArray *videos = b->def->videos;

    if (videos->len > 1)
        hvxl_warn(b, NULL, "devices/video", "a second one");
    if (b->type != LIBXL_DOMAIN_TYPE_HVM) {
        for (guint i = 0; i < videos->len; i++) {
            const ConfVideo *video = videos->pdata[i];

            if (video->model_type && strcmp(video->model_type, "xen") != 0)
                hvxl_warn(b, video->model_type, "devices/video/model/@type", "not xen, not HVM");
        }
        return TRUE;
    }
    if (videos->len == 0) {
        /* With nographic alone libxl gives the guest a cirrus all the same. An image that was saved
         * with it can't be restored by the stock driver, which gives none. */
        b->config->b_info.u.hvm.vga.kind = LIBXL_VGA_INTERFACE_TYPE_NONE;
        libxl_defbool_set(&b->config->b_info.u.hvm.nographic, true);
        return TRUE;
    }
    return build_hvm_video(b, videos->pdata[0], error);
}

/* ---- input ---- */

static gboolean
build_usb_input(HvxlBuild *b, const ConfInput *input, GError **error)
{
    static const char *const types[] = { "tablet", "mouse", "keyboard", NULL };
    libxl_domain_build_info *info = &b->config->b_info;

    if (b->type != LIBXL_DOMAIN_TYPE_HVM) {
        hvxl_warn(b, input->type, "devices/input/@bus", "usb, not HVM");
        return TRUE;
    }
    if (input->type == NULL || !g_strv_contains(types, input->type))
        return hvxl_refuse(input->type, "devices/input/@type", "other", error);
    libxl_defbool_set(&info->u.hvm.usb, true);
    hvxl_list_append(&info->u.hvm.usbdevice_list, input->type);
    return TRUE;
}

static gboolean
build_inputs(HvxlBuild *b, GError **error)
{
    static const char *const implicit[] = { "ps2", "xen", NULL };

    for (guint i = 0; i < b->def->inputs->len; i++) {
        const ConfInput *input = b->def->inputs->pdata[i];
        const char *bus = input->bus ? input->bus : "xen";

        if (strcmp(bus, "usb") == 0) {
            if (!build_usb_input(b, input, error))
                return FALSE;
        } else if (!g_strv_contains(implicit, bus)) {
            return hvxl_refuse(bus, "devices/input/@bus", "other", error);
        }
        if (!hvxl_build_extra(b, input->type, "devices/input", input->dev.extra, error))
            return FALSE;
    }
    return TRUE;
}

/* ---- sound ---- */

static const HvxlName sound_models[] = {
    { "ich6", 0 }, { "ac97", 1 }, { "es1370", 2 }, { "sb16", 3 }, HVXL_NAMES_END,
};
static const char *const sound_words[] = { "hda", "ac97", "es1370", "sb16" };

bool
hvxl_sound_is_element(const char *word)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sound_words); i++) {
        if (strcmp(sound_words[i], word) == 0)
            return true;
    }
    return false;
}

static gboolean
build_sounds(HvxlBuild *b, GError **error)
{
    bool taken = false;
    int value;

    if (b->type != LIBXL_DOMAIN_TYPE_HVM) {
        if (b->def->sounds->len)
            hvxl_warn(b, NULL, "devices/sound", "not HVM");
        return TRUE;
    }
    for (guint i = 0; i < b->def->sounds->len; i++) {
        const ConfSound *sound = b->def->sounds->pdata[i];
        const char *model = sound->model;

        if (g_strcmp0(model, "pcspk") == 0)
            continue; /* every PC has one */
        if (!hvxl_name_find(sound_models, model, &value))
            return hvxl_refuse(model, "devices/sound/@model", "other", error);
        if (taken)
            hvxl_warn(b, model, "devices/sound", "a second one");
        else
            hvxl_set_string(&b->config->b_info.u.hvm.soundhw, sound_words[value]);
        taken = true;
        if (!hvxl_build_extra(b, model, "devices/sound", sound->dev.extra, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
hvxl_build_graphics(HvxlBuild *b, GError **error)
{
    bool hvm = b->type == LIBXL_DOMAIN_TYPE_HVM;

    return (hvm ? build_hvm_displays(b, error) : build_framebuffers(b, error)) &&
           build_videos(b, error) && build_inputs(b, error) && build_sounds(b, error);
}
