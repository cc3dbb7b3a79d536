/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

/* The plugin as a module for an installed daemon, compiled together with its sources. Such a plugin
 * has no type of its own: its functions are in a table, and they ask for nothing but a FuPlugin. */
#include <gmodule.h>

G_MODULE_EXPORT void
fu_plugin_init_vfuncs(FuPluginVfuncs *vfuncs)
{
	fu_arm_lfa_plugin_set_vfuncs(vfuncs);
}
