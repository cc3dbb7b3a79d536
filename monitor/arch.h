// SPDX-License-Identifier: Apache-2.0
// Names for what the architecture defines. Sources: system registers, Arm DDI 0487 (Arm ARM for A-profile); interrupt
// controller, IHI 0069 (GICv3); UART and GPIO, DDI 0183 (PL011) and DDI 0190 (PL061); PSCI, DEN0022; SMCCC, DEN0028.
#pragma once

#define TEXT(name) #name
#define get(name) ({ unsigned long value; asm volatile("mrs %0, " TEXT(name) : "=r"(value)); value; })
#define set(name, value) asm volatile("msr " TEXT(name) ", %0" ::"r"((unsigned long)(value)))

// Registers that the assembler has no name for.
#define ICC_PMR_EL1 S3_0_C4_C6_0
#define ICC_IAR0_EL1 S3_0_C12_C8_0
#define ICC_EOIR0_EL1 S3_0_C12_C8_1
#define ICC_SGI0R_EL1 S3_0_C12_C11_7
#define ICC_SRE_EL1 S3_0_C12_C12_5
#define ICC_IGRPEN0_EL1 S3_0_C12_C12_6
#define ICC_IGRPEN1_EL1 S3_0_C12_C12_7
#define ICC_SRE_EL2 S3_4_C12_C9_5
#define ICC_SRE_EL3 S3_6_C12_C12_5
#define ZCR_EL3 S3_6_C1_C2_0
#define SMCR_EL3 S3_6_C1_C2_6
#define CNTPS_TVAL_EL1 S3_7_C14_C2_0
#define CNTPS_CTL_EL1 S3_7_C14_C2_1

#define MPIDR_AFF0 0xff

#define SCR_NS (1ul << 0)
#define SCR_FIQ (1ul << 2) // FIQ is taken to EL3
#define SCR_RES1 (3ul << 4)
#define SCR_HCE (1ul << 8)
#define SCR_RW (1ul << 10)
#define SCR_APK (1ul << 16)
#define SCR_API (1ul << 17)
#define SCR_ENSCXT (1ul << 25)
#define SCR_ATA (1ul << 26)
#define SCR_FGTEN (1ul << 27)
#define SCR_ECVEN (1ul << 28)
#define SCR_HXEN (1ul << 38)
#define SCR_ENTP2 (1ul << 41)
#define SCR_RCWMASKEN (1ul << 42)
#define SCR_TCR2EN (1ul << 43)
#define SCR_SCTLR2EN (1ul << 44)
#define SCR_PIEN (1ul << 45)

#define PFR0_EL2(pfr0) ((pfr0) >> 8 & 15)  // ID_AA64PFR0_EL1
#define PFR0_SVE(pfr0) ((pfr0) >> 32 & 15)
#define PFR1_SME(pfr1) ((pfr1) >> 24 & 15) // ID_AA64PFR1_EL1
#define CPTR_EZ (1 << 8)
#define CPTR_ESM (1 << 12)
#define VECTOR_LENGTH_ALL 15
#define SMCR_FA64 (1u << 31)
#define SCTLR_EL1_OFF 0x30d00800 // the bits that are 1 by definition: MMU, caches and alignment checks are off
#define SCTLR_EL2_OFF 0x30c50830
#define HCR_TGE(hcr) ((hcr) >> 27 & 1)
#define CNTHCTL_EL1PCTEN (1 << 0)
#define CNTHCTL_EL1PCEN (1 << 1)
#define CNT_CTL_ENABLE 1

#define SPSR_EL(spsr) ((spsr) >> 2 & 3)
#define SPSR_SPX 1
#define SPSR_DAIF 0x3c0 // all interrupts are masked
#define SPSR_EL1H (SPSR_DAIF | 5)
#define SPSR_EL2H (SPSR_DAIF | 9)
#define VECTOR_SPX 0x200
#define VECTOR_LOWER_EL 0x400
#define ESR_EC(esr) ((esr) >> 26)
#define EC_SMC 0x17
#define ESR_UNKNOWN (1 << 25) // a 32-bit instruction, for no reason that has a code

// GICv3
#define SRE_SRE (1 << 0)
#define SRE_DFB (1 << 1)
#define SRE_DIB (1 << 2)
#define SRE_ENABLE (1 << 3)
#define PMR_ALL 0xff
#define SGI0R_INTID(id) ((unsigned long)(id) << 24)
#define FIRST_SPI 32
#define FIRST_SPECIAL 1020 // from here on, interrupt numbers are none
#define GICD_CTLR 0x0
#define GICD_CTLR_GRP0 (1 << 0)
#define GICD_CTLR_GRP1NS (1 << 1)
#define GICD_CTLR_ARE_S (1 << 4) // of a Non-secure access: ARE_NS
#define GICD_CTLR_ARE_NS (1 << 5)
#define GICD_TYPER 0x4
#define GICD_TYPER_LINES 31
#define GICD_IGROUPR 0x80
#define GICD_ISENABLER 0x100
#define GICD_ISPENDR 0x200
#define GICD_IPRIORITYR 0x400
#define GICD_IROUTER 0x6000
#define GICR_TYPER 0x8
#define GICR_TYPER_LAST (1 << 4)
#define GICR_WAKER 0x14
#define GICR_WAKER_SLEEP (1u << 1)
#define GICR_WAKER_ASLEEP (1u << 2)
#define GICR_IGROUPR0 0x10080
#define GICR_ISENABLER0 0x10100
#define GICR_IPRIORITYR 0x10400

// PL011 and PL061
#define UART_INTERRUPT_RX (1 << 4)
#define UART_INTERRUPT_RX_TIMEOUT (1 << 6)
#define GPIO_DATA(pin) (4 << (pin)) // the address selects the pins that a write changes
#define GPIO_DIR 0x400

// SMCCC and PSCI
#define SMCCC_VERSION 0x80000000u
#define SMCCC_ARCH_FEATURES 0x80000001u
#define SMCCC_1_2 0x10002
#define PSCI_VERSION 0x84000000u
#define PSCI_CPU_OFF 0x84000002u
#define PSCI_CPU_ON 0xc4000003u
#define PSCI_AFFINITY_INFO 0x84000004u
#define PSCI_AFFINITY_INFO_64 0xc4000004u
#define PSCI_MIGRATE_INFO_TYPE 0x84000006u
#define PSCI_SYSTEM_OFF 0x84000008u
#define PSCI_SYSTEM_RESET 0x84000009u
#define PSCI_FEATURES 0x8400000au
#define PSCI_1_1 0x10001
#define PSCI_NO_MIGRATION 2 // there is no Trusted OS that would have to be moved
#define PSCI_INVALID_PARAMETERS (-2l)
#define PSCI_ALREADY_ON (-4l)
#define PSCI_ON_PENDING (-5l)
#define PSCI_INVALID_ADDRESS (-9l)
#define PSCI_STATE_ON 0
#define PSCI_STATE_OFF 1
#define PSCI_STATE_ON_PENDING 2
#define NOT_SUPPORTED (-1l)
