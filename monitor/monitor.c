// SPDX-License-Identifier: Apache-2.0
// EL3 for QEMU's virt machine with secure=on and GICv3: PSCI and SMCCC for the guest's sake, and the LFA calls (Arm
// DEN0147) handed to an agent at the other end of the secure UART. A CPU stays in here until its answer comes.
#include "arch.h"
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
#define LFA_DEVICE_ERROR (-6l)

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
    set(ICC_SGI0R_EL1, SGI0R_INTID(WAKE) | 1ul << id);
}

static void answer(u32 id, const struct frame *frame) {
    struct cpu *cpu = &cpus[id];
    cpu->answer = *frame;
    barrier();
    cpu->waiting = 0;
    cpu->answered = 1;
    if (id != (get(mpidr_el1) & MPIDR_AFF0))
        wake(id);
}

static void dispatch(const struct frame *frame) {
    static const struct frame failed = {.type = REPLY, .mask = 1, .x = {LFA_DEVICE_ERROR}};
    struct cpu *cpu = &cpus[frame->cpu];
    heard = now();
    switch (frame->type) {
    case REPLY:
    case RESTART:
        if (cpu->waiting && cpu->sequence == frame->sequence)
            answer(frame->cpu, frame);
        break;
    case RAISE:
        if (frame->x[0] >= FIRST_SPI && frame->x[0] < FIRST_SPECIAL)
            write32(GICD + GICD_ISPENDR + frame->x[0] / 32 * 4, 1u << frame->x[0] % 32);
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
        return; // the holder of the lock reads everything there is
    while (!(read32(UART + UART_FR) & FR_RXFE))
        if (take_byte(&receiver, read32(UART + UART_DR)))
            dispatch(&receiver.frame);
    drop_lock(&receiving);
}

static void acknowledge(void) {
    u64 interrupt = get(ICC_IAR0_EL1);
    receive();
    if (interrupt < FIRST_SPECIAL)
        set(ICC_EOIR0_EL1, interrupt);
}

// Let our own interrupts alone end a sleep in here: with one of the guest's pending, WFI would not sleep at all, and
// CPUs that wait would take the host from the one that works.
static u64 mask_others(void) {
    u64 before = get(ICC_PMR_EL1);
    set(ICC_PMR_EL1, OTHERS);
    barrier();
    return before;
}

static int has_el2(void) { return PFR0_EL2(get(id_aa64pfr0_el1)); }

// Go where the kernel wants to start, in the state that PSCI and the boot protocol of Linux ask for.
static _Noreturn void start(u64 address, u64 x0) {
    set(ICC_PMR_EL1, PMR_ALL);
    set(sctlr_el1, SCTLR_EL1_OFF);
    u32 sve = PFR0_SVE(get(id_aa64pfr0_el1)), sme = PFR1_SME(get(id_aa64pfr1_el1));
    set(cptr_el3, (sve ? CPTR_EZ : 0) | (sme ? CPTR_ESM : 0));
    barrier();
    if (sve)
        set(ZCR_EL3, VECTOR_LENGTH_ALL);
    if (sme)
        set(SMCR_EL3, SMCR_FA64 | VECTOR_LENGTH_ALL);
    if (has_el2()) {
        set(sctlr_el2, SCTLR_EL2_OFF);
        set(hcr_el2, 0);
        set(cnthctl_el2, CNTHCTL_EL1PCTEN | CNTHCTL_EL1PCEN);
        set(cntvoff_el2, 0);
        set(ICC_SRE_EL2, SRE_SRE | SRE_DFB | SRE_DIB | SRE_ENABLE);
    }
    barrier();
    enter(address, x0, has_el2() ? SPSR_EL2H : SPSR_EL1H);
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
    // Affinity routing in both worlds comes before anything else.
    write32(GICD + GICD_CTLR, GICD_CTLR_ARE_S | GICD_CTLR_ARE_NS);
    for (u32 i = 1; i <= (read32(GICD + GICD_TYPER) & GICD_TYPER_LINES); i++) {
        write32(GICD + GICD_IGROUPR + 4 * i, i == UART_INTERRUPT / 32 ? ~(1u << UART_INTERRUPT % 32) : ~0u);
        for (u32 word = 8 * i; word < 8 * i + 8; word++)
            write32(GICD + GICD_IPRIORITYR + 4 * word, OTHERS * 0x01010101u);
    }
    *(volatile u8 *)(GICD + GICD_IPRIORITYR + UART_INTERRUPT) = 0;
    *(volatile u64 *)(GICD + GICD_IROUTER + 8 * UART_INTERRUPT) = 0; // to CPU 0, which at least sleeps in here
    write32(GICD + GICD_ISENABLER + UART_INTERRUPT / 32 * 4, 1u << UART_INTERRUPT % 32);
    write32(GICD + GICD_CTLR, GICD_CTLR_ARE_S | GICD_CTLR_ARE_NS | GICD_CTLR_GRP0 | GICD_CTLR_GRP1NS);
    for (count = 1; !(read32(GICR(count - 1) + GICR_TYPER) & GICR_TYPER_LAST) && count < CPUS; count++)
        ;
}

static void gic_start_cpu(u32 id) {
    write32(GICR(id) + GICR_WAKER, read32(GICR(id) + GICR_WAKER) & ~GICR_WAKER_SLEEP);
    while (read32(GICR(id) + GICR_WAKER) & GICR_WAKER_ASLEEP)
        ;
    write32(GICR(id) + GICR_IGROUPR0, ~(1u << WAKE | 1u << TIMER));
    for (u32 word = 0; word < 8; word++)
        write32(GICR(id) + GICR_IPRIORITYR + 4 * word, OTHERS * 0x01010101u);
    *(volatile u8 *)(GICR(id) + GICR_IPRIORITYR + WAKE) = 0;
    *(volatile u8 *)(GICR(id) + GICR_IPRIORITYR + TIMER) = 0;
    write32(GICR(id) + GICR_ISENABLER0, 1u << WAKE | 1u << TIMER);
    set(ICC_SRE_EL3, SRE_SRE | SRE_DFB | SRE_DIB | SRE_ENABLE);
    barrier();
    set(ICC_SRE_EL1, SRE_SRE | SRE_DFB | SRE_DIB);
    set(ICC_IGRPEN0_EL1, 1);
    barrier();
}

_Noreturn void boot(u32 id) {
    if (id == 0) {
        for (u64 *word = bss; word < bss_end; word++)
            *word = 0;
        uart_start(UART);
        gic_start();
        write32(UART + UART_IMSC, UART_INTERRUPT_RX | UART_INTERRUPT_RX_TIMEOUT);
        cpus[0].power = ONLINE;
        barrier();
        ready = READY;
    }
    while (ready != READY)
        asm volatile("yield");
    // The last two lines keep what newer CPUs have from being trapped.
    set(scr_el3, SCR_RES1 | SCR_NS | SCR_FIQ | SCR_HCE | SCR_RW | SCR_APK | SCR_API |
                     SCR_ENSCXT | SCR_ATA | SCR_FGTEN | SCR_ECVEN | SCR_HXEN |
                     SCR_ENTP2 | SCR_RCWMASKEN | SCR_TCR2EN | SCR_SCTLR2EN | SCR_PIEN);
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
    write32(GPIO + GPIO_DIR, 1 << 0 | 1 << 1);
    write32(GPIO + GPIO_DATA(pin), 1 << pin);
    for (;;)
        asm volatile("wfi");
}

static long cpu_on(u64 target, u64 entry, u64 context) {
    struct cpu *cpu = &cpus[target % CPUS];
    long result = 0;
    if (target >= count)
        return PSCI_INVALID_PARAMETERS;
    if (entry < MEMORY || entry & 3)
        return PSCI_INVALID_ADDRESS;
    take_lock(&powering);
    if (cpu->power == OFFLINE) {
        cpu->entry = entry;
        cpu->context = context;
        barrier();
        cpu->power = STARTING;
        wake(target);
    } else {
        result = cpu->power == ONLINE ? PSCI_ALREADY_ON : PSCI_ON_PENDING;
    }
    drop_lock(&powering);
    return result;
}

// Sleep until something comes for this CPU or, on CPU 0, over the UART; a few milliseconds at most.
static void nap(void) {
    set(CNTPS_TVAL_EL1, get(cntfrq_el0) / 256);
    set(CNTPS_CTL_EL1, CNT_CTL_ENABLE);
    asm volatile("isb\nwfi");
    set(CNTPS_CTL_EL1, 0);
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
                cpu->answer = (struct frame){.type = REPLY, .mask = 1, .x = {LFA_DEVICE_ERROR}};
                cpu->answered = 1;
            }
            drop_lock(&receiving);
        }
    }
    barrier();
    set(ICC_PMR_EL1, mask);
    if (cpu->answer.type == RESTART)
        start(cpu->answer.x[0], cpu->answer.x[1]);
    for (u32 i = 0; i < 18; i++)
        if (cpu->answer.mask >> i & 1)
            x[i] = cpu->answer.x[i];
}

static long features(u32 function) {
    switch (function) {
    case SMCCC_VERSION: case PSCI_VERSION: case PSCI_CPU_OFF: case PSCI_AFFINITY_INFO: case PSCI_AFFINITY_INFO_64:
    case PSCI_CPU_ON: case PSCI_MIGRATE_INFO_TYPE: case PSCI_SYSTEM_OFF: case PSCI_SYSTEM_RESET: case PSCI_FEATURES:
        return 0;
    }
    return NOT_SUPPORTED;
}

static void smc(u32 id, u64 *x) {
    u32 function = x[0];
    if (function >= LFA_FIRST && function <= LFA_LAST)
        return forward(id, x);
    switch (function) {
    case SMCCC_VERSION: x[0] = SMCCC_1_2; break;
    case SMCCC_ARCH_FEATURES: // of itself and of SMCCC_VERSION, which differ in bit 0
        x[0] = (u32)x[1] >> 1 == SMCCC_VERSION >> 1 ? 0 : NOT_SUPPORTED;
        break;
    case PSCI_VERSION: x[0] = PSCI_1_1; break;
    case PSCI_FEATURES: x[0] = features(x[1]); break;
    case PSCI_MIGRATE_INFO_TYPE: x[0] = PSCI_NO_MIGRATION; break;
    case PSCI_CPU_ON: x[0] = cpu_on(x[1], x[2], x[3]); break;
    case PSCI_CPU_OFF:
        send(OFF, id, 0, 0, 0);
        cpus[id].power = OFFLINE;
        barrier();
        park(id);
    case PSCI_AFFINITY_INFO: case PSCI_AFFINITY_INFO_64:
        x[0] = x[1] >= count || x[2] ? PSCI_INVALID_PARAMETERS
                                     : (long[]){PSCI_STATE_OFF, PSCI_STATE_ON_PENDING, PSCI_STATE_ON}[cpus[x[1]].power];
        break;
    case PSCI_SYSTEM_OFF: switch_machine(0);
    case PSCI_SYSTEM_RESET: switch_machine(1);
    default: x[0] = NOT_SUPPORTED;
    }
}

// Give a trapped instruction back to the guest as one that does not exist.
static void undefined(void) {
    u64 spsr = get(spsr_el3), elr = get(elr_el3), from = SPSR_EL(spsr);
    u64 offset = from == 0 ? VECTOR_LOWER_EL : spsr & SPSR_SPX ? VECTOR_SPX : 0;
    if (from == 2 || (from == 0 && has_el2() && HCR_TGE(get(hcr_el2)))) {
        set(spsr_el2, spsr);
        set(elr_el2, elr);
        set(esr_el2, ESR_UNKNOWN);
        set(elr_el3, get(vbar_el2) + offset);
        set(spsr_el3, SPSR_EL2H);
    } else {
        set(spsr_el1, spsr);
        set(elr_el1, elr);
        set(esr_el1, ESR_UNKNOWN);
        set(elr_el3, get(vbar_el1) + offset);
        set(spsr_el3, SPSR_EL1H);
    }
}

void on_sync(u64 *x, u32 id) {
    if (ESR_EC(get(esr_el3)) == EC_SMC)
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
