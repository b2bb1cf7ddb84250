// SPDX-License-Identifier: LGPL-2.1-or-later
/* The smallest HVM guest: a boot sector that says "boot sector: up" on the first serial port, and
 * again for each byte that comes in there (QEMU drops what a serial port says while nobody is
 * connected to it). At a 'w' it writes a track of its disk first, and may say "boot sector: failed".
 * Else it sleeps; it reacts to nothing. */
        .set    com1, 0x3f8
        .code16
        .globl  _start
_start:
        cli
        xor     %ax, %ax
        mov     %ax, %ds
        mov     %ax, %es
        mov     %ax, %ss
        mov     $0x7c00, %sp
        sti
        mov     %dl, drive              /* as the BIOS has it */
up:     mov     $text_up, %si
say:    mov     $com1, %dx
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
        mov     $com1 + 5, %dx
        in      %dx, %al
        test    $1, %al                 /* a byte has come */
        jz      sleep
        mov     $com1, %dx
        in      %dx, %al
        cmp     $'w', %al
        jne     up
        mov     $0x0308, %ax            /* write 8 sectors of what is here: cylinder 0, head 1 */
        mov     $0x7c00, %bx
        mov     $0x0001, %cx
        mov     $0x01, %dh
        mov     drive, %dl
        int     $0x13
        jnc     up
        mov     $text_failed, %si
        jmp     say

drive:  .byte   0
text_up:
        .asciz  "boot sector: up\r\n"
text_failed:
        .asciz  "boot sector: failed\r\n"
        .org    510
        .word   0xaa55
