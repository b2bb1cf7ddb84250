// SPDX-License-Identifier: LGPL-2.1-or-later
/* The smallest HVM guest: a boot sector that says "boot sector: up" on the first serial port, and
 * again for each byte that comes in there (QEMU drops what a serial port says while nobody is
 * connected to it). Else it sleeps; it reacts to nothing. */
        .code16
        .globl  _start
_start:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %ss
        mov     $0x7c00, %sp
        sti
say:    mov     $text, %si
        mov     $0x3f8, %dx
next_byte:
        lodsb
        test    %al, %al
        jz      sleep
        mov     %al, %bl
        add     $5, %dx                 /* the line's status: is there room? */
wait:   in      %dx, %al
        test    $0x20, %al
        jz      wait
        sub     $5, %dx
        mov     %bl, %al
        out     %al, %dx
        jmp     next_byte
sleep:  hlt                             /* until the next tick of the BIOS's clock */
        mov     $0x3fd, %dx
        in      %dx, %al
        test    $1, %al                 /* a byte has come */
        jz      sleep
        mov     $0x3f8, %dx
        in      %dx, %al
        jmp     say

text:   .asciz  "boot sector: up\r\n"
        .org    510
        .word   0xaa55
