/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

#include "fu-arm-lfa-backend.h"

#define FU_TYPE_ARM_LFA_IMAGE_DEVICE (fu_arm_lfa_image_device_get_type())
G_DECLARE_FINAL_TYPE(FuArmLfaImageDevice,
		     fu_arm_lfa_image_device,
		     FU,
		     ARM_LFA_IMAGE_DEVICE,
		     FuDevice)

FuArmLfaImageDevice *
fu_arm_lfa_image_device_new(FuContext *ctx,
			    FuArmLfaBackend *backend,
			    const gchar *socket,
			    GVariant *shown) G_GNUC_NON_NULL(1, 2, 3, 4);
gboolean
fu_arm_lfa_image_device_activate_component(FuArmLfaImageDevice *self,
					   FuProgress *progress,
					   GError **error) G_GNUC_WARN_UNUSED_RESULT
    G_GNUC_NON_NULL(1, 2);
