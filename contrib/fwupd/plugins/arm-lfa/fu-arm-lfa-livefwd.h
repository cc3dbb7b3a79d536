/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

#define FU_ARM_LFA_LIVEFWD_SOCKET "/run/livefw/fwupd.sock"

gboolean
fu_arm_lfa_livefwd_activate(const gchar *socket,
			    const gchar *guid,
			    GError **error) G_GNUC_WARN_UNUSED_RESULT G_GNUC_NON_NULL(1, 2);
