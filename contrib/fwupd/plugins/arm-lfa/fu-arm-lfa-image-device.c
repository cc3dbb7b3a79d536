/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "fu-arm-lfa-image-device.h"
#include "fu-arm-lfa-livefwd.h"

/* the instance ID of a component is its mechanism and what that calls it */
#define FU_ARM_LFA_IMAGE_DEVICE_PREFIX "LIVEFW\\"

/* a component of another mechanism that livefwd can stage an image for */
struct _FuArmLfaImageDevice {
	FuDevice parent_instance;
	FuArmLfaBackend *backend; /* no-ref */
	gchar *socket;
};

G_DEFINE_TYPE(FuArmLfaImageDevice, fu_arm_lfa_image_device, FU_TYPE_DEVICE)

static void
fu_arm_lfa_image_device_show(FuArmLfaImageDevice *self, GVariant *shown)
{
	FuDevice *device = FU_DEVICE(self);
	const gchar *version = NULL;
	guint32 version_format = FWUPD_VERSION_FORMAT_PLAIN;
	guint64 flags = 0;

	fu_device_remove_problem(device, FWUPD_DEVICE_PROBLEM_UNREACHABLE);
	(void)g_variant_lookup(shown, "Flags", "t", &flags);
	if (g_variant_lookup(shown, "VersionFormat", "u", &version_format) &&
	    version_format < FWUPD_VERSION_FORMAT_LAST)
		fu_device_set_version_format(device, version_format);
	if (g_variant_lookup(shown, "Version", "&s", &version))
		fu_device_set_version(device, version); /* nocheck:set-version */
	if (flags & FWUPD_DEVICE_FLAG_USABLE_DURING_UPDATE)
		fu_device_add_flag(device, FWUPD_DEVICE_FLAG_USABLE_DURING_UPDATE);
	else
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_USABLE_DURING_UPDATE);
	if (flags & FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION)
		fu_device_add_flag(device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION);
	else
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION);
}

static gboolean
fu_arm_lfa_image_device_reload(FuDevice *device, GError **error)
{
	FuArmLfaImageDevice *self = FU_ARM_LFA_IMAGE_DEVICE(device);
	GVariantIter iter;
	g_autoptr(GVariant) all = fu_arm_lfa_livefwd_get_devices(self->socket, error);
	g_autoptr(GVariant) shown = NULL;

	if (all == NULL)
		return FALSE;
	g_variant_iter_init(&iter, all);
	while ((shown = g_variant_iter_next_value(&iter)) != NULL) {
		const gchar *device_id = NULL;
		if (g_variant_lookup(shown, "DeviceId", "&s", &device_id) &&
		    g_strcmp0(device_id, fu_device_get_physical_id(device)) == 0) {
			fu_arm_lfa_image_device_show(self, shown);
			return TRUE;
		}
		g_clear_pointer(&shown, g_variant_unref);
	}
	fu_device_add_problem(device, FWUPD_DEVICE_PROBLEM_UNREACHABLE);
	return TRUE;
}

/* what it became is shown anew, whatever the answer was */
static gboolean
fu_arm_lfa_image_device_ended(FuArmLfaImageDevice *self, gboolean ret)
{
	g_autoptr(GError) error_local = NULL;

	fu_arm_lfa_backend_set_busy(self->backend, FALSE);
	if (!fu_arm_lfa_image_device_reload(FU_DEVICE(self), &error_local))
		g_debug("ignoring: %s", error_local->message);
	return ret;
}

static gboolean
fu_arm_lfa_image_device_write_firmware(FuDevice *device,
				       FuFirmware *firmware,
				       FuProgress *progress,
				       FwupdInstallFlags flags,
				       GError **error)
{
	FuArmLfaImageDevice *self = FU_ARM_LFA_IMAGE_DEVICE(device);
	g_autoptr(GBytes) image = fu_firmware_get_bytes(firmware, error);

	if (image == NULL)
		return FALSE;
	if (!fu_arm_lfa_backend_begin(self->backend, error))
		return FALSE;
	fu_progress_set_status(progress, FWUPD_STATUS_DEVICE_WRITE);
	return fu_arm_lfa_image_device_ended(
	    self,
	    fu_arm_lfa_livefwd_stage(self->socket,
				     fu_device_get_logical_id(device),
				     image,
				     (flags & FWUPD_INSTALL_FLAG_ALLOW_OLDER) > 0,
				     error));
}

gboolean
fu_arm_lfa_image_device_activate_component(FuArmLfaImageDevice *self,
					   FuProgress *progress,
					   GError **error)
{
	g_return_val_if_fail(FU_IS_ARM_LFA_IMAGE_DEVICE(self), FALSE);
	g_return_val_if_fail(error == NULL || *error == NULL, FALSE);

	if (!fu_arm_lfa_backend_begin(self->backend, error))
		return FALSE;
	fu_progress_set_status(progress, FWUPD_STATUS_DEVICE_RESTART);
	return fu_arm_lfa_image_device_ended(
	    self,
	    fu_arm_lfa_livefwd_activate(self->socket,
					fu_device_get_logical_id(FU_DEVICE(self)),
					error));
}

static void
fu_arm_lfa_image_device_set_progress(FuDevice *device, FuProgress *progress)
{
	fu_progress_set_id(progress, G_STRLOC);
	fu_progress_add_flag(progress, FU_PROGRESS_FLAG_GUESSED);
	fu_progress_add_step(progress, FWUPD_STATUS_DECOMPRESSING, 0, "prepare-fw");
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_RESTART, 0, "detach");
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_WRITE, 100, "write");
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_RESTART, 0, "attach");
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_BUSY, 0, "reload");
}

/**
 * fu_arm_lfa_image_device_new:
 * @ctx: a #FuContext
 * @backend: a #FuArmLfaBackend
 * @socket: where livefwd listens
 * @shown: what it shows of a device
 *
 * Creates a device for what takes images. What LFA has is a device already, and takes none.
 *
 * Returns: (transfer full) (nullable): a device, or %NULL if it is none of them
 **/
FuArmLfaImageDevice *
fu_arm_lfa_image_device_new(FuContext *ctx,
			    FuArmLfaBackend *backend,
			    const gchar *socket,
			    GVariant *shown)
{
	const gchar *device_id = NULL;
	const gchar *name = NULL;
	const gchar *plugin = NULL;
	const gchar *protocol = NULL;
	guint64 flags = 0;
	g_autofree const gchar **guids = NULL;
	g_autofree const gchar **instance_ids = NULL;
	g_autofree gchar *component = NULL;
	g_autoptr(FuArmLfaImageDevice) self = NULL;
	g_auto(GStrv) split = NULL;

	if (!g_variant_lookup(shown, "Flags", "t", &flags) ||
	    !g_variant_lookup(shown, "DeviceId", "&s", &device_id) ||
	    !g_variant_lookup(shown, "Plugin", "&s", &plugin) ||
	    !g_variant_lookup(shown, "Protocol", "&s", &protocol) ||
	    !g_variant_lookup(shown, "Guid", "^a&s", &guids) ||
	    !g_variant_lookup(shown, "InstanceIds", "^a&s", &instance_ids))
		return NULL;
	if ((flags & (FWUPD_DEVICE_FLAG_UPDATABLE | FWUPD_DEVICE_FLAG_UPDATABLE_HIDDEN)) == 0 ||
	    g_strcmp0(plugin, "livefw_lfa") == 0 || instance_ids[0] == NULL ||
	    !g_str_has_prefix(instance_ids[0], FU_ARM_LFA_IMAGE_DEVICE_PREFIX))
		return NULL;
	split = g_strsplit(instance_ids[0] + strlen(FU_ARM_LFA_IMAGE_DEVICE_PREFIX), "&", 2);
	if (g_strv_length(split) != 2)
		return NULL;
	component = g_strjoinv(":", split);

	self = g_object_new(FU_TYPE_ARM_LFA_IMAGE_DEVICE, "context", ctx, NULL);
	self->backend = backend;
	self->socket = g_strdup(socket);
	fu_device_set_physical_id(FU_DEVICE(self), device_id);
	fu_device_set_logical_id(FU_DEVICE(self), component);
	fu_device_build_vendor_id(FU_DEVICE(self), "LIVEFW", split[0]);
	fu_device_add_protocol(FU_DEVICE(self), protocol);
	for (guint i = 0; guids[i] != NULL; i++)
		fu_device_add_instance_id(FU_DEVICE(self), guids[i]);
	fu_device_add_instance_id(FU_DEVICE(self), instance_ids[0]);
	if (g_variant_lookup(shown, "Name", "&s", &name))
		fu_device_set_name(FU_DEVICE(self), name);
	fu_arm_lfa_image_device_show(self, shown);
	return g_steal_pointer(&self);
}

static void
fu_arm_lfa_image_device_init(FuArmLfaImageDevice *self)
{
	fu_device_set_summary(FU_DEVICE(self), "Firmware that livefwd stages and activates");
	fu_device_add_icon(FU_DEVICE(self), FU_DEVICE_ICON_COMPUTER);
	fu_device_add_flag(FU_DEVICE(self), FWUPD_DEVICE_FLAG_INTERNAL);
	fu_device_add_flag(FU_DEVICE(self), FWUPD_DEVICE_FLAG_UPDATABLE);
	fu_device_add_private_flag(FU_DEVICE(self), FU_DEVICE_PRIVATE_FLAG_NO_AUTO_REMOVE);
}

static void
fu_arm_lfa_image_device_finalize(GObject *object)
{
	FuArmLfaImageDevice *self = FU_ARM_LFA_IMAGE_DEVICE(object);
	g_free(self->socket);
	G_OBJECT_CLASS(fu_arm_lfa_image_device_parent_class)->finalize(object);
}

static void
fu_arm_lfa_image_device_class_init(FuArmLfaImageDeviceClass *klass)
{
	GObjectClass *object_class = G_OBJECT_CLASS(klass);
	FuDeviceClass *device_class = FU_DEVICE_CLASS(klass);
	object_class->finalize = fu_arm_lfa_image_device_finalize;
	device_class->reload = fu_arm_lfa_image_device_reload;
	device_class->write_firmware = fu_arm_lfa_image_device_write_firmware;
	device_class->set_progress = fu_arm_lfa_image_device_set_progress;
}
