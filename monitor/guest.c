// SPDX-License-Identifier: Apache-2.0
// A guest without an operating system: its CPUs issue the SMCs that frames on the first UART ask for, and tell there
// what came back. It runs at any address of a page. PSCI calls are such SMCs too: this is how its CPUs come, go, and switch the machine off.
#include "arch.h"
#include "frame.h"

#define UART 0x09000000ul

struct cpu {
    volatile u32 asked;
    struct frame frame;
};

static struct cpu cpus[CPUS];
static struct lock sending, receiving;
static struct receiver receiver;

void issue(u64 *x);
extern char _start[];

static u64 ticks(void) {
    u64 value;
    asm volatile("isb\nmrs %0, cntvct_el0" : "=r"(value));
    return value;
}

static void send(const struct frame *frame) {
    take_lock(&sending);
    put_frame(UART, frame);
    drop_lock(&sending);
}

static void receive(void) {
    if (!try_lock(&receiving))
        return;
    while (!(read32(UART + UART_FR) & FR_RXFE))
        if (take_byte(&receiver, read32(UART + UART_DR)) && receiver.frame.type == CALL) {
            struct cpu *cpu = &cpus[receiver.frame.cpu];
            if (!cpu->asked) {
                cpu->frame = receiver.frame;
                asm volatile("dsb sy" ::: "memory");
                cpu->asked = 1;
            }
        }
    drop_lock(&receiving);
}

#define GICD 0x08000000ul
#define GICR(cpu) (0x080a0000ul + 0x20000ul * (cpu))
#define TIMER 27

// Sleep for a moment: the virtual timer ends a WFI although nobody takes its interrupt.
static void nap_start(u32 id) {
    write32(GICD + GICD_CTLR, GICD_CTLR_ARE_S | GICD_CTLR_GRP1NS); // affinity routing, and our interrupts at all: firmware need not have done it
    write32(GICR(id) + GICR_ISENABLER0, 1u << TIMER);
    asm volatile("msr " TEXT(ICC_PMR_EL1) ", %0\nmsr " TEXT(ICC_IGRPEN1_EL1) ", %1\nisb" ::"r"((u64)PMR_ALL), "r"(1ul));
}

static void nap(void) {
    u64 hz;
    asm volatile("mrs %0, cntfrq_el0" : "=r"(hz));
    asm volatile("msr cntv_tval_el0, %0\nmsr cntv_ctl_el0, %1\nisb\nwfi" ::"r"(hz / 1024), "r"(1ul));
}

// x18 of a request is how often the call is made (once); of an answer, how many ticks of the counter that took. An
// answer has only the registers that changed.
_Noreturn void run(u64 context, u32 id) {
    struct cpu *cpu = &cpus[id];
    struct frame frame = {.type = ON, .cpu = id, .mask = 3, .x = {context, (u64)_start}};
    if (id == 0)
        uart_start(UART);
    nap_start(id);
    cpu->asked = 0;
    send(&frame);
    for (;;) {
        for (receive(); !cpu->asked; receive())
            nap();
        asm volatile("dsb sy" ::: "memory");
        frame = cpu->frame;
        cpu->asked = 0;
        u64 start = ticks(), times = frame.x[18] ? frame.x[18] : 1;
        while (times--) {
            for (u32 i = 0; i < 18; i++)
                frame.x[i] = cpu->frame.x[i];
            issue(frame.x);
        }
        frame.x[18] = ticks() - start;
        frame.type = REPLY;
        frame.mask = 1 << 18;
        for (u32 i = 0; i < 18; i++)
            frame.mask |= (frame.x[i] != cpu->frame.x[i]) << i;
        send(&frame);
    }
}

void *memcpy(void *to, const void *from, u64 size) {
    for (u64 i = 0; i < size; i++)
        ((volatile u8 *)to)[i] = ((const u8 *)from)[i];
    return to;
}

void *memset(void *to, int byte, u64 size) {
    for (u64 i = 0; i < size; i++)
        ((volatile u8 *)to)[i] = byte;
    return to;
}
