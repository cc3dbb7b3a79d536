/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

#define FU_TYPE_ARM_LFA_BACKEND (fu_arm_lfa_backend_get_type())
G_DECLARE_FINAL_TYPE(FuArmLfaBackend, fu_arm_lfa_backend, FU, ARM_LFA_BACKEND, FuBackend)

#define FU_ARM_LFA_BACKEND_NAME "arm-lfa"

FuBackend *
fu_arm_lfa_backend_new(FuContext *ctx) G_GNUC_NON_NULL(1);
gboolean
fu_arm_lfa_backend_rescan(FuArmLfaBackend *self, GError **error) G_GNUC_WARN_UNUSED_RESULT
    G_GNUC_NON_NULL(1);
gboolean
fu_arm_lfa_backend_get_busy(FuArmLfaBackend *self) G_GNUC_NON_NULL(1);
gboolean
fu_arm_lfa_backend_begin(FuArmLfaBackend *self, GError **error) G_GNUC_WARN_UNUSED_RESULT
    G_GNUC_NON_NULL(1);
void
fu_arm_lfa_backend_set_busy(FuArmLfaBackend *self, gboolean busy) G_GNUC_NON_NULL(1);
