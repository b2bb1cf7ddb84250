/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Displays, cards and input devices out of libxl's structs; and what the model keeps as text. */
#include "hvxl-adopt.h"

#include <string.h>

#define VNC_FIRST_PORT 5900

/* ---- displays ---- */

static ConfGraphics *
add_graphics(ConfDomain *def, const char *type, const char *keymap)
{
    ConfGraphics *graphics = conf_graphics_new();

    graphics->type = g_strdup(type);
    hvxl_adopt_string(&graphics->keymap, keymap);
    g_ptr_array_add(def->graphics, graphics);
    return graphics;
}

static void
add_listen(ConfGraphics *graphics, const char *type, const char *text)
{
    ConfListen *listen = conf_listen_new();
    bool socket = strcmp(type, "socket") == 0;

    listen->type = g_strdup(type);
    hvxl_adopt_string(socket ? &listen->socket : &listen->address, text);
    hvxl_adopt_string(socket ? &graphics->socket : &graphics->listen, text);
    g_ptr_array_add(graphics->listens, listen);
}

/* "ADDRESS", "ADDRESS:DISPLAY", "[IPV6]:DISPLAY", "unix:PATH" */
static int
adopt_vnc_listen(ConfGraphics *graphics, const char *text, int display)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    g_autofree char *address = NULL;

    if (text == NULL || *text == '\0')
        return display;
    if (g_str_has_prefix(text, "unix:")) {
        add_listen(graphics, "socket", text + strlen("unix:"));
        return display;
    }
    if (*text == '[')
        address = g_strndup(text + 1, strcspn(text + 1, "]"));
    else if (colon)
        address = g_strndup(text, (gsize)(colon - text));
    else
        address = g_strdup(text);
    add_listen(graphics, "address", address);
    return colon ? (int)g_ascii_strtoll(colon + 1, NULL, 10) : display;
}

static void
adopt_vnc(ConfDomain *def, const libxl_vnc_info *vnc, const char *keymap)
{
    ConfGraphics *graphics;
    int display;

    if (hvxl_get_tristate(vnc->enable) == CONF_TRISTATE_OFF)
        return;
    graphics = add_graphics(def, "vnc", keymap);
    display = adopt_vnc_listen(graphics, vnc->listen, vnc->display);
    hvxl_adopt_string(&graphics->passwd, vnc->passwd);
    if (graphics->socket)
        return;
    /* libxl's default is to look for a free one. */
    if (hvxl_get_tristate(vnc->findunused) != CONF_TRISTATE_OFF && display == 0) {
        graphics->autoport = g_strdup("yes");
    } else {
        graphics->autoport = g_strdup("no");
        graphics->port = (ConfOptInt){ true, VNC_FIRST_PORT + display };
    }
}

static void
adopt_sdl(ConfDomain *def, const libxl_sdl_info *sdl, const char *keymap)
{
    ConfGraphics *graphics;

    if (!hvxl_is_on(sdl->enable))
        return;
    graphics = add_graphics(def, "sdl", keymap);
    hvxl_adopt_string(&graphics->display, sdl->display);
    hvxl_adopt_string(&graphics->xauth, sdl->xauthority);
    graphics->gl = hvxl_get_tristate(sdl->opengl);
}

static void
adopt_spice_agent(ConfDomain *def)
{
    ConfChardev *agent = conf_chardev_new();

    agent->type = g_strdup("spicevmc");
    agent->target_type = g_strdup("virtio");
    agent->target_name = g_strdup("com.redhat.spice.0");
    g_ptr_array_add(def->channels, agent);
}

static void
adopt_spice(ConfDomain *def, const libxl_spice_info *spice, const char *keymap)
{
    ConfGraphics *graphics;

    if (!hvxl_is_on(spice->enable))
        return;
    graphics = add_graphics(def, "spice", keymap);
    graphics->autoport = g_strdup("no");
    if (spice->port > 0)
        graphics->port = (ConfOptInt){ true, spice->port };
    if (spice->tls_port > 0)
        graphics->tls_port = (ConfOptInt){ true, spice->tls_port };
    if (spice->host)
        add_listen(graphics, "address", spice->host);
    hvxl_adopt_string(&graphics->passwd, spice->passwd);
    if (!libxl_defbool_is_default(spice->agent_mouse))
        graphics->mouse_mode = g_strdup(hvxl_is_on(spice->agent_mouse) ? "client" : "server");
    graphics->clipboard_copypaste = hvxl_get_tristate(spice->clipboard_sharing);
    if (hvxl_spice_is_element(spice->image_compression))
        graphics->image_compression = g_strdup(spice->image_compression);
    if (hvxl_spice_is_element(spice->streaming_video))
        graphics->streaming_mode = g_strdup(spice->streaming_video);
    if (hvxl_is_on(spice->vdagent) && !hvxl_is_on(spice->clipboard_sharing))
        adopt_spice_agent(def);
}

/* ---- the card ---- */

static void
adopt_video(const libxl_domain_build_info *info, ConfDomain *def)
{
    static const char *const models[] = {
        [LIBXL_VGA_INTERFACE_TYPE_UNKNOWN] = "cirrus", [LIBXL_VGA_INTERFACE_TYPE_CIRRUS] = "cirrus",
        [LIBXL_VGA_INTERFACE_TYPE_STD] = "vga",        [LIBXL_VGA_INTERFACE_TYPE_NONE] = "none",
        [LIBXL_VGA_INTERFACE_TYPE_QXL] = "qxl",
    };
    ConfVideo *video;

    if (hvxl_is_on(info->u.hvm.nographic) || (size_t)info->u.hvm.vga.kind >= G_N_ELEMENTS(models))
        return;
    video = conf_video_new();
    video->model_type = g_strdup(models[info->u.hvm.vga.kind]);
    if (info->video_memkb != LIBXL_MEMKB_DEFAULT)
        video->vram_kib = (ConfOptInt){ true, (int64_t)info->video_memkb };
    g_ptr_array_add(def->videos, video);
}

static void
adopt_input(const char *word, ConfDomain *def)
{
    ConfInput *input;

    if (!hvxl_usbdevice_is_input(word))
        return;
    input = conf_input_new();
    input->type = g_strdup(word);
    input->bus = g_strdup("usb");
    g_ptr_array_add(def->inputs, input);
}

static void
adopt_sound(const char *words, ConfDomain *def)
{
    g_auto(GStrv) list = g_strsplit(words ? words : "", ",", 16);

    for (char **word = list; *word; word++) {
        ConfSound *sound;

        if (!hvxl_sound_is_element(*word))
            continue; /* a key of our own has it */
        sound = conf_sound_new();
        sound->model = g_strdup(strcmp(*word, "hda") == 0 ? "ich6" : *word);
        g_ptr_array_add(def->sounds, sound);
    }
}

static void
adopt_hvm_displays(const libxl_domain_build_info *info, ConfDomain *def)
{
    const char *keymap = info->u.hvm.keymap;

    adopt_vnc(def, &info->u.hvm.vnc, keymap);
    adopt_sdl(def, &info->u.hvm.sdl, keymap);
    adopt_spice(def, &info->u.hvm.spice, keymap);
    adopt_video(info, def);
    if (info->u.hvm.usbdevice)
        adopt_input(info->u.hvm.usbdevice, def);
    for (int i = 0; i < libxl_string_list_length(&info->u.hvm.usbdevice_list); i++)
        adopt_input(info->u.hvm.usbdevice_list[i], def);
    adopt_sound(info->u.hvm.soundhw, def);
}

void
hvxl_adopt_displays(const libxl_domain_config *config, ConfDomain *def)
{
    if (config->c_info.type == LIBXL_DOMAIN_TYPE_HVM) {
        adopt_hvm_displays(&config->b_info, def);
        return;
    }
    for (int i = 0; i < config->num_vfbs; i++) {
        adopt_vnc(def, &config->vfbs[i].vnc, config->vfbs[i].keymap);
        adopt_sdl(def, &config->vfbs[i].sdl, config->vfbs[i].keymap);
    }
}

/* ---- <genid> ---- */

void
hvxl_adopt_genid(const libxl_domain_build_info *info, ConfDomain *def)
{
    static const guint8 order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    const libxl_ms_vm_genid *genid = &info->u.hvm.ms_vm_genid;
    uint8_t uuid[16];
    char text[37];

    if (libxl_ms_vm_genid_is_zero(genid))
        return;
    for (int i = 0; i < 16; i++)
        uuid[i] = genid->bytes[order[i]];
    conf_uuid_format(uuid, text);
    def->genid = g_strdup(text);
}

/* ---- what the model keeps as text ---- */

static void
add_raw(ConfDomain *def, char *xml)
{
    ConfRawElement *raw = conf_raw_element_new();

    raw->xml = xml;
    g_ptr_array_add(def->raw_devices, raw);
}

static void
adopt_filesystems(const libxl_domain_config *config, ConfDomain *def)
{
    for (int i = 0; i < config->num_p9s; i++) {
        const libxl_device_p9 *xl = &config->p9s[i];

        if (hvxl_p9_is_filesystem(xl))
            add_raw(def, g_markup_printf_escaped("<filesystem type=\"mount\" "
                                                 "accessmode=\"passthrough\"><source dir=\"%s\"/>"
                                                 "<target dir=\"%s\"/></filesystem>",
                                                 xl->path, xl->tag));
    }
}

static void
adopt_sysinfo(const libxl_domain_config *config, ConfDomain *def)
{
    g_autoptr(GPtrArray) strings = g_ptr_array_new();
    const libxl_key_value_list pairs = config->c_info.xsdata;

    for (char **pair = pairs; pair && pair[0] && pair[1]; pair += 2) {
        if (!g_str_has_prefix(pair[0], HVXL_BIOS_STRINGS))
            continue;
        g_ptr_array_add(strings, pair[0] + strlen(HVXL_BIOS_STRINGS));
        g_ptr_array_add(strings, pair[1]);
    }
    g_ptr_array_add(strings, NULL);
    conf_domain_set_bios_strings(def, (const char *const *)strings->pdata);
}

void
hvxl_adopt_texts(const libxl_domain_config *config, ConfDomain *def)
{
    adopt_filesystems(config, def);
    if (config->c_info.type != LIBXL_DOMAIN_TYPE_HVM)
        return;
    for (int i = 0; i < config->b_info.u.hvm.spice.usbredirection; i++)
        add_raw(def, g_strdup("<redirdev bus=\"usb\" type=\"spicevmc\"/>"));
    adopt_sysinfo(config, def);
}
