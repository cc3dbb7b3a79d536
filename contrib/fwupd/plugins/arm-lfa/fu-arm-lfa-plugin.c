/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "fu-arm-lfa-backend.h"
#include "fu-arm-lfa-device.h"
#include "fu-arm-lfa-image-device.h"
#include "fu-arm-lfa-livefwd.h"
#include "fu-arm-lfa-plugin.h"

struct _FuArmLfaPlugin {
	FuPlugin parent_instance;
};

G_DEFINE_TYPE(FuArmLfaPlugin, fu_arm_lfa_plugin, FU_TYPE_PLUGIN)

static FuArmLfaBackend *
fu_arm_lfa_plugin_get_backend(FuPlugin *plugin, GError **error)
{
	FuContext *ctx = fu_plugin_get_context(plugin);
	return FU_ARM_LFA_BACKEND(
	    fu_context_get_backend_by_name(ctx, FU_ARM_LFA_BACKEND_NAME, error));
}

/* the inventory has been read anew, by a notification or after an activation */
static gboolean
fu_arm_lfa_plugin_refresh(FuPlugin *plugin, GError **error)
{
	FuArmLfaBackend *backend = fu_arm_lfa_plugin_get_backend(plugin, error);
	GPtrArray *devices = fu_plugin_get_devices(plugin);

	if (backend == NULL)
		return FALSE;
	if (fu_arm_lfa_backend_get_busy(backend))
		return TRUE;
	for (guint i = 0; i < devices->len; i++) {
		FuDevice *device = g_ptr_array_index(devices, i);
		g_autoptr(GError) error_local = NULL;
		if (!FU_IS_ARM_LFA_DEVICE(device))
			continue;
		if (!fu_arm_lfa_device_refresh(FU_ARM_LFA_DEVICE(device), &error_local))
			g_debug("ignoring: %s", error_local->message);
	}
	return fu_arm_lfa_backend_rescan(backend, error);
}

static gboolean
fu_arm_lfa_plugin_backend_device_changed(FuPlugin *plugin, FuDevice *device, GError **error)
{
	g_autoptr(GError) error_local = NULL;

	if (!FU_IS_UDEV_DEVICE(device) ||
	    g_strcmp0(fu_udev_device_get_subsystem(FU_UDEV_DEVICE(device)), "arm_smccc") != 0)
		return TRUE;
	if (!fu_arm_lfa_plugin_refresh(plugin, &error_local))
		g_debug("ignoring: %s", error_local->message);
	return TRUE;
}

static gboolean
fu_arm_lfa_plugin_device_created(FuPlugin *plugin, FuDevice *device, GError **error)
{
	FuArmLfaBackend *backend = fu_arm_lfa_plugin_get_backend(plugin, error);
	guint64 poll_interval = 0;
	guint64 timeout = 0;
	g_autofree gchar *engine = fu_plugin_get_config_value(plugin, "Engine");
	g_autofree gchar *poll_interval_str = fu_plugin_get_config_value(plugin, "PollInterval");
	g_autofree gchar *socket = fu_plugin_get_config_value(plugin, "LivefwdSocket");
	g_autofree gchar *timeout_str = fu_plugin_get_config_value(plugin, "ActivateTimeout");

	if (backend == NULL)
		return FALSE;
	if (!fu_strtoull(timeout_str, &timeout, 50, 86400000, FU_INTEGER_BASE_10, error)) {
		g_prefix_error_literal(error, "ActivateTimeout: ");
		return FALSE;
	}
	if (!fu_strtoull(poll_interval_str,
			 &poll_interval,
			 50,
			 3600000,
			 FU_INTEGER_BASE_10,
			 error)) {
		g_prefix_error_literal(error, "PollInterval: ");
		return FALSE;
	}
	if (g_strcmp0(engine, "auto") != 0 && g_strcmp0(engine, "livefwd") != 0 &&
	    g_strcmp0(engine, "sysfs") != 0) {
		g_set_error(error,
			    FWUPD_ERROR,
			    FWUPD_ERROR_INVALID_DATA,
			    "Engine is auto, livefwd or sysfs, got %s",
			    engine);
		return FALSE;
	}
	fu_arm_lfa_device_configure(FU_ARM_LFA_DEVICE(device), backend, engine, socket, timeout);
	fu_device_set_poll_interval(device, poll_interval);
	return TRUE;
}

/* what other mechanisms have is livefwd's to stage and activate; it is asked once, since it ends
 * when nobody asks */
static gboolean
fu_arm_lfa_plugin_ready(FuPlugin *plugin, FuProgress *progress, GError **error)
{
	FuArmLfaBackend *backend = fu_arm_lfa_plugin_get_backend(plugin, error);
	GVariantIter iter;
	g_autofree gchar *engine = fu_plugin_get_config_value(plugin, "Engine");
	g_autofree gchar *socket = fu_plugin_get_config_value(plugin, "LivefwdSocket");
	g_autoptr(GError) error_local = NULL;
	g_autoptr(GVariant) all = NULL;
	g_autoptr(GVariant) shown = NULL;

	if (backend == NULL)
		return FALSE;
	if (!fu_arm_lfa_livefwd_is_used(engine, socket))
		return TRUE;
	all = fu_arm_lfa_livefwd_get_devices(socket, &error_local);
	if (all == NULL) {
		g_info("ignoring: %s", error_local->message);
		return TRUE;
	}
	g_variant_iter_init(&iter, all);
	while ((shown = g_variant_iter_next_value(&iter)) != NULL) {
		g_autoptr(FuArmLfaImageDevice) device =
		    fu_arm_lfa_image_device_new(fu_plugin_get_context(plugin),
						backend,
						socket,
						shown);
		if (device != NULL)
#ifdef FU_ARM_LFA_FWUPD_2_1
			fu_plugin_add_device(plugin, FU_DEVICE(device));
#else
			fu_plugin_device_add(plugin, FU_DEVICE(device));
#endif
		g_clear_pointer(&shown, g_variant_unref);
	}
	return TRUE;
}

static gboolean
fu_arm_lfa_plugin_activate(FuPlugin *plugin, FuDevice *device, FuProgress *progress, GError **error)
{
	gboolean ret;
	g_autoptr(GError) error_local = NULL;

	if (FU_IS_ARM_LFA_IMAGE_DEVICE(device))
		return fu_arm_lfa_image_device_activate_component(FU_ARM_LFA_IMAGE_DEVICE(device),
								  progress,
								  error);
	ret = fu_arm_lfa_device_activate_component(FU_ARM_LFA_DEVICE(device), progress, error);

	/* the firmware may list others now, and one activation may serve several components */
	if (!fu_arm_lfa_plugin_refresh(plugin, &error_local))
		g_debug("ignoring: %s", error_local->message);
	return ret;
}

static void
fu_arm_lfa_plugin_init(FuArmLfaPlugin *self)
{
}

static void
fu_arm_lfa_plugin_constructed(GObject *obj)
{
	FuPlugin *plugin = FU_PLUGIN(obj);
	FuContext *ctx = fu_plugin_get_context(plugin);
	g_autoptr(FuBackend) backend = fu_arm_lfa_backend_new(ctx);

	fu_context_add_backend(ctx, backend);
	fu_plugin_add_device_udev_subsystem(plugin, "lfa");
	fu_plugin_add_udev_subsystem(plugin, "arm_smccc");
	fu_plugin_add_device_gtype(plugin, FU_TYPE_ARM_LFA_DEVICE);
	fu_plugin_set_config_default(plugin, "ActivateTimeout", "170000");
	fu_plugin_set_config_default(plugin, "Engine", "auto");
	fu_plugin_set_config_default(plugin, "LivefwdSocket", FU_ARM_LFA_LIVEFWD_SOCKET);
	fu_plugin_set_config_default(plugin, "PollInterval", "5000");
#ifdef FU_ARM_LFA_FWUPD_2_1
	G_OBJECT_CLASS(fu_arm_lfa_plugin_parent_class)->constructed(obj);
#else
#endif
}

static void
fu_arm_lfa_plugin_set_vfuncs(FuPluginClass *plugin_class)
{
	plugin_class->constructed = fu_arm_lfa_plugin_constructed;
	plugin_class->ready = fu_arm_lfa_plugin_ready;
	plugin_class->device_created = fu_arm_lfa_plugin_device_created;
	plugin_class->backend_device_changed = fu_arm_lfa_plugin_backend_device_changed;
	plugin_class->activate = fu_arm_lfa_plugin_activate;
}

static void
fu_arm_lfa_plugin_class_init(FuArmLfaPluginClass *klass)
{
	fu_arm_lfa_plugin_set_vfuncs(FU_PLUGIN_CLASS(klass));
}
