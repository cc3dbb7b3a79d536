/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

#include "fu-arm-lfa-backend.h"

#define FU_TYPE_ARM_LFA_DEVICE (fu_arm_lfa_device_get_type())
G_DECLARE_FINAL_TYPE(FuArmLfaDevice, fu_arm_lfa_device, FU, ARM_LFA_DEVICE, FuUdevDevice)

void
fu_arm_lfa_device_configure(FuArmLfaDevice *self,
			    FuArmLfaBackend *backend,
			    const gchar *engine,
			    const gchar *socket,
			    guint timeout) G_GNUC_NON_NULL(1, 2, 3, 4);
gboolean
fu_arm_lfa_device_refresh(FuArmLfaDevice *self, GError **error) G_GNUC_WARN_UNUSED_RESULT
    G_GNUC_NON_NULL(1);
gboolean
fu_arm_lfa_device_activate_component(FuArmLfaDevice *self,
				     FuProgress *progress,
				     GError **error) G_GNUC_WARN_UNUSED_RESULT
    G_GNUC_NON_NULL(1, 2);
