/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

G_DECLARE_FINAL_TYPE(FuArmLfaPlugin, fu_arm_lfa_plugin, FU, ARM_LFA_PLUGIN, FuPlugin)
