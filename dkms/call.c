// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls to the agent (Arm DEN0147 v1.0). What comes back is the word of another program: none of
 * it is an index, a size or a bound here before it was compared with one of ours.
 */
#define pr_fmt(fmt) "Arm LFA: " fmt

#include <linux/arm-smccc.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/nmi.h>

#include "lfa.h"

#define LFA_FN_VERSION		0xC40002E0
#define LFA_FN_GET_INFO		0xC40002E2
#define LFA_FN_GET_INVENTORY	0xC40002E3

#define LFA_CALL_AGAIN		BIT_ULL(0)

/* Major in the upper half, minor in the lower. */
u32 lfa_agent_version;

static const struct {
	const char *name;
	int error;
} lfa_statuses[] = {
	[-LFA_SUCCESS]			= { "LFA_SUCCESS", 0 },
	[-LFA_NOT_SUPPORTED]		= { "LFA_NOT_SUPPORTED", -EINVAL },
	[-LFA_BUSY]			= { "LFA_BUSY", -EBUSY },
	[-LFA_AUTH_ERROR]		= { "LFA_AUTH_ERROR", -EKEYREJECTED },
	[-LFA_NO_MEMORY]		= { "LFA_NO_MEMORY", -ENOMEM },
	[-LFA_CRITICAL_ERROR]		= { "LFA_CRITICAL_ERROR", -EIO },
	[-LFA_DEVICE_ERROR]		= { "LFA_DEVICE_ERROR", -EIO },
	[-LFA_WRONG_STATE]		= { "LFA_WRONG_STATE", -EINVAL },
	[-LFA_INVALID_PARAMETERS]	= { "LFA_INVALID_PARAMETERS", -EINVAL },
	[-LFA_COMPONENT_WRONG_STATE]	= { "LFA_COMPONENT_WRONG_STATE", -EINVAL },
	[-LFA_INVALID_ADDRESS]		= { "LFA_INVALID_ADDRESS", -EINVAL },
	[-LFA_ACTIVATION_FAILED]	= { "LFA_ACTIVATION_FAILED", -ECANCELED },
};

static bool lfa_status_is_known(s64 status)
{
	return status <= 0 && status > -(s64)ARRAY_SIZE(lfa_statuses);
}

const char *lfa_status_name(s64 status)
{
	return lfa_status_is_known(status) ? lfa_statuses[-status].name : "LFA_UNKNOWN";
}

/* What a program sees of a status: 0 for success only. */
int lfa_status_errno(s64 status)
{
	return lfa_status_is_known(status) ? lfa_statuses[-status].error : -EIO;
}

static void lfa_smc(const struct arm_smccc_1_2_regs *args, struct arm_smccc_1_2_regs *res)
{
	/* Two blocks: in one, the answer of a call would be the arguments of the next. */
	if (arm_smccc_1_1_get_conduit() == SMCCC_CONDUIT_HVC)
		arm_smccc_1_2_hvc(args, res);
	else
		arm_smccc_1_2_smc(args, res);
	/* This CPU was away for as long as the firmware liked. */
	touch_nmi_watchdog();
}

/* -ENODEV without an agent of a version that is known here. */
int lfa_find_agent(void)
{
	struct arm_smccc_1_2_regs args = { .a0 = LFA_FN_VERSION }, res;

	/* Results up to x5 came with SMCCC 1.2. */
	if (arm_smccc_get_version() < ARM_SMCCC_VERSION_1_2 ||
	    arm_smccc_1_1_get_conduit() == SMCCC_CONDUIT_NONE)
		return -ENODEV;
	lfa_smc(&args, &res);
	/* -1 arrives in 32 bits or in 64. */
	if ((s32)res.a0 < 0)
		return -ENODEV;
	lfa_agent_version = res.a0;
	if (lfa_agent_version >> 16 == 1)
		return 0;
	pr_warn("an agent of version %u.%u is not known here\n", lfa_agent_version >> 16,
		lfa_agent_version & 0xffff);
	return -ENODEV;
}

/* How many components there are, LFA_MAX_IMAGES at the most. */
int lfa_get_count(unsigned int *count)
{
	struct arm_smccc_1_2_regs args = { .a0 = LFA_FN_GET_INFO }, res;

	lfa_smc(&args, &res);
	if (res.a0)
		return lfa_status_errno(res.a0);
	if (res.a1 > LFA_MAX_IMAGES)
		return -E2BIG;
	*count = res.a1;
	return 0;
}

/* The caller holds lfa_ids. */
int lfa_get_inventory(int id, struct lfa_info *info)
{
	struct arm_smccc_1_2_regs args = { .a0 = LFA_FN_GET_INVENTORY, .a1 = id }, res;
	__le64 guid[2];

	if (id == LFA_NO_ID)
		return -ENOENT;
	lfa_smc(&args, &res);
	if (res.a0)
		return lfa_status_errno(res.a0);
	/* Byte 0 of the GUID is the lowest of x1. */
	guid[0] = cpu_to_le64(res.a1);
	guid[1] = cpu_to_le64(res.a2);
	import_uuid(&info->guid, (const u8 *)guid);
	info->flags = res.a3;
	info->current_version = res.a4;
	info->pending_version = res.a5;
	return 0;
}

/*
 * PRIME, ACTIVATE or CANCEL, from any context; the status. After an error the other registers may
 * still hold what was passed in.
 */
s64 lfa_call(u32 function, int id, u64 flags, bool *again)
{
	struct arm_smccc_1_2_regs args = { .a0 = function, .a1 = id, .a2 = flags }, res;

	lfa_smc(&args, &res);
	*again = !res.a0 && (res.a1 & LFA_CALL_AGAIN);
	return res.a0;
}
