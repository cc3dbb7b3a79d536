// SPDX-License-Identifier: Apache-2.0
// Reset, exceptions and the way down for the EL3 monitor.

.macro save
    sub sp, sp, #256
    stp x0, x1, [sp]
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    str x30, [sp, #240]
    mov x0, sp
    mrs x1, mpidr_el1
    and x1, x1, #0xff
.endm

.macro vector handler
    .balign 128
    save
    bl \handler
    b leave
.endm

.section .reset, "ax"
.global _start
_start:
    mrs x0, mpidr_el1
    ubfx x1, x0, #8, #16
    cbnz x1, halt
    and x0, x0, #0xff
    cmp x0, #16
    b.hs halt
    ldr x1, =stacks
    add x2, x0, #1
    add x1, x1, x2, lsl #12
    mov sp, x1
    adr x1, vectors
    msr vbar_el3, x1
    isb
    b boot

halt:
    wfi
    b halt

leave:
    ldp x2, x3, [sp, #16]
    ldp x4, x5, [sp, #32]
    ldp x6, x7, [sp, #48]
    ldp x8, x9, [sp, #64]
    ldp x10, x11, [sp, #80]
    ldp x12, x13, [sp, #96]
    ldp x14, x15, [sp, #112]
    ldp x16, x17, [sp, #128]
    ldp x18, x19, [sp, #144]
    ldp x20, x21, [sp, #160]
    ldp x22, x23, [sp, #176]
    ldp x24, x25, [sp, #192]
    ldp x26, x27, [sp, #208]
    ldp x28, x29, [sp, #224]
    ldr x30, [sp, #240]
    ldp x0, x1, [sp], #256
    eret

// enter(address, x0, spsr): leave EL3 for good, with an empty stack for the next exception.
.global enter
enter:
    msr elr_el3, x0
    msr spsr_el3, x2
    mrs x3, mpidr_el1
    and x3, x3, #0xff
    ldr x4, =stacks
    add x3, x3, #1
    add x4, x4, x3, lsl #12
    mov sp, x4
    mov x0, x1
    .irp n, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
    mov x\n, #0
    .endr
    eret

.balign 2048
vectors:
    .rept 8 // from EL3 itself: a defect
    vector broken
    .endr
    vector on_sync
    vector broken // IRQ and SError are not ours
    vector on_fiq
    vector broken
    .rept 4 // from AArch32: no guest of ours is
    vector broken
    .endr
