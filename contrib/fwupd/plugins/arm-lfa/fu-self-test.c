/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>

#include "fu-arm-lfa-backend.h"
#include "fu-arm-lfa-device.h"
#include "fu-arm-lfa-plugin.h"
#include "fu-arm-lfa-verdict.h"
#include "fu-context-private.h"
#include "fu-plugin-private.h"
#include "fu-udev-device-private.h"

#define GUID_RMM "6c0762a6-12f2-4b56-92cb-ba8f633606d9"
#define GUID_SCP "65922703-2f74-e644-8dff-579ac1ff0610"

/* a tree of plain files: a write to `activate` succeeds, and changes nothing */
typedef struct {
	gchar *path;
	FuContext *ctx;
	FuBackend *backend;
	FuPlugin *plugin;
	FuDevice *device;
} FuArmLfaFixture;

static void
fu_arm_lfa_test_write(FuArmLfaFixture *fixture,
		      const gchar *guid,
		      const gchar *attr,
		      const gchar *text)
{
	gboolean ret;
	g_autofree gchar *dir = g_build_filename(fixture->path, "lfa", guid, NULL);
	g_autofree gchar *fn = g_build_filename(dir, attr, NULL);
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
	ret = g_file_set_contents(fn, text, -1, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
}

static void
fu_arm_lfa_test_make(FuArmLfaFixture *fixture, const gchar *guid)
{
	const gchar *attrs[][2] = {{"name", "TEST\n"},
				   {"current_version", "1.0\n"},
				   {"pending_version", "1.1\n"},
				   {"activation_capable", "1\n"},
				   {"activation_pending", "1\n"},
				   {"may_reset_cpu", "0\n"},
				   {"cpu_rendezvous", "1\n"},
				   {"force_cpu_rendezvous", "1\n"},
				   {"auto_activate", "0\n"},
				   {"activate", ""},
				   {"cancel", ""}};
	for (guint i = 0; i < G_N_ELEMENTS(attrs); i++)
		fu_arm_lfa_test_write(fixture, guid, attrs[i][0], attrs[i][1]);
}

static void
fu_arm_lfa_test_set_up(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	gboolean ret;
	FuDevice *donor;
	g_autofree gchar *backend_id = NULL;
	g_autoptr(FuProgress) progress = fu_progress_new(G_STRLOC);
	g_autoptr(GError) error = NULL;

	fixture->path = g_dir_make_tmp("arm-lfa-XXXXXX", &error);
	g_assert_no_error(error);
	fu_arm_lfa_test_make(fixture, GUID_SCP);
	fu_arm_lfa_test_write(fixture, "not-a-guid", "name", "nothing\n");

#ifdef FU_ARM_LFA_FWUPD_2_1
	fixture->ctx = fu_context_new_full(FU_CONTEXT_FLAG_NO_QUIRKS);
	fu_context_set_path(fixture->ctx, FU_PATH_KIND_SYSFSDIR_FW, fixture->path);
	ret = fu_context_load(fixture->ctx, progress, FU_CONTEXT_LOAD_FLAG_NONE, &error);
	fu_progress_reset(progress);
#else
	(void)g_setenv("FWUPD_SYSFSFWDIR", fixture->path, TRUE);
	fixture->ctx = fu_context_new();
	ret = fu_context_load_quirks(fixture->ctx,
				     FU_QUIRKS_LOAD_FLAG_NO_CACHE | FU_QUIRKS_LOAD_FLAG_NO_VERIFY,
				     &error);
#endif
	g_assert_no_error(error);
	g_assert_true(ret);
	fixture->plugin = fu_plugin_new_from_gtype(fu_arm_lfa_plugin_get_type(), fixture->ctx);
	ret = fu_plugin_runner_startup(fixture->plugin, progress, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	fixture->backend =
	    fu_context_get_backend_by_name(fixture->ctx, FU_ARM_LFA_BACKEND_NAME, &error);
	g_assert_no_error(error);
	fu_progress_reset(progress);
	ret = fu_backend_coldplug(fixture->backend, progress, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	g_assert_cmpint(fu_backend_get_devices(fixture->backend)->len, ==, 1);

	backend_id = g_build_filename(fixture->path, "lfa", GUID_SCP, NULL);
	donor = fu_backend_lookup_by_id(fixture->backend, backend_id);
	g_assert_nonnull(donor);
	fu_progress_reset(progress);
	ret = fu_plugin_runner_backend_device_added(fixture->plugin, donor, progress, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	g_assert_cmpint(fu_plugin_get_devices(fixture->plugin)->len, ==, 1);
	fixture->device = g_ptr_array_index(fu_plugin_get_devices(fixture->plugin), 0);
}

static void
fu_arm_lfa_test_tear_down(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	g_autoptr(GError) error = NULL;
	g_object_unref(fixture->plugin);
	g_object_unref(fixture->ctx);
	if (!fu_path_rmtree(fixture->path, &error))
		g_test_message("left %s: %s", fixture->path, error->message);
	g_free(fixture->path);
}

static void
fu_arm_lfa_plugin_enumerate_func(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	FuDevice *device = fixture->device;
	FwupdRelease *release = fu_device_get_release_default(device);

	g_assert_cmpstr(fu_device_get_logical_id(device), ==, GUID_SCP);
	g_assert_true(fu_device_has_guid(device, GUID_SCP));
	g_assert_true(fu_device_has_guid(device, "03279265-742f-44e6-8dff-579ac1ff0610"));
	g_assert_cmpstr(fu_device_get_version(device), ==, "1.0");
	g_assert_nonnull(release);
	g_assert_cmpstr(fwupd_release_get_version(release), ==, "1.1");
	g_assert_true(fu_device_has_flag(device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION));
	g_assert_true(fu_device_has_flag(device, FWUPD_DEVICE_FLAG_USABLE_DURING_UPDATE));
}

/* the first driver has no auto_activate, and its pending_version is memory of somebody else */
static void
fu_arm_lfa_plugin_first_driver_func(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	gboolean ret;
	g_autofree gchar *fn =
	    g_build_filename(fixture->path, "lfa", GUID_SCP, "auto_activate", NULL);
	g_autoptr(GError) error = NULL;

	g_assert_cmpint(g_unlink(fn), ==, 0);
	ret = fu_arm_lfa_device_refresh(FU_ARM_LFA_DEVICE(fixture->device), &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	g_assert_null(fu_device_get_release_default(fixture->device));
	g_assert_true(fu_device_has_flag(fixture->device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION));
}

/* a uevent of the driver's device is about all components, new ones too */
static void
fu_arm_lfa_plugin_uevent_func(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	gboolean ret;
	g_autoptr(FuDevice) driver = NULL;
	g_autoptr(FuDevice) stranger = NULL;
	g_autoptr(GError) error = NULL;

	driver = g_object_new(FU_TYPE_UDEV_DEVICE,
			      "context",
			      fixture->ctx,
			      "backend-id",
			      "/sys/devices/arm-smccc-lfa-1",
			      "subsystem",
			      "arm_smccc",
			      NULL);
	stranger = g_object_new(FU_TYPE_UDEV_DEVICE,
				"context",
				fixture->ctx,
				"backend-id",
				"/sys/devices/other",
				"subsystem",
				"net",
				NULL);
	fu_arm_lfa_test_write(fixture, GUID_SCP, "activation_pending", "0\n");
	fu_arm_lfa_test_make(fixture, GUID_RMM);
	ret = fu_plugin_runner_backend_device_changed(fixture->plugin, stranger, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	g_assert_true(fu_device_has_flag(fixture->device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION));
	g_assert_cmpint(fu_backend_get_devices(fixture->backend)->len, ==, 1);

	ret = fu_plugin_runner_backend_device_changed(fixture->plugin, driver, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	g_assert_false(fu_device_has_flag(fixture->device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION));
	g_assert_cmpint(fu_backend_get_devices(fixture->backend)->len, ==, 2);
}

static void
fu_arm_lfa_plugin_unreachable_func(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	gboolean ret;
	g_autofree gchar *dir = g_build_filename(fixture->path, "lfa", GUID_SCP, NULL);
	g_autoptr(GError) error = NULL;

	ret = fu_path_rmtree(dir, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	ret = fu_device_poll(fixture->device, &error);
	g_assert_no_error(error);
	g_assert_true(ret);
	g_assert_true(fu_device_has_problem(fixture->device, FWUPD_DEVICE_PROBLEM_UNREACHABLE));
	g_assert_false(fu_device_has_flag(fixture->device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION));
}

/* the write succeeds, and the old version goes on to run: nobody knows, and that is an error */
static void
fu_arm_lfa_plugin_activate_func(FuArmLfaFixture *fixture, gconstpointer user_data)
{
	gboolean ret;
	g_autofree gchar *fn = g_build_filename(fixture->path, "lfa", GUID_SCP, "cancel", NULL);
	g_autofree gchar *text = NULL;
	g_autoptr(FuProgress) progress = fu_progress_new(G_STRLOC);
	g_autoptr(GError) error = NULL;

	ret = fu_plugin_runner_activate(fixture->plugin, fixture->device, progress, &error);
	g_assert_error(error, FWUPD_ERROR, FWUPD_ERROR_TIMED_OUT);
	g_assert_nonnull(g_strstr_len(error->message, -1, "outcome unknown: "));
	g_assert_false(ret);
	g_assert_false(
	    fu_device_has_problem(fixture->device, FWUPD_DEVICE_PROBLEM_UPDATE_IN_PROGRESS));
	ret = g_file_get_contents(fn, &text, NULL, NULL);
	g_assert_true(ret);
	g_assert_cmpstr(text, ==, "1\n");
}

typedef enum {
	PENDING = 1 << 0, /* the flag is still set afterwards */
	IN_PARTS = 1 << 1,
	TELLS = 1 << 2, /* the driver has last_error */
	SLOW = 1 << 3,
	RMM = 1 << 4,
} FuArmLfaVerdictFlags;

typedef struct {
	const gchar *version;
	const gchar *version_pending;
	const gchar *version_after;
	guint flags;
	gint errnum;
	FuArmLfaOutcome outcome;
} FuArmLfaVerdictCase;

static void
fu_arm_lfa_verdict_func(void)
{
	const FuArmLfaOutcome activated = FU_ARM_LFA_OUTCOME_ACTIVATED;
	const FuArmLfaOutcome failed = FU_ARM_LFA_OUTCOME_FAILED;
	const FuArmLfaOutcome refused = FU_ARM_LFA_OUTCOME_REFUSED;
	const FuArmLfaOutcome unknown = FU_ARM_LFA_OUTCOME_UNKNOWN;
	const FuArmLfaVerdictCase cases[] = {
	    /* what runs decides first */
	    {"1.0", "1.1", "1.1", 0, 0, activated},
	    {"1.0", "1.1", "1.1", PENDING, 0, activated},
	    {"1.0", NULL, "1.1", PENDING, 0, activated},
	    {"", "1.1", "1.1", PENDING, 0, activated},
	    {"1.0", "1.1", "1.1", 0, ECANCELED, activated},
	    {"1.0", "1.1", "1.0", 0, 0, unknown},
	    {"1.0", "1.1", "1.2", 0, 0, unknown},
	    {"1.0", NULL, "1.0", 0, 0, unknown},
	    /* then the flag, except of an RMM */
	    {"", NULL, "", 0, 0, activated},
	    {"", NULL, "", PENDING, 0, unknown},
	    {"", NULL, "", RMM, 0, unknown},
	    {"1.0", "1.1", "1.0", 0, ECANCELED, unknown},
	    /* then the errno, unless what was aborted may go on */
	    {"1.0", "1.1", "1.0", PENDING, ECANCELED, failed},
	    {"1.0", "1.1", "1.0", PENDING | IN_PARTS, ECANCELED, unknown},
	    {"1.0", "1.1", "1.0", PENDING | SLOW, ECANCELED, unknown},
	    {"1.0", "1.1", "1.0", PENDING, EBUSY, refused},
	    {"1.0", "1.1", "1.0", PENDING, EINVAL, refused},
	    {"1.0", "1.1", "1.0", PENDING | TELLS, EINVAL, failed},
	    {"1.0", "1.1", "1.0", PENDING | TELLS, EIO, failed},
	    {"1.0", "1.1", "1.0", PENDING, EIO, unknown},
	    {"1.0", "1.1", "1.0", PENDING, EPIPE, failed},
	};
	for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
		const FuArmLfaVerdictCase *row = &cases[i];
		FuArmLfaState before = {.present = TRUE,
					.capable = TRUE,
					.pending = TRUE,
					.pending_known = TRUE,
					.in_parts = (row->flags & IN_PARTS) > 0,
					.can_force = TRUE,
					.tells_last_error = (row->flags & TELLS) > 0,
					.version = (gchar *)row->version,
					.version_pending = (gchar *)row->version_pending};
		FuArmLfaState after = before;
		FuArmLfaWrite wr = {.opened = TRUE,
				    .errnum = row->errnum,
				    .elapsed = row->flags & SLOW ? 10 * G_USEC_PER_SEC : 0};
		FuArmLfaOutcome outcome;
		g_autoptr(GError) error = NULL;

		after.version = (gchar *)row->version_after;
		after.version_pending = NULL;
		after.pending = (row->flags & PENDING) > 0;
		g_test_message("row %u", i);
		outcome = fu_arm_lfa_verdict(row->flags & RMM ? GUID_RMM : GUID_SCP,
					     &before,
					     &after,
					     &wr,
					     &error);
		g_assert_cmpint(outcome, ==, row->outcome);
		g_assert_true((error == NULL) == (outcome == FU_ARM_LFA_OUTCOME_ACTIVATED));
		g_assert_true(g_error_matches(error, FWUPD_ERROR, FWUPD_ERROR_TIMED_OUT) ==
			      (outcome == FU_ARM_LFA_OUTCOME_UNKNOWN));
	}
}

static void
fu_arm_lfa_version_func(void)
{
	g_assert_true(fu_arm_lfa_verdict_version_is_valid("0.0"));
	g_assert_true(fu_arm_lfa_verdict_version_is_valid("4294967295.4294967295"));
	g_assert_false(fu_arm_lfa_verdict_version_is_valid("4294967296.0"));
	g_assert_false(fu_arm_lfa_verdict_version_is_valid("N/A"));
	g_assert_false(fu_arm_lfa_verdict_version_is_valid("1"));
	g_assert_false(fu_arm_lfa_verdict_version_is_valid("1.2.3"));
	g_assert_false(fu_arm_lfa_verdict_version_is_valid("-1.2"));
	g_assert_false(fu_arm_lfa_verdict_version_is_valid(""));
}

#define FU_ARM_LFA_TEST_ADD(path, func)                                                            \
	g_test_add(path,                                                                           \
		   FuArmLfaFixture,                                                                \
		   NULL,                                                                           \
		   fu_arm_lfa_test_set_up,                                                         \
		   func,                                                                           \
		   fu_arm_lfa_test_tear_down)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);

	/* only critical and error are fatal */
	g_log_set_fatal_mask(NULL, G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);

	g_test_add_func("/arm-lfa/verdict", fu_arm_lfa_verdict_func);
	g_test_add_func("/arm-lfa/version", fu_arm_lfa_version_func);
	FU_ARM_LFA_TEST_ADD("/arm-lfa/plugin/enumerate", fu_arm_lfa_plugin_enumerate_func);
	FU_ARM_LFA_TEST_ADD("/arm-lfa/plugin/first-driver", fu_arm_lfa_plugin_first_driver_func);
	FU_ARM_LFA_TEST_ADD("/arm-lfa/plugin/uevent", fu_arm_lfa_plugin_uevent_func);
	FU_ARM_LFA_TEST_ADD("/arm-lfa/plugin/unreachable", fu_arm_lfa_plugin_unreachable_func);
	FU_ARM_LFA_TEST_ADD("/arm-lfa/plugin/activate", fu_arm_lfa_plugin_activate_func);
	return g_test_run();
}
