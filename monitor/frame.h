// SPDX-License-Identifier: Apache-2.0
// Frames on a PL011, in both directions: 0xa5, type, CPU, sequence, a 24-bit mask of registers (little-endian), the
// registers of the mask (64 bits each, little-endian), and a byte that makes the sum of all bytes 0 modulo 256.
// A frame with a wrong sum, an unknown type or a CPU beyond the last is dropped; the next 0xa5 starts another one.
#pragma once

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define CPUS 16
#define WORDS 19 // x0 to x17, and one more that frames of the test guest use for a number
#define MAGIC 0xa5
#define HEADER 7

enum type { CALL = 1, REPLY, RESTART, ON, OFF, PING, RAISE, HELLO, STATE, PANIC, LAST_TYPE = PANIC };

struct frame {
    u8 type, cpu, sequence;
    u32 mask;
    u64 x[WORDS];
};

// All memory is Device memory here, because the MMU is off. That exclusive accesses work on it is a property of QEMU.
struct lock {
    u32 held;
};

static inline int try_lock(struct lock *lock) { return !__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE); }
static inline void take_lock(struct lock *lock) { while (!try_lock(lock)) asm volatile("yield"); }
static inline void drop_lock(struct lock *lock) { __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE); }

static inline u32 read32(u64 address) { return *(volatile u32 *)address; }
static inline void write32(u64 address, u32 value) { *(volatile u32 *)address = value; }

// PL011, Arm DDI 0183
#define UART_DR 0x00
#define UART_FR 0x18
#define UART_LCRH 0x2c
#define UART_CR 0x30
#define UART_IMSC 0x38
#define LCRH_8_BITS (3 << 5)
#define LCRH_FIFOS (1 << 4)
#define CR_ENABLE (1 << 0)
#define CR_TRANSMIT (1 << 8)
#define CR_RECEIVE (1 << 9)
#define FR_RXFE (1 << 4)
#define FR_TXFE (1 << 7)
#define FIFO 16 // bytes that fit once it is empty

static inline void uart_start(u64 uart) {
    write32(uart + UART_LCRH, LCRH_8_BITS | LCRH_FIFOS);
    write32(uart + UART_CR, CR_RECEIVE | CR_TRANSMIT | CR_ENABLE);
}

// The caller keeps others off the UART meanwhile.
static inline void put_frame(u64 uart, const struct frame *frame) {
    u8 bytes[HEADER + 8 * WORDS + 1] = {MAGIC, frame->type, frame->cpu, frame->sequence};
    u32 size = HEADER, sum = 0;
    for (u32 i = 0; i < 3; i++)
        bytes[4 + i] = frame->mask >> 8 * i;
    for (u32 i = 0; i < WORDS; i++)
        for (u32 bit = 0; bit < 64 && frame->mask >> i & 1; bit += 8)
            bytes[size++] = frame->x[i] >> bit;
    for (u32 i = 0; i < size; i++)
        sum += bytes[i];
    bytes[size++] = -sum;
    for (u32 i = 0; i < size; i++) {
        while (i % FIFO == 0 && !(read32(uart + UART_FR) & FR_TXFE))
            ;
        write32(uart + UART_DR, bytes[i]);
    }
}

struct receiver {
    u32 have, need;
    u8 sum, header[HEADER];
    struct frame frame;
};

// Take one byte; whether it completed a frame.
static inline int take_byte(struct receiver *receiver, u8 byte) {
    struct frame *frame = &receiver->frame;
    u32 at = receiver->have;
    if ((at == 0 && byte != MAGIC) || (at == 1 && (!byte || byte > LAST_TYPE)) || (at == 2 && byte >= CPUS) ||
        (at == HEADER - 1 && byte >> (WORDS - 16))) {
        receiver->have = 0;
        return 0;
    }
    receiver->sum = at ? receiver->sum + byte : byte;
    receiver->have++;
    if (at < HEADER) {
        receiver->header[at] = byte;
        if (at < HEADER - 1)
            return 0;
        frame->type = receiver->header[1];
        frame->cpu = receiver->header[2];
        frame->sequence = receiver->header[3];
        frame->mask = receiver->header[4] | receiver->header[5] << 8 | byte << 16;
        receiver->need = HEADER + 1;
        for (u32 i = 0; i < WORDS; i++) {
            frame->x[i] = 0;
            receiver->need += frame->mask >> i & 1 ? 8 : 0;
        }
        return 0;
    }
    if (receiver->have < receiver->need) {
        u32 nth = (at - HEADER) / 8, word = 0;
        for (;; word++)
            if (frame->mask >> word & 1 && !nth--)
                break;
        frame->x[word] |= (u64)byte << (at - HEADER) % 8 * 8;
        return 0;
    }
    receiver->have = 0;
    return receiver->sum == 0;
}
