// SPDX-License-Identifier: Apache-2.0
// EL3 for QEMU's virt machine with secure=on and GICv3: PSCI and SMCCC for the guest's sake, and the LFA calls (Arm
// DEN0147) handed to an agent at the other end of the secure UART. A CPU stays in here until its answer comes.
#include "frame.h"

#define UART 0x09040000ul
#define UART_INTERRUPT 40
#define GICD 0x08000000ul
#define GICR(cpu) (0x080a0000ul + 0x20000ul * (cpu))
#define GPIO 0x090b0000ul // pin 0 switches the machine off, pin 1 resets it
#define MEMORY 0x40000000ul
#define KERNEL 0x40200000ul
#define DEVICE_TREE 0x47e00000ul
#define WAKE 15          // the SGI that wakes a CPU that waits in here
#define TIMER 29         // the secure physical timer
#define OTHERS 0x80      // of the guest's interrupts: a priority that it cannot raise above ours, which is 0
#define SILENCE 3        // seconds without any sign of the agent after which its calls fail
#define READY 0x1fee1700 // not what memory holds by chance

#define LFA_FIRST 0xc40002e0u
#define LFA_LAST 0xc40002e6u
#define NOT_SUPPORTED (-1l)
#define INVALID_PARAMETERS (-2l)
#define ALREADY_ON (-4l)
#define ON_PENDING (-5l)
#define DEVICE_ERROR (-6l)
#define INVALID_ADDRESS (-9l)

#define get(name) ({ u64 value; asm volatile("mrs %0, " #name : "=r"(value)); value; })
#define set(name, value) asm volatile("msr " #name ", %0" ::"r"((u64)(value)))
#define barrier() asm volatile("dsb sy\nisb" ::: "memory")

enum power { OFFLINE, STARTING, ONLINE };

struct cpu {
    volatile u32 power;
    u64 entry, context;
    volatile u32 waiting, answered; // for the frame of this sequence
    u8 sequence;
    struct frame answer;
};

static struct cpu cpus[CPUS];
static struct lock sending, receiving, powering;
static struct receiver receiver;
static volatile u64 heard;
static volatile u32 ready, count;
extern u64 bss[], bss_end[];

_Noreturn void enter(u64 address, u64 x0, u64 spsr);

static u64 now(void) {
    asm volatile("isb");
    return get(cntpct_el0);
}

static void send(u8 type, u8 cpu, u8 sequence, const u64 *x, u32 words) {
    struct frame frame = {.type = type, .cpu = cpu, .sequence = sequence};
    for (u32 i = 0; i < words; i++)
        if (x[i]) {
            frame.x[i] = x[i];
            frame.mask |= 1 << i;
        }
    take_lock(&sending);
    put_frame(UART, &frame);
    drop_lock(&sending);
}

static void send_state(void) {
    u64 x[2] = {0, count};
    for (u32 i = 0; i < count; i++)
        x[0] |= (u64)(cpus[i].power == ONLINE) << i;
    send(STATE, 0, 0, x, 2);
}

static void wake(u32 id) {
    barrier();
    set(S3_0_C12_C11_7, (u64)WAKE << 24 | 1ul << id); // ICC_SGI0R_EL1
}

static void answer(u32 id, const struct frame *frame) {
    struct cpu *cpu = &cpus[id];
    cpu->answer = *frame;
    barrier();
    cpu->waiting = 0;
    cpu->answered = 1;
    if (id != (get(mpidr_el1) & 0xff))
        wake(id);
}

static void dispatch(const struct frame *frame) {
    static const struct frame failed = {.type = REPLY, .mask = 1, .x = {DEVICE_ERROR}};
    struct cpu *cpu = &cpus[frame->cpu];
    heard = now();
    switch (frame->type) {
    case REPLY:
    case RESTART:
        if (cpu->waiting && cpu->sequence == frame->sequence)
            answer(frame->cpu, frame);
        break;
    case RAISE:
        if (frame->x[0] >= 32 && frame->x[0] < 1020)
            write32(GICD + 0x200 + frame->x[0] / 32 * 4, 1u << frame->x[0] % 32);
        break;
    case HELLO: // another agent: it knows nothing of the calls that the one before had
        for (u32 i = 0; i < CPUS; i++)
            if (cpus[i].waiting)
                answer(i, &failed);
        send_state();
    }
}

static void receive(void) {
    if (!try_lock(&receiving))
        return; // whoever has the lock reads everything there is
    while (!(read32(UART + UART_FR) & FR_RXFE))
        if (take_byte(&receiver, read32(UART + UART_DR)))
            dispatch(&receiver.frame);
    drop_lock(&receiving);
}

static void acknowledge(void) {
    u64 interrupt = get(S3_0_C12_C8_0); // ICC_IAR0_EL1
    receive();
    if (interrupt < 1020)
        set(S3_0_C12_C8_1, interrupt); // ICC_EOIR0_EL1
}

// Let our own interrupts alone end a sleep in here: with one of the guest's pending, WFI would not sleep at all, and
// CPUs that wait would take the host from the one that works.
static u64 mask_others(void) {
    u64 before = get(S3_0_C4_C6_0); // ICC_PMR_EL1
    set(S3_0_C4_C6_0, OTHERS);
    barrier();
    return before;
}

static int has_el2(void) { return get(id_aa64pfr0_el1) >> 8 & 15; }

// Go where the kernel wants to start, in the state that PSCI and the boot protocol of Linux ask for.
static _Noreturn void start(u64 address, u64 x0) {
    set(S3_0_C4_C6_0, 0xff); // ICC_PMR_EL1
    set(sctlr_el1, 0x30d00800);
    u32 sve = get(id_aa64pfr0_el1) >> 32 & 15, sme = get(id_aa64pfr1_el1) >> 24 & 15;
    set(cptr_el3, (sve ? 1 << 8 : 0) | (sme ? 1 << 12 : 0));
    barrier();
    if (sve)
        set(S3_6_C1_C2_0, 15); // ZCR_EL3: all vector lengths
    if (sme)
        set(S3_6_C1_C2_6, 1u << 31 | 15); // SMCR_EL3
    if (has_el2()) {
        set(sctlr_el2, 0x30c50830);
        set(hcr_el2, 0);
        set(cnthctl_el2, 3);
        set(cntvoff_el2, 0);
        set(S3_4_C12_C9_5, 15); // ICC_SRE_EL2
    }
    barrier();
    enter(address, x0, has_el2() ? 0x3c9 : 0x3c5);
}

// Wait in EL3 until PSCI turns this CPU on.
static _Noreturn void park(u32 id) {
    struct cpu *cpu = &cpus[id];
    mask_others();
    while (cpu->power != STARTING) {
        asm volatile("wfi");
        acknowledge();
    }
    barrier();
    u64 entry = cpu->entry, context = cpu->context;
    cpu->power = ONLINE;
    send(ON, id, 0, 0, 0); // before any call of its own
    start(entry, context);
}

static void gic_start(void) {
    write32(GICD, 0x30); // affinity routing in both worlds, before anything else
    for (u32 i = 1; i <= (read32(GICD + 4) & 31); i++) {
        write32(GICD + 0x80 + 4 * i, i == UART_INTERRUPT / 32 ? ~(1u << UART_INTERRUPT % 32) : ~0u);
        for (u32 word = 8 * i; word < 8 * i + 8; word++)
            write32(GICD + 0x400 + 4 * word, OTHERS * 0x01010101u);
    }
    *(volatile u8 *)(GICD + 0x400 + UART_INTERRUPT) = 0;
    *(volatile u64 *)(GICD + 0x6000 + 8 * UART_INTERRUPT) = 0; // to CPU 0, which at least sleeps in here
    write32(GICD + 0x100 + UART_INTERRUPT / 32 * 4, 1u << UART_INTERRUPT % 32);
    write32(GICD, 0x33);
    for (count = 1; !(read32(GICR(count - 1) + 8) & 16) && count < CPUS; count++)
        ;
}

static void gic_start_cpu(u32 id) {
    write32(GICR(id) + 0x14, read32(GICR(id) + 0x14) & ~2u);
    while (read32(GICR(id) + 0x14) & 4)
        ;
    write32(GICR(id) + 0x10080, ~(1u << WAKE | 1u << TIMER));
    for (u32 word = 0; word < 8; word++)
        write32(GICR(id) + 0x10400 + 4 * word, OTHERS * 0x01010101u);
    *(volatile u8 *)(GICR(id) + 0x10400 + WAKE) = 0;
    *(volatile u8 *)(GICR(id) + 0x10400 + TIMER) = 0;
    write32(GICR(id) + 0x10100, 1u << WAKE | 1u << TIMER);
    set(S3_6_C12_C12_5, 15); // ICC_SRE_EL3
    barrier();
    set(S3_0_C12_C12_5, 7);   // ICC_SRE_EL1
    set(S3_0_C12_C12_6, 1);   // ICC_IGRPEN0_EL1
    barrier();
}

_Noreturn void boot(u32 id) {
    if (id == 0) {
        for (u64 *word = bss; word < bss_end; word++)
            *word = 0;
        uart_start(UART);
        gic_start();
        write32(UART + UART_IMSC, 0x50); // an interrupt for what comes in
        cpus[0].power = ONLINE;
        barrier();
        ready = READY;
    }
    while (ready != READY)
        asm volatile("yield");
    // NS, FIQ to EL3, HCE, RW; then pointer authentication and whatever else a newer CPU would trap
    set(scr_el3, 0x30 | 1 | 1 << 2 | 1 << 8 | 1 << 10 | 3 << 16 | 0xful << 25 | 1ul << 38 | 0x1ful << 41);
    set(mdcr_el3, 0);
    barrier();
    gic_start_cpu(id);
    if (id)
        park(id);
    start(KERNEL, DEVICE_TREE);
}

static _Noreturn void switch_machine(u32 pin) {
    ready = 0; // or CPUs would not wait for CPU 0 after the reset
    barrier();
    write32(GPIO + 0x400, 3);
    write32(GPIO + (4 << pin), 1 << pin);
    for (;;)
        asm volatile("wfi");
}

static long cpu_on(u64 target, u64 entry, u64 context) {
    struct cpu *cpu = &cpus[target % CPUS];
    long result = 0;
    if (target >= count)
        return INVALID_PARAMETERS;
    if (entry < MEMORY || entry & 3)
        return INVALID_ADDRESS;
    take_lock(&powering);
    if (cpu->power == OFFLINE) {
        cpu->entry = entry;
        cpu->context = context;
        barrier();
        cpu->power = STARTING;
        wake(target);
    } else {
        result = cpu->power == ONLINE ? ALREADY_ON : ON_PENDING;
    }
    drop_lock(&powering);
    return result;
}

// Sleep until something comes for this CPU or, on CPU 0, over the UART; a few milliseconds at most.
static void nap(void) {
    set(S3_7_C14_C2_0, get(cntfrq_el0) / 256); // CNTPS_TVAL_EL1
    set(S3_7_C14_C2_1, 1);                     // CNTPS_CTL_EL1
    asm volatile("isb\nwfi");
    set(S3_7_C14_C2_1, 0);
    asm volatile("isb");
    acknowledge();
}

static void forward(u32 id, u64 *x) {
    struct cpu *cpu = &cpus[id];
    u64 asked = now(), limit = SILENCE * get(cntfrq_el0), mask = mask_others();
    cpu->answered = 0;
    cpu->sequence++;
    barrier();
    cpu->waiting = 1;
    send(CALL, id, cpu->sequence, x, 8);
    while (!cpu->answered) {
        u64 last = heard > asked ? heard : asked;
        receive();
        if (cpu->answered)
            break;
        nap();
        if (now() - last > limit && last >= heard) {
            take_lock(&receiving); // nobody answers while we hold it
            if (cpu->waiting) {
                cpu->waiting = 0;
                cpu->answer = (struct frame){.type = REPLY, .mask = 1, .x = {DEVICE_ERROR}};
                cpu->answered = 1;
            }
            drop_lock(&receiving);
        }
    }
    barrier();
    set(S3_0_C4_C6_0, mask); // ICC_PMR_EL1
    if (cpu->answer.type == RESTART)
        start(cpu->answer.x[0], cpu->answer.x[1]);
    for (u32 i = 0; i < 18; i++)
        if (cpu->answer.mask >> i & 1)
            x[i] = cpu->answer.x[i];
}

static long features(u32 function) {
    switch (function) {
    case 0x80000000: case 0x84000000: case 0x84000002: case 0x84000004: case 0xc4000004:
    case 0xc4000003: case 0x84000006: case 0x84000008: case 0x84000009: case 0x8400000a:
        return 0;
    }
    return NOT_SUPPORTED;
}

static void smc(u32 id, u64 *x) {
    u32 function = x[0];
    if (function >= LFA_FIRST && function <= LFA_LAST)
        return forward(id, x);
    switch (function) {
    case 0x80000000: x[0] = 0x10002; break;                                                // SMCCC_VERSION
    case 0x80000001: x[0] = (u32)x[1] >> 1 == 0x40000000 ? 0 : NOT_SUPPORTED; break;       // SMCCC_ARCH_FEATURES
    case 0x84000000: x[0] = 0x10001; break;                                                // PSCI_VERSION
    case 0x8400000a: x[0] = features(x[1]); break;                                         // PSCI_FEATURES
    case 0x84000006: x[0] = 2; break;                                                      // MIGRATE_INFO_TYPE
    case 0xc4000003: x[0] = cpu_on(x[1], x[2], x[3]); break;                               // CPU_ON
    case 0x84000002:                                                                       // CPU_OFF
        send(OFF, id, 0, 0, 0);
        cpus[id].power = OFFLINE;
        barrier();
        park(id);
    case 0x84000004: case 0xc4000004:                                                      // AFFINITY_INFO
        x[0] = x[1] >= count || x[2] ? INVALID_PARAMETERS : (long[]){1, 2, 0}[cpus[x[1]].power];
        break;
    case 0x84000008: switch_machine(0);                                                    // SYSTEM_OFF
    case 0x84000009: switch_machine(1);                                                    // SYSTEM_RESET
    default: x[0] = NOT_SUPPORTED;
    }
}

// Give a trapped instruction back to the guest as one that does not exist.
static void undefined(void) {
    u64 spsr = get(spsr_el3), elr = get(elr_el3), from = spsr >> 2 & 3, offset = from == 0 ? 0x400 : spsr & 1 ? 0x200 : 0;
    if (from == 2 || (from == 0 && has_el2() && get(hcr_el2) >> 27 & 1)) {
        set(spsr_el2, spsr);
        set(elr_el2, elr);
        set(esr_el2, 1 << 25);
        set(elr_el3, get(vbar_el2) + offset);
        set(spsr_el3, 0x3c9);
    } else {
        set(spsr_el1, spsr);
        set(elr_el1, elr);
        set(esr_el1, 1 << 25);
        set(elr_el3, get(vbar_el1) + offset);
        set(spsr_el3, 0x3c5);
    }
}

void on_sync(u64 *x, u32 id) {
    if (get(esr_el3) >> 26 == 0x17)
        smc(id, x);
    else
        undefined();
}

void on_fiq(void) { acknowledge(); }

// Nothing a guest can do leads here: tell the agent, and stop.
_Noreturn void broken(const u64 *x, u32 id) {
    u64 words[4] = {get(esr_el3), get(elr_el3), get(far_el3), x[30]};
    send(PANIC, id % CPUS, 0, words, 4);
    switch_machine(0);
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
