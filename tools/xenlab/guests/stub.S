// SPDX-License-Identifier: LGPL-2.1-or-later
/* The entries of the smallest guest: PV (64 bits, goes on in stub.c) and PVH (32 bits, without
 * paging, all of it here), and the notes by which Xen knows it. */

#define NOTE_HYPERCALL_PAGE 2
#define NOTE_ENTRY 1
#define NOTE_VIRT_BASE 3
#define NOTE_PADDR_OFFSET 4
#define NOTE_XEN_VERSION 5
#define NOTE_GUEST_OS 6
#define NOTE_LOADER 8
#define NOTE_PHYS32_ENTRY 18

        .macro note type, value:vararg
        .align 4
        .long 4, 2f - 1f, \type
        .asciz "Xen"
1:      \value
2:      .align 4
        .endm

        .section .note.Xen, "a", @note
        note NOTE_GUEST_OS, .asciz "stub"
        note NOTE_XEN_VERSION, .asciz "xen-3.0"
        note NOTE_LOADER, .asciz "generic"
        note NOTE_VIRT_BASE, .quad 0
        note NOTE_PADDR_OFFSET, .quad 0
        note NOTE_ENTRY, .quad pv_entry
        note NOTE_HYPERCALL_PAGE, .quad hypercall_page
        note NOTE_PHYS32_ENTRY, .quad pvh_entry

        .text
        .globl pv_entry
pv_entry:
        cld
        mov     %rsi, %rdi
        and     $-16, %rsp
        call    stub_main

        .code32
#define CPUID_FIRST 0x40000000
#define CPUID_LAST 0x40010000
#define XEN_V 0x566e6558 /* "XenV", what ebx holds at Xen's first leaf */
#define DOMID_SELF 0x7ff0
#define HVMOP_GET_PARAM 1
#define PARAM_CONSOLE_PFN 17
#define PARAM_CONSOLE_EVTCHN 18
#define HYPERCALL(number) hypercall_page + number * 32
#define SCHED_OP 29
#define SCHEDOP_POLL 3
#define EVENT_CHANNEL_OP 32
#define EVTCHNOP_SEND 4
#define HVM_OP 34
#define CONSOLE_OUT 1024 /* the ring's place in the console's page */
#define CONSOLE_OUT_PROD 3084

        .globl pvh_entry
pvh_entry:
        cld
        mov     $stack_end, %esp
        mov     $CPUID_FIRST, %esi
find_xen:
        mov     %esi, %eax
        cpuid
        cmp     $XEN_V, %ebx
        je      found_xen
        add     $0x100, %esi
        cmp     $CPUID_LAST, %esi
        jb      find_xen
        ud2
found_xen:
        lea     2(%esi), %eax
        cpuid
        mov     %ebx, %ecx              /* the register that takes the hypercall page */
        mov     $hypercall_page, %eax
        xor     %edx, %edx
        wrmsr

        mov     $PARAM_CONSOLE_PFN, %eax
        call    get_param
        shl     $12, %eax
        mov     %eax, %edi
        mov     CONSOLE_OUT_PROD(%edi), %edx
        mov     $text, %esi
next_byte:
        lodsb
        test    %al, %al
        jz      printed
        mov     %edx, %ecx
        and     $2047, %ecx
        mov     %al, CONSOLE_OUT(%edi, %ecx)
        inc     %edx
        jmp     next_byte
printed:
        mov     %edx, CONSOLE_OUT_PROD(%edi)
        mov     $PARAM_CONSOLE_EVTCHN, %eax
        call    get_param
        push    %eax
        mov     %esp, %ecx
        mov     $EVTCHNOP_SEND, %ebx
        mov     $(HYPERCALL(EVENT_CHANNEL_OP)), %eax
        call    *%eax
sleep:                                  /* hlt with interrupts off would end the domain */
        mov     $SCHEDOP_POLL, %ebx
        mov     $no_ports, %ecx
        mov     $(HYPERCALL(SCHED_OP)), %eax
        call    *%eax
        jmp     sleep

get_param:                              /* eax: the number, then the value */
        mov     %eax, param_index
        mov     $HVMOP_GET_PARAM, %ebx
        mov     $param, %ecx
        mov     $(HYPERCALL(HVM_OP)), %eax
        call    *%eax
        mov     param_value, %eax
        ret

        .section .rodata
text:   .asciz  "stub: up\r\n"
        .data
        .align  8
param:
        .word   DOMID_SELF, 0
param_index:
        .long   0
param_value:
        .quad   0
no_ports:
        .long   0, 0
        .quad   0
        .bss
        .align  4096
        .globl  hypercall_page
hypercall_page:
        .skip   4096
        .skip   1024
stack_end:
        .section .note.GNU-stack, "", @progbits
