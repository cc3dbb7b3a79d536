/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include "fu-arm-lfa-backend.h"

/* the driver shows what the firmware claims to have, so do not trust it to be few */
#define FU_ARM_LFA_BACKEND_COMPONENTS_MAX 1024
#define FU_ARM_LFA_BACKEND_RESCAN_DELAY	  5 /* s */

struct _FuArmLfaBackend {
	FuBackend parent_instance;
	guint rescan_id;
	gboolean busy;
};

G_DEFINE_TYPE(FuArmLfaBackend, fu_arm_lfa_backend, FU_TYPE_BACKEND)

static gchar *
fu_arm_lfa_backend_build_path(FuArmLfaBackend *self)
{
#ifdef FU_ARM_LFA_FWUPD_2_1
	FuContext *ctx = fu_backend_get_context(FU_BACKEND(self));
	return fu_context_build_filename(ctx, NULL, FU_PATH_KIND_SYSFSDIR_FW, "lfa", NULL);
#else
	g_autofree gchar *sysfsdir = fu_path_from_kind(FU_PATH_KIND_SYSFSDIR_FW);
	return g_build_filename(sysfsdir, "lfa", NULL);
#endif
}

static gboolean
fu_arm_lfa_backend_is_component(const gchar *name)
{
	if (!fwupd_guid_is_valid(name))
		return FALSE;
	for (guint i = 0; name[i] != '\0'; i++) {
		if (g_ascii_isupper(name[i]))
			return FALSE;
	}
	return TRUE;
}

/* there is no bus, so no uevent for a directory: look for new ones, a device notices by itself when
 * it has gone */
gboolean
fu_arm_lfa_backend_rescan(FuArmLfaBackend *self, GError **error)
{
	const gchar *name;
	g_autofree gchar *path = fu_arm_lfa_backend_build_path(self);
	g_autoptr(GDir) dir = NULL;

	if (path == NULL || !g_file_test(path, G_FILE_TEST_IS_DIR)) {
		g_set_error(error, FWUPD_ERROR, FWUPD_ERROR_NOT_SUPPORTED, "no %s", path);
		return FALSE;
	}
	dir = g_dir_open(path, 0, error);
	if (dir == NULL) {
		fwupd_error_convert(error);
		return FALSE;
	}
	while ((name = g_dir_read_name(dir)) != NULL) {
		g_autofree gchar *backend_id = g_build_filename(path, name, NULL);
		g_autoptr(FuDevice) device = NULL;

		if (!fu_arm_lfa_backend_is_component(name))
			continue;
		if (fu_backend_lookup_by_id(FU_BACKEND(self), backend_id) != NULL)
			continue;
		if (fu_backend_get_devices(FU_BACKEND(self))->len >=
		    FU_ARM_LFA_BACKEND_COMPONENTS_MAX) {
			g_warning("more than %i components, ignoring the others",
				  FU_ARM_LFA_BACKEND_COMPONENTS_MAX);
			break;
		}
		device = g_object_new(FU_TYPE_UDEV_DEVICE,
				      "context",
				      fu_backend_get_context(FU_BACKEND(self)),
				      "backend-id",
				      backend_id,
				      "subsystem",
				      "lfa",
				      "devtype",
				      "component",
				      NULL);
		fu_device_add_possible_plugin(device, "arm_lfa");
		fu_backend_device_added(FU_BACKEND(self), device);
	}
	return TRUE;
}

gboolean
fu_arm_lfa_backend_get_busy(FuArmLfaBackend *self)
{
	g_return_val_if_fail(FU_IS_ARM_LFA_BACKEND(self), FALSE);
	return self->busy;
}

/* one activation at a time: the firmware holds one component at most */
gboolean
fu_arm_lfa_backend_begin(FuArmLfaBackend *self, GError **error)
{
	g_return_val_if_fail(FU_IS_ARM_LFA_BACKEND(self), FALSE);
	if (self->busy) {
		g_set_error_literal(error,
				    FWUPD_ERROR,
				    FWUPD_ERROR_BUSY,
				    "another activation is under way");
		return FALSE;
	}
	self->busy = TRUE;
	return TRUE;
}

void
fu_arm_lfa_backend_set_busy(FuArmLfaBackend *self, gboolean busy)
{
	g_return_if_fail(FU_IS_ARM_LFA_BACKEND(self));
	self->busy = busy;
}

static gboolean
fu_arm_lfa_backend_rescan_cb(gpointer user_data)
{
	FuArmLfaBackend *self = FU_ARM_LFA_BACKEND(user_data);
	g_autoptr(GError) error_local = NULL;

	/* reading may block as long as the activation does */
	if (self->busy)
		return G_SOURCE_CONTINUE;
	if (!fu_arm_lfa_backend_rescan(self, &error_local))
		g_debug("ignoring: %s", error_local->message);
	return G_SOURCE_CONTINUE;
}

static gboolean
fu_arm_lfa_backend_setup(FuBackend *backend,
			 FuBackendSetupFlags flags,
			 FuProgress *progress,
			 GError **error)
{
	FuArmLfaBackend *self = FU_ARM_LFA_BACKEND(backend);
	g_autofree gchar *path = fu_arm_lfa_backend_build_path(self);

	/* do not wake up on machines that have nothing to look at */
	if ((flags & FU_BACKEND_SETUP_FLAG_USE_HOTPLUG) > 0 && path != NULL &&
	    g_file_test(path, G_FILE_TEST_IS_DIR)) {
		self->rescan_id = g_timeout_add_seconds(FU_ARM_LFA_BACKEND_RESCAN_DELAY,
							fu_arm_lfa_backend_rescan_cb,
							self);
	}
	return TRUE;
}

static gboolean
fu_arm_lfa_backend_coldplug(FuBackend *backend, FuProgress *progress, GError **error)
{
	FuArmLfaBackend *self = FU_ARM_LFA_BACKEND(backend);
	g_autoptr(GError) error_local = NULL;

	/* the driver may come later */
	if (!fu_arm_lfa_backend_rescan(self, &error_local))
		g_debug("ignoring: %s", error_local->message);
	return TRUE;
}

static void
fu_arm_lfa_backend_init(FuArmLfaBackend *self)
{
}

static void
fu_arm_lfa_backend_finalize(GObject *object)
{
	FuArmLfaBackend *self = FU_ARM_LFA_BACKEND(object);
	if (self->rescan_id != 0)
		g_source_remove(self->rescan_id);
	G_OBJECT_CLASS(fu_arm_lfa_backend_parent_class)->finalize(object);
}

static void
fu_arm_lfa_backend_class_init(FuArmLfaBackendClass *klass)
{
	GObjectClass *object_class = G_OBJECT_CLASS(klass);
	FuBackendClass *backend_class = FU_BACKEND_CLASS(klass);
	object_class->finalize = fu_arm_lfa_backend_finalize;
	backend_class->setup = fu_arm_lfa_backend_setup;
	backend_class->coldplug = fu_arm_lfa_backend_coldplug;
}

FuBackend *
fu_arm_lfa_backend_new(FuContext *ctx)
{
	return g_object_new(FU_TYPE_ARM_LFA_BACKEND,
			    "name",
			    FU_ARM_LFA_BACKEND_NAME,
			    "context",
			    ctx,
			    NULL);
}
