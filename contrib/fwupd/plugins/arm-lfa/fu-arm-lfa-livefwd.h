/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#pragma once

#include <fwupdplugin.h>

#define FU_ARM_LFA_LIVEFWD_SOCKET "/run/livefw/fwupd.sock"

gboolean
fu_arm_lfa_livefwd_is_used(const gchar *engine, const gchar *socket);
GVariant *
fu_arm_lfa_livefwd_get_devices(const gchar *socket, GError **error) G_GNUC_WARN_UNUSED_RESULT
    G_GNUC_NON_NULL(1);
gboolean
fu_arm_lfa_livefwd_activate(const gchar *socket,
			    const gchar *component,
			    GError **error) G_GNUC_WARN_UNUSED_RESULT G_GNUC_NON_NULL(1, 2);
gboolean
fu_arm_lfa_livefwd_stage(const gchar *socket,
			 const gchar *component,
			 GBytes *image,
			 gboolean older,
			 GError **error) G_GNUC_WARN_UNUSED_RESULT G_GNUC_NON_NULL(1, 2, 3);
