// SPDX-License-Identifier: Apache-2.0
// The test guest's reset and its one interesting instruction. Every CPU starts at the first byte, with a context in x0.
// It begins as an Image does (Linux, Documentation/arch/arm64/booting.rst, 4), so that it boots wherever a kernel does.
.section .reset, "ax"
.global _start
_start:
    b begin
    .long 0
    .quad 0, _size, 0, 0, 0, 0
    .ascii "ARM\x64"
    .long 0
begin:
    mrs x1, mpidr_el1
    and x1, x1, #0xff
    adrp x2, stacks
    add x3, x1, #1
    add x2, x2, x3, lsl #12
    mov sp, x2
    b run

// issue(x[18]): an SMC with x0 to x17 from memory, and back into it.
.global issue
issue:
    stp x29, x30, [sp, #-32]!
    stp x19, x20, [sp, #16]
    mov x19, x0
    ldp x2, x3, [x19, #16]
    ldp x4, x5, [x19, #32]
    ldp x6, x7, [x19, #48]
    ldp x8, x9, [x19, #64]
    ldp x10, x11, [x19, #80]
    ldp x12, x13, [x19, #96]
    ldp x14, x15, [x19, #112]
    ldp x16, x17, [x19, #128]
    ldp x0, x1, [x19]
    smc #0
    stp x0, x1, [x19]
    stp x2, x3, [x19, #16]
    stp x4, x5, [x19, #32]
    stp x6, x7, [x19, #48]
    stp x8, x9, [x19, #64]
    stp x10, x11, [x19, #80]
    stp x12, x13, [x19, #96]
    stp x14, x15, [x19, #112]
    stp x16, x17, [x19, #128]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #32
    ret
