/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl and xm: vnc=, sdl=, spice= and their options, vfb=, and the video card. */
#include "conf-cfg.h"

#include <string.h>

#define VNC_BASE_PORT 5900
#define MAX_DISPLAY   (65535 - VNC_BASE_PORT)

/* vncdisplay= is a wish where vncunused= is not 0, which it is not by default. libvirt has the port
 * fixed or not at all: for xl, metadata says that it is a wish (vncunused, for the whole domain or
 * for "vfb0", "vfb1" ...); in xm, who names a display and nothing else means that one. */
static const char why_unused[] =
    "vncunused=1 searches from here; libvirt searches from the start of its port range";
static const char why_fixed[] =
    "Xen takes the next free display where this one is taken; libvirt takes this one only";

/* One framebuffer: what stands at the top level for HVM, and in one entry of vfb= for PV. */
typedef struct Framebuffer {
    ConfTristate vnc, sdl, opengl, vncunused;
    const char *listen, *passwd, *keymap, *display, *xauth;
    ConfOptInt vncdisplay;
} Framebuffer;

/* ---- reading ---- */

static bool
is_set(const char *text)
{
    return text && *text;
}

static ConfGraphics *
add_graphics(ConfDomain *def, const char *type)
{
    ConfGraphics *graphics = conf_graphics_new();

    conf_set_string(&graphics->type, type);
    g_ptr_array_add(def->graphics, graphics);
    return graphics;
}

static void
set_listen(ConfGraphics *graphics, const char *address)
{
    ConfListen *listen;

    if (!is_set(address))
        return;
    conf_set_string(&graphics->listen, address);
    listen = conf_listen_new();
    conf_set_string(&listen->type, "address");
    conf_set_string(&listen->address, address);
    g_ptr_array_add(graphics->listens, listen);
}

/* "ADDRESS[:DISPLAY]"; an IPv6 address with a display has brackets. */
static void
set_vnc_listen(ConfGraphics *graphics, const char *text, ConfOptInt *display)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    bool bracket = text && *text == '[';
    int64_t number;

    if (!is_set(text))
        return;
    if (colon && (bracket ? colon > text && colon[-1] == ']' : strchr(text, ':') == colon) &&
        cfg_parse_int(colon + 1, &number)) {
        g_autofree char *address = bracket ? g_strndup(text + 1, (gsize)(colon - text) - 2)
                                           : g_strndup(text, (gsize)(colon - text));

        if (!display->set)
            *display = (ConfOptInt){ true, number };
        set_listen(graphics, address);
        return;
    }
    set_listen(graphics, text);
}

/* False: the display's number makes no TCP port. *ret_wish: xl takes another one if it is in use.
 */
static bool
add_vnc(CfgReader *r, const Framebuffer *fb, bool *ret_wish)
{
    ConfGraphics *graphics = add_graphics(r->def, "vnc");
    ConfOptInt display = fb->vncdisplay;

    set_vnc_listen(graphics, fb->listen, &display);
    if (display.set && (display.value < 0 || display.value > MAX_DISPLAY))
        return false;
    bool search = fb->vncunused != CONF_TRISTATE_OFF, fixed = display.set;
    if (r->who == CFG_XL) {
        fixed = !search || (display.set && display.value > 0); /* the first one, by default */
        *ret_wish = fixed && search;
    } else if (fb->vncunused == CONF_TRISTATE_ON)
        fixed = false;
    graphics->port = (ConfOptInt){ true, fixed ? display.value + VNC_BASE_PORT : -1 };
    conf_set_string(&graphics->autoport, fixed ? "no" : "yes");
    if (is_set(fb->passwd))
        conf_set_string(&graphics->passwd, fb->passwd);
    if (is_set(fb->keymap))
        conf_set_string(&graphics->keymap, fb->keymap);
    return true;
}

static void
add_sdl(ConfDomain *def, const Framebuffer *fb)
{
    ConfGraphics *graphics = add_graphics(def, "sdl");

    if (is_set(fb->display))
        conf_set_string(&graphics->display, fb->display);
    if (is_set(fb->xauth))
        conf_set_string(&graphics->xauth, fb->xauth);
    graphics->gl = fb->opengl;
}

static ConfVideo *
ensure_video(ConfDomain *def, const char *type)
{
    if (def->videos->len == 0) {
        ConfVideo *video = conf_video_new();

        conf_set_string(&video->model_type, type);
        g_ptr_array_add(def->videos, video);
    }
    return g_ptr_array_index(def->videos, 0);
}

/* ---- vfb= ---- */

/* As our metadata knows it: the place in the list of all <graphics>. */
char *
cfg_vfb_name(unsigned index)
{
    return g_strdup_printf("vfb%u", index);
}

static gboolean
vfb_bool(const CfgWord *word, ConfTristate *field, const ConfPlace *place, GError **error)
{
    bool on;

    if (!cfg_parse_bool(word->value ? word->value : "1", &on)) {
        conf_place_error(place, word->offset, error, CONF_ERROR_INVALID,
                         "%s: expected 0 or 1, found '%s'", word->name, word->value);
        return FALSE;
    }
    *field = on ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
    return TRUE;
}

static gboolean
vfb_number(const CfgWord *word, ConfOptInt *field, int64_t max, const ConfPlace *place,
           GError **error)
{
    int64_t number;

    if (!is_set(word->value))
        return TRUE;
    if (!cfg_parse_int(word->value, &number) || number < 0 || number > max) {
        conf_place_error(place, word->offset, error, CONF_ERROR_INVALID,
                         "%s: expected a number from 0 to %" G_GINT64_FORMAT ", found '%s'",
                         word->name, max, word->value);
        return FALSE;
    }
    *field = (ConfOptInt){ true, number };
    return TRUE;
}

static gboolean
vfb_word(Framebuffer *fb, ConfOptInt *videoram, const CfgWord *word, const ConfPlace *place,
         GError **error)
{
    const struct {
        const char *name;
        ConfTristate *on;
        const char **text;
    } fields[] = {
        { "vnc", &fb->vnc, NULL },          { "sdl", &fb->sdl, NULL },
        { "opengl", &fb->opengl, NULL },    { "vncunused", &fb->vncunused, NULL },
        { "vnclisten", NULL, &fb->listen }, { "vncpasswd", NULL, &fb->passwd },
        { "keymap", NULL, &fb->keymap },    { "display", NULL, &fb->display },
        { "xauthority", NULL, &fb->xauth },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
        if (!g_str_equal(word->name, fields[i].name))
            continue;
        if (fields[i].on)
            return vfb_bool(word, fields[i].on, place, error);
        *fields[i].text = word->value;
        return TRUE;
    }
    if (g_str_equal(word->name, "vncdisplay"))
        return vfb_number(word, &fb->vncdisplay, MAX_DISPLAY, place, error);
    if (g_str_equal(word->name, "videoram"))
        return vfb_number(word, videoram, 4096, place, error);
    if (g_str_equal(word->name, "type") && word->value) {
        fb->vnc = g_str_equal(word->value, "vnc") ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        fb->sdl = g_str_equal(word->value, "sdl") ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
        if (fb->vnc == CONF_TRISTATE_ON || fb->sdl == CONF_TRISTATE_ON)
            return TRUE;
    }
    conf_place_report(place, word->offset, CONF_OUTCOME_LOST, word->name, word->value,
                      "unknown option of a virtual framebuffer");
    return TRUE;
}

static gboolean
read_vfb(CfgReader *r, const char *text, unsigned index, const ConfPlace *place, GError **error)
{
    g_autoptr(GPtrArray) words = cfg_words(text);
    Framebuffer fb = { 0 };
    ConfOptInt videoram = { false, 0 };
    bool wish = false;

    for (guint i = 0; i < words->len; i++) {
        if (!vfb_word(&fb, &videoram, g_ptr_array_index(words, i), place, error))
            return FALSE;
    }
    if (fb.sdl == CONF_TRISTATE_ON)
        add_sdl(r->def, &fb);
    /* vnc is what a framebuffer shows through unless something else is said. */
    bool vnc = fb.vnc == CONF_TRISTATE_ON ||
               (fb.vnc == CONF_TRISTATE_ABSENT && fb.sdl != CONF_TRISTATE_ON);
    if (!vnc && fb.sdl != CONF_TRISTATE_ON && !cfg_carry_item(r, "vfb", text))
        conf_place_report(place, 0, CONF_OUTCOME_LOST, NULL, text,
                          "a framebuffer that nothing shows has no element");
    unsigned number = r->def->graphics->len;
    if (vnc && !add_vnc(r, &fb, &wish)) {
        conf_place_error(place, 0, error, CONF_ERROR_INVALID,
                         "the number of the VNC display is from 0 to %d", MAX_DISPLAY);
        return FALSE;
    }
    if (wish && r->guest == CFG_HVM) {
        conf_xl_keys_set(r->ext->keys, "vncunused", "1"); /* the top level is where it is written */
    } else if (wish) {
        g_autofree char *name = cfg_vfb_name(number);

        conf_xl_keys_set(conf_xl_ext_ensure_device(r->ext, name), "vncunused", "1");
    } else if (vnc && r->who == CFG_XM && fb.vncdisplay.set && fb.vncunused != CONF_TRISTATE_OFF)
        conf_place_report(place, 0, CONF_OUTCOME_CHANGED, "vncdisplay", NULL, "%s",
                          fb.vncunused == CONF_TRISTATE_ON ? why_unused : why_fixed);
    if (videoram.set && (vnc || fb.sdl == CONF_TRISTATE_ON))
        ensure_video(r->def, "xen")->vram_kib = (ConfOptInt){ true, videoram.value * 1024 };
    return TRUE;
}

gboolean
cfg_read_vfb(CfgReader *r, const CfgKey *key, ConfNode *node, GError **error)
{
    return cfg_each_string(r, key->name, node, read_vfb, error);
}

/* ---- the top level ---- */

static const struct SpiceWord {
    const char *xl, *libvirt;
} spice_words[] = {
    { "auto_glz", "auto_glz" }, { "auto_lz", "auto_lz" }, { "quic", "quic" },
    { "glz", "glz" },           { "lz", "lz" },           { "off", "off" },
    { "filter", "filter" },     { "all", "all" },
};

static void
spice_choice(CfgReader *r, const char *key, const char *word, char **field)
{
    if (!is_set(word))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(spice_words); i++) {
        if (g_str_equal(spice_words[i].xl, word)) {
            conf_set_string(field, spice_words[i].libvirt);
            return;
        }
    }
    cfg_carry_instead(r, key); /* QEMU may know it */
}

static gboolean
join_spice_usb(CfgReader *r, GError **error)
{
    ConfOptInt channels = r->parts.spice_usb;

    if (!channels.set)
        return TRUE;
    if (channels.value < 0 || channels.value > 4) {
        cfg_error(r, cfg_node(r, "spiceusbredirection"), "spiceusbredirection", error,
                  CONF_ERROR_INVALID, "expected a number of channels from 0 to 4");
        return FALSE;
    }
    for (int64_t i = 0; i < channels.value; i++) {
        ConfRawElement *raw = conf_raw_element_new();

        raw->xml = g_strdup("<redirdev bus='usb' type='spicevmc'/>");
        g_ptr_array_add(r->def->raw_devices, raw);
    }
    return TRUE;
}

static bool
is_port(ConfOptInt port)
{
    return port.set && port.value > 0 && port.value <= 65535;
}

static gboolean
join_spice(CfgReader *r, GError **error)
{
    CfgParts *p = &r->parts;

    if (p->spice != CONF_TRISTATE_ON)
        return TRUE;
    ConfGraphics *graphics = add_graphics(r->def, "spice");
    set_listen(graphics, p->spicehost);
    if ((p->spiceport.set && p->spiceport.value != 0 && !is_port(p->spiceport)) ||
        (p->spicetls_port.set && p->spicetls_port.value != 0 && !is_port(p->spicetls_port))) {
        const char *key = is_port(p->spiceport) ? "spicetls_port" : "spiceport";

        cfg_error(r, cfg_node(r, key), key, error, CONF_ERROR_INVALID, "expected a TCP port");
        return FALSE;
    }
    if (is_port(p->spiceport))
        graphics->port = p->spiceport;
    if (is_port(p->spicetls_port))
        graphics->tls_port = p->spicetls_port;
    bool fixed = graphics->port.set || graphics->tls_port.set;
    conf_set_string(&graphics->autoport, fixed ? "no" : "yes");
    if (p->spice_no_ticket != CONF_TRISTATE_ON && is_set(p->spicepasswd))
        conf_set_string(&graphics->passwd, p->spicepasswd);
    if (is_set(p->keymap))
        conf_set_string(&graphics->keymap, p->keymap);
    if (p->spice_agent_mouse != CONF_TRISTATE_ABSENT)
        conf_set_string(&graphics->mouse_mode,
                        p->spice_agent_mouse == CONF_TRISTATE_ON ? "client" : "server");
    /* xl wants both keys for the clipboard; libvirt has one element. */
    bool idle = p->spice_vdagent == CONF_TRISTATE_ABSENT && p->spice_clipboard == CONF_TRISTATE_ON;
    if (idle)
        cfg_report_key(r, "spice_clipboard_sharing", CONF_OUTCOME_DEFAULT,
                       "has no effect without spicevdagent=1");
    else if (p->spice_clipboard != CONF_TRISTATE_ABSENT || p->spice_vdagent != CONF_TRISTATE_ABSENT)
        graphics->clipboard_copypaste = p->spice_clipboard == CONF_TRISTATE_ON &&
                                                p->spice_vdagent == CONF_TRISTATE_ON
                                            ? CONF_TRISTATE_ON
                                            : CONF_TRISTATE_OFF;
    if (p->spice_vdagent == CONF_TRISTATE_ON && p->spice_clipboard != CONF_TRISTATE_ON)
        cfg_carry_instead(r, "spicevdagent");
    spice_choice(r, "spice_image_compression", p->spice_compression, &graphics->image_compression);
    spice_choice(r, "spice_streaming_video", p->spice_streaming, &graphics->streaming_mode);
    return join_spice_usb(r, error);
}

/* Options of a display that is not there say nothing. */
static void
report_idle(CfgReader *r, const char *const *keys, const char *master)
{
    for (; *keys; keys++)
        cfg_report_key(r, *keys, CONF_OUTCOME_DEFAULT, "has no effect without %s=1", master);
}

static gboolean
join_displays(CfgReader *r, bool vnc, GError **error)
{
    static const char *const vnc_keys[] = { "vnclisten", "vncdisplay", "vncunused", "vncpasswd",
                                            NULL };
    static const char *const sdl_keys[] = { "display", "xauthority", "opengl", NULL };
    CfgParts *p = &r->parts;
    bool wish = false;
    Framebuffer fb = {
        .opengl = p->opengl,
        .vncunused = p->vncunused,
        .listen = p->vnclisten,
        .passwd = p->vncpasswd,
        .keymap = p->keymap,
        .display = p->display,
        .xauth = p->xauthority,
        .vncdisplay = p->vncdisplay,
    };

    if (p->sdl == CONF_TRISTATE_ON)
        add_sdl(r->def, &fb);
    else
        report_idle(r, sdl_keys, "sdl");
    if (!vnc) {
        report_idle(r, vnc_keys, "vnc");
        return TRUE;
    }
    if (!add_vnc(r, &fb, &wish)) {
        const char *key = p->vncdisplay.set ? "vncdisplay" : "vnclisten";

        cfg_error(r, cfg_node(r, key), key, error, CONF_ERROR_INVALID,
                  "the number of the VNC display is from 0 to %d", MAX_DISPLAY);
        return FALSE;
    }
    if (wish)
        conf_xl_keys_set(r->ext->keys, "vncunused", "1");
    else if (r->who == CFG_XL)
        return TRUE;
    else if (p->vncunused == CONF_TRISTATE_ON && p->vncdisplay.set)
        cfg_report_key(r, "vncdisplay", CONF_OUTCOME_CHANGED, "%s", why_unused);
    else if (p->vncunused == CONF_TRISTATE_ABSENT && p->vncdisplay.set)
        cfg_report_key(r, "vncdisplay", CONF_OUTCOME_CHANGED, "%s", why_fixed);
    return TRUE;
}

static gboolean
join_video(CfgReader *r, GError **error)
{
    CfgParts *p = &r->parts;
    const char *model = p->vga;

    if (r->guest != CFG_HVM)
        return TRUE;
    if (p->nographic == CONF_TRISTATE_ON)
        model = "none";
    else if (model == NULL && p->stdvga == CONF_TRISTATE_ON)
        model = "vga";
    else if (model == NULL && (p->stdvga == CONF_TRISTATE_OFF || p->videoram.set))
        model = "cirrus";
    if (p->videoram.set && (p->videoram.value < 0 || p->videoram.value > 4096)) {
        cfg_error(r, cfg_node(r, "videoram"), "videoram", error, CONF_ERROR_INVALID,
                  "expected MiB from 0 to 4096, found %" G_GINT64_FORMAT, p->videoram.value);
        return FALSE;
    }
    if (model == NULL)
        return TRUE;
    ConfVideo *video = ensure_video(r->def, model);
    conf_set_string(&video->model_type, model);
    if (p->videoram.set && p->videoram.value > 0 && !g_str_equal(model, "none"))
        video->vram_kib = (ConfOptInt){ true, p->videoram.value * 1024 };
    return TRUE;
}

gboolean
cfg_graphics_join(CfgReader *r, GError **error)
{
    CfgParts *p = &r->parts;
    bool vnc = p->vnc == CONF_TRISTATE_ON;

    if (!join_video(r, error))
        return FALSE;
    if (p->nographic == CONF_TRISTATE_ON) {
        static const char *const keys[] = { "vnc", "sdl", "spice", NULL };

        for (size_t i = 0; keys[i]; i++)
            cfg_report_key(r, keys[i], CONF_OUTCOME_DEFAULT, "has no effect with nographic=1");
        return TRUE;
    }
    /* xl.cfg(5): vnc is on unless something says otherwise. */
    if (r->who == CFG_XL && r->guest == CFG_HVM && p->vnc == CONF_TRISTATE_ABSENT &&
        p->sdl != CONF_TRISTATE_ON && p->spice != CONF_TRISTATE_ON && r->def->graphics->len == 0)
        vnc = true;
    if (r->def->graphics->len > 0) {
        static const char *const keys[] = { "vnc",       "vnclisten",  "vncdisplay", "vncunused",
                                            "vncpasswd", "keymap",     "sdl",        "display",
                                            "opengl",    "xauthority", NULL };

        for (size_t i = 0; keys[i]; i++)
            cfg_report_key(r, keys[i], CONF_OUTCOME_DEFAULT, "vfb= is there, and says it");
        return join_spice(r, error);
    }
    return join_displays(r, vnc, error) && join_spice(r, error);
}

/* ---- writing ---- */

static const char *
address_of(const ConfGraphics *graphics)
{
    for (guint i = 0; i < graphics->listens->len; i++) {
        const ConfListen *listen = g_ptr_array_index(graphics->listens, i);

        if (listen->address && g_strcmp0(listen->type, "address") == 0)
            return listen->address;
    }
    return graphics->listen;
}

static bool
is_auto(const ConfGraphics *graphics)
{
    return g_strcmp0(graphics->autoport, "yes") == 0 || !graphics->port.set ||
           graphics->port.value < VNC_BASE_PORT;
}

static void
put_word(GString *text, const char *name, const char *value)
{
    if (is_set(value))
        g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", name, value);
}

/* Of a PV domain's framebuffer: its display is a wish. */
static bool
is_wish(const CfgWriter *w, unsigned index)
{
    g_autofree char *name = cfg_vfb_name(index);

    return w->who == CFG_XL &&
           g_strcmp0(conf_xl_keys_get(conf_xl_ext_device(w->ext, name), "vncunused"), "1") == 0;
}

/* The framebuffer of a PV domain. */
static char *
format_vfb(CfgWriter *w, const ConfGraphics *graphics, unsigned index)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (g_str_equal(graphics->type, "sdl")) {
        g_string_append(text, w->who == CFG_XM ? "type=sdl" : "vnc=0,sdl=1");
        put_word(text, "display", graphics->display);
        put_word(text, "xauthority", graphics->xauth);
        if (graphics->gl != CONF_TRISTATE_ABSENT)
            put_word(text, "opengl", graphics->gl == CONF_TRISTATE_ON ? "1" : "0");
        return g_string_free(g_steal_pointer(&text), FALSE);
    }
    g_string_append(text, w->who == CFG_XM ? "type=vnc" : "vnc=1");
    put_word(text, "vnclisten", address_of(graphics));
    if (is_auto(graphics))
        put_word(text, "vncunused", "1");
    else
        g_string_append_printf(text, ",vncunused=%d,vncdisplay=%" G_GINT64_FORMAT,
                               is_wish(w, index), graphics->port.value - VNC_BASE_PORT);
    put_word(text, "vncpasswd", graphics->passwd);
    put_word(text, "keymap", graphics->keymap);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static const ConfVideo *
first_video(const ConfDomain *def)
{
    return def->videos->len ? g_ptr_array_index(def->videos, 0) : NULL;
}

void
cfg_write_vfb(CfgWriter *w, const CfgKey *key)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    const ConfVideo *video = first_video(w->def);

    if (w->guest == CFG_HVM)
        return; /* the top level says it */
    for (guint i = 0; i < w->def->graphics->len; i++) {
        const ConfGraphics *graphics = g_ptr_array_index(w->def->graphics, i);

        if (g_strcmp0(graphics->type, "vnc") != 0 && g_strcmp0(graphics->type, "sdl") != 0) {
            cfg_lost(w, graphics->type, "a PV framebuffer shows through VNC or SDL",
                     "/domain/devices/graphics[%u]", i + 1);
            continue;
        }
        g_autofree char *text = format_vfb(w, graphics, i);
        if (video && video->vram_kib.set && g_strcmp0(video->model_type, "xen") == 0)
            g_ptr_array_add(list, g_strdup_printf("%s,videoram=%" G_GINT64_FORMAT, text,
                                                  conf_mib_of_kib(video->vram_kib.value)));
        else
            g_ptr_array_add(list, g_steal_pointer(&text));
    }
    cfg_append_carried(w, key->name, list);
    cfg_put_list(w, key->name, list);
}

/* One for all displays. */
static void
split_keymap(CfgParts *p, const ConfGraphics *graphics)
{
    if (graphics->keymap)
        conf_set_string(&p->keymap, graphics->keymap);
}

static void
split_vnc(CfgParts *p, const ConfGraphics *graphics)
{
    p->vnc = CONF_TRISTATE_ON;
    conf_set_string(&p->vnclisten, address_of(graphics));
    if (is_auto(graphics))
        p->vncunused = CONF_TRISTATE_ON;
    else {
        p->vncunused = CONF_TRISTATE_OFF;
        p->vncdisplay = (ConfOptInt){ true, graphics->port.value - VNC_BASE_PORT };
    }
    conf_set_string(&p->vncpasswd, graphics->passwd);
    split_keymap(p, graphics);
}

static void
split_sdl(CfgParts *p, const ConfGraphics *graphics)
{
    p->sdl = CONF_TRISTATE_ON;
    conf_set_string(&p->display, graphics->display);
    conf_set_string(&p->xauthority, graphics->xauth);
    p->opengl = graphics->gl;
}

static void
split_spice(CfgParts *p, const ConfGraphics *graphics)
{
    p->spice = CONF_TRISTATE_ON;
    conf_set_string(&p->spicehost, address_of(graphics));
    if (graphics->port.set && graphics->port.value > 0)
        p->spiceport = graphics->port;
    if (graphics->tls_port.set && graphics->tls_port.value > 0)
        p->spicetls_port = graphics->tls_port;
    /* xl wants a password or the word that there is none. */
    p->spice_no_ticket = graphics->passwd ? CONF_TRISTATE_OFF : CONF_TRISTATE_ON;
    conf_set_string(&p->spicepasswd, graphics->passwd);
    split_keymap(p, graphics);
    if (graphics->mouse_mode)
        p->spice_agent_mouse = g_str_equal(graphics->mouse_mode, "client") ? CONF_TRISTATE_ON
                                                                           : CONF_TRISTATE_OFF;
    if (graphics->clipboard_copypaste != CONF_TRISTATE_ABSENT)
        p->spice_clipboard = p->spice_vdagent = graphics->clipboard_copypaste;
    conf_set_string(&p->spice_compression, graphics->image_compression);
    conf_set_string(&p->spice_streaming, graphics->streaming_mode);
}

static void
split_video(CfgWriter *w)
{
    const ConfVideo *video = first_video(w->def);
    CfgParts *p = &w->parts;

    if (video == NULL || video->model_type == NULL)
        return;
    const char *type = video->model_type;
    bool known = g_str_equal(type, "vga") || g_str_equal(type, "cirrus") ||
                 g_str_equal(type, "none") || (g_str_equal(type, "qxl") && w->who == CFG_XL);
    if (!known) {
        cfg_lost(w, type, "no such emulated card", "/domain/devices/video[1]/model");
        return;
    }
    if (w->who == CFG_XL)
        conf_set_string(&p->vga, type);
    else if (g_str_equal(type, "none"))
        p->nographic = CONF_TRISTATE_ON;
    else
        p->stdvga = g_str_equal(type, "vga") ? CONF_TRISTATE_ON : CONF_TRISTATE_OFF;
    if (video->vram_kib.set)
        p->videoram = (ConfOptInt){ true, conf_mib_of_kib(video->vram_kib.value) };
}

void
cfg_graphics_split(CfgWriter *w)
{
    CfgParts *p = &w->parts;
    static const char redirdev[] = "<redirdev";
    int64_t channels = 0;

    if (w->guest != CFG_HVM)
        return;
    for (guint i = 0; i < w->def->graphics->len; i++) {
        const ConfGraphics *graphics = g_ptr_array_index(w->def->graphics, i);
        const char *type = graphics->type ? graphics->type : "";

        if (g_str_equal(type, "vnc") && p->vnc == CONF_TRISTATE_ABSENT)
            split_vnc(p, graphics);
        else if (g_str_equal(type, "sdl") && p->sdl == CONF_TRISTATE_ABSENT)
            split_sdl(p, graphics);
        else if (g_str_equal(type, "spice") && p->spice == CONF_TRISTATE_ABSENT && w->who == CFG_XL)
            split_spice(p, graphics);
        else
            cfg_lost(w, type, "no words for it, or one of its kind is there already",
                     "/domain/devices/graphics[%u]", i + 1);
    }
    /* On by default, so that its absence must be said. */
    if (p->vnc == CONF_TRISTATE_ABSENT)
        p->vnc = CONF_TRISTATE_OFF;
    for (guint i = 0; i < w->def->raw_devices->len; i++)
        channels += g_str_has_prefix(
            ((ConfRawElement *)g_ptr_array_index(w->def->raw_devices, i))->xml, redirdev);
    if (channels > 0 && p->spice == CONF_TRISTATE_ON)
        p->spice_usb = (ConfOptInt){ true, MIN(channels, 4) };
    split_video(w);
}
