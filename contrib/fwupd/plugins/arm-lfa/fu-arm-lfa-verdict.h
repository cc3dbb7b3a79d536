/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

/* what the files of one component say */
typedef struct {
	gboolean present;
	gboolean capable;
	gboolean pending;
	gboolean pending_known; /* the flag could be read and makes sense */
	gboolean resets_cpu;
	gboolean in_parts;	   /* each CPU activates it by itself */
	gboolean can_force;	   /* has force_cpu_rendezvous */
	gboolean tells_last_error; /* has last_error */
	gchar *version;		   /* NULL for none that makes sense, "" for reported as none */
	gchar *version_pending;	   /* NULL for none that can be relied on */
} FuArmLfaState;

typedef enum {
	FU_ARM_LFA_OUTCOME_ACTIVATED,
	FU_ARM_LFA_OUTCOME_FAILED,
	FU_ARM_LFA_OUTCOME_REFUSED,
	FU_ARM_LFA_OUTCOME_UNKNOWN,
} FuArmLfaOutcome;

/* how a write to `activate` ended */
typedef struct {
	gboolean opened;
	gint errnum;
	gint64 elapsed; /* us */
} FuArmLfaWrite;

void
fu_arm_lfa_verdict_state_free(FuArmLfaState *st);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FuArmLfaState, fu_arm_lfa_verdict_state_free)

gboolean
fu_arm_lfa_verdict_version_is_valid(const gchar *version);
FuArmLfaOutcome
fu_arm_lfa_verdict(const gchar *guid,
		   const FuArmLfaState *before,
		   const FuArmLfaState *after,
		   const FuArmLfaWrite *wr,
		   GError **error) G_GNUC_WARN_UNUSED_RESULT G_GNUC_NON_NULL(1, 2, 3, 4);
