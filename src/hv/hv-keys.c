/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys by their numbers: Linux's own (input-event-codes.h), a PC keyboard's first set of scan
 * codes, and USB's (HID usage tables, page 7). */
#include "hv-private.h"

#include <linux/input-event-codes.h>

/* The main block of a PC keyboard has the same numbers in Linux. */
#define LAST_SAME KEY_KPDOT

/* Scan codes with the prefix e0 have 0x80 added, as QEMU and RFB number them. */
static const struct {
    guint8 key, qnum;
} others[] = {
    { KEY_102ND, 0x56 },     { KEY_F11, 0x57 },     { KEY_F12, 0x58 },    { KEY_KPENTER, 0x9c },
    { KEY_RIGHTCTRL, 0x9d }, { KEY_KPSLASH, 0xb5 }, { KEY_SYSRQ, 0x54 },  { KEY_RIGHTALT, 0xb8 },
    { KEY_HOME, 0xc7 },      { KEY_UP, 0xc8 },      { KEY_PAGEUP, 0xc9 }, { KEY_LEFT, 0xcb },
    { KEY_RIGHT, 0xcd },     { KEY_END, 0xcf },     { KEY_DOWN, 0xd0 },   { KEY_PAGEDOWN, 0xd1 },
    { KEY_INSERT, 0xd2 },    { KEY_DELETE, 0xd3 },  { KEY_MUTE, 0xa0 },   { KEY_VOLUMEDOWN, 0xae },
    { KEY_VOLUMEUP, 0xb0 },  { KEY_POWER, 0xde },   { KEY_PAUSE, 0xc6 },  { KEY_LEFTMETA, 0xdb },
    { KEY_RIGHTMETA, 0xdc }, { KEY_COMPOSE, 0xdd }, { KEY_SLEEP, 0xdf },  { KEY_WAKEUP, 0xe3 },
};

/* From usage 4 on. */
static const guint8 usb_keys[] = {
    KEY_A,          KEY_B,          KEY_C,          KEY_D,          KEY_E,         KEY_F,
    KEY_G,          KEY_H,          KEY_I,          KEY_J,          KEY_K,         KEY_L,
    KEY_M,          KEY_N,          KEY_O,          KEY_P,          KEY_Q,         KEY_R,
    KEY_S,          KEY_T,          KEY_U,          KEY_V,          KEY_W,         KEY_X,
    KEY_Y,          KEY_Z,          KEY_1,          KEY_2,          KEY_3,         KEY_4,
    KEY_5,          KEY_6,          KEY_7,          KEY_8,          KEY_9,         KEY_0,
    KEY_ENTER,      KEY_ESC,        KEY_BACKSPACE,  KEY_TAB,        KEY_SPACE,     KEY_MINUS,
    KEY_EQUAL,      KEY_LEFTBRACE,  KEY_RIGHTBRACE, KEY_BACKSLASH,  KEY_BACKSLASH, KEY_SEMICOLON,
    KEY_APOSTROPHE, KEY_GRAVE,      KEY_COMMA,      KEY_DOT,        KEY_SLASH,     KEY_CAPSLOCK,
    KEY_F1,         KEY_F2,         KEY_F3,         KEY_F4,         KEY_F5,        KEY_F6,
    KEY_F7,         KEY_F8,         KEY_F9,         KEY_F10,        KEY_F11,       KEY_F12,
    KEY_SYSRQ,      KEY_SCROLLLOCK, KEY_PAUSE,      KEY_INSERT,     KEY_HOME,      KEY_PAGEUP,
    KEY_DELETE,     KEY_END,        KEY_PAGEDOWN,   KEY_RIGHT,      KEY_LEFT,      KEY_DOWN,
    KEY_UP,         KEY_NUMLOCK,    KEY_KPSLASH,    KEY_KPASTERISK, KEY_KPMINUS,   KEY_KPPLUS,
    KEY_KPENTER,    KEY_KP1,        KEY_KP2,        KEY_KP3,        KEY_KP4,       KEY_KP5,
    KEY_KP6,        KEY_KP7,        KEY_KP8,        KEY_KP9,        KEY_KP0,       KEY_KPDOT,
    KEY_102ND,      KEY_COMPOSE,
};

/* From usage 224 on. */
static const guint8 usb_modifiers[] = {
    KEY_LEFTCTRL,  KEY_LEFTSHIFT,  KEY_LEFTALT,  KEY_LEFTMETA,
    KEY_RIGHTCTRL, KEY_RIGHTSHIFT, KEY_RIGHTALT, KEY_RIGHTMETA,
};

guint
hv_key_from_linux(guint key)
{
    return key < KEY_MAX ? key : 0;
}

guint
hv_key_to_qnum(guint key)
{
    if (key <= LAST_SAME)
        return key;
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        if (others[i].key == key)
            return others[i].qnum;
    return 0;
}

guint
hv_key_from_qnum(guint qnum)
{
    if (qnum <= LAST_SAME)
        return qnum;
    for (gsize i = 0; i < G_N_ELEMENTS(others); i++)
        if (others[i].qnum == qnum)
            return others[i].key;
    return 0;
}

guint
hv_key_from_xt(guint code)
{
    if (code >> 8 == 0xe0)
        return hv_key_from_qnum((code & 0x7f) | 0x80);
    return code < 0x80 ? hv_key_from_qnum(code) : 0;
}

guint
hv_key_from_usb(guint usage)
{
    if (usage >= 4 && usage < 4 + G_N_ELEMENTS(usb_keys))
        return usb_keys[usage - 4];
    if (usage >= 224 && usage < 224 + G_N_ELEMENTS(usb_modifiers))
        return usb_modifiers[usage - 224];
    return 0;
}
