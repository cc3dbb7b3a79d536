/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "fu-arm-lfa-device.h"
#include "fu-arm-lfa-livefwd.h"
#include "fu-arm-lfa-verdict.h"

#define FU_ARM_LFA_DEVICE_VERSION_NOT_REPORTED "0.0"

struct _FuArmLfaDevice {
	FuUdevDevice parent_instance;
	FuArmLfaBackend *backend; /* no-ref */
	gchar *engine;
	gchar *socket;
	guint timeout; /* ms */
	gchar *shown;  /* what the daemon was last told of */
};

G_DEFINE_TYPE(FuArmLfaDevice, fu_arm_lfa_device, FU_TYPE_UDEV_DEVICE)

void
fu_arm_lfa_device_configure(FuArmLfaDevice *self,
			    FuArmLfaBackend *backend,
			    const gchar *engine,
			    const gchar *socket,
			    guint timeout)
{
	g_return_if_fail(FU_IS_ARM_LFA_DEVICE(self));
	g_free(self->engine);
	g_free(self->socket);
	self->backend = backend;
	self->engine = g_strdup(engine);
	self->socket = g_strdup(socket);
	self->timeout = timeout;
}

static void
fu_arm_lfa_device_to_string(FuDevice *device, guint idt, GString *str)
{
	FuArmLfaDevice *self = FU_ARM_LFA_DEVICE(device);
	fwupd_codec_string_append(str, idt, "Engine", self->engine);
	fwupd_codec_string_append(str, idt, "State", self->shown);
}

static gchar *
fu_arm_lfa_device_read(FuArmLfaDevice *self, const gchar *attr, GError **error)
{
	g_autofree gchar *value =
	    fu_udev_device_read_sysfs(FU_UDEV_DEVICE(self),
				      attr,
				      FU_UDEV_DEVICE_ATTR_READ_TIMEOUT_DEFAULT,
				      error);
	if (value == NULL)
		return NULL;
	return fu_strsafe(value, 0x1000);
}

static gboolean
fu_arm_lfa_device_read_flag(FuArmLfaDevice *self,
			    const gchar *attr,
			    gboolean *value,
			    GError **error)
{
	guint64 tmp = 0;
	g_autofree gchar *text = fu_arm_lfa_device_read(self, attr, error);

	if (text == NULL)
		return FALSE;
	if (!fu_strtoull(text, &tmp, 0, 1, FU_INTEGER_BASE_10, error)) {
		g_prefix_error(error, "%s: ", attr);
		return FALSE;
	}
	*value = tmp == 1;
	return TRUE;
}

static gchar *
fu_arm_lfa_device_read_version(FuArmLfaDevice *self, const gchar *attr)
{
	g_autofree gchar *text = fu_arm_lfa_device_read(self, attr, NULL);
	if (text == NULL || !fu_arm_lfa_verdict_version_is_valid(text))
		return NULL;
	if (g_strcmp0(text, FU_ARM_LFA_DEVICE_VERSION_NOT_REPORTED) == 0)
		return g_strdup("");
	return g_steal_pointer(&text);
}

/* reading activation_pending refreshes what pending_version looks at, so it is the first */
static FuArmLfaState *
fu_arm_lfa_device_read_state(FuArmLfaDevice *self, GError **error)
{
	gboolean force = TRUE;
	gboolean rendezvous = TRUE;
	g_autofree gchar *auto_activate = NULL;
	g_autofree gchar *last_error = NULL;
	g_autoptr(FuArmLfaState) st = g_new0(FuArmLfaState, 1);
	g_autoptr(GError) error_local = NULL;

	st->pending_known =
	    fu_arm_lfa_device_read_flag(self, "activation_pending", &st->pending, &error_local);
	if (!fu_arm_lfa_device_read_flag(self, "activation_capable", &st->capable, NULL)) {
		/* the files of a component that has gone read as zeros, and then there are none */
		if (!st->pending_known &&
		    !g_file_test(fu_udev_device_get_sysfs_path(FU_UDEV_DEVICE(self)),
				 G_FILE_TEST_IS_DIR)) {
			g_set_error_literal(error,
					    FWUPD_ERROR,
					    FWUPD_ERROR_NOT_FOUND,
					    "the component no longer exists");
			return NULL;
		}
	}
	st->present = TRUE;
	if (!fu_arm_lfa_device_read_flag(self, "may_reset_cpu", &st->resets_cpu, NULL))
		st->resets_cpu = FALSE;
	if (!fu_arm_lfa_device_read_flag(self, "cpu_rendezvous", &rendezvous, NULL))
		rendezvous = TRUE;
	st->can_force = fu_arm_lfa_device_read_flag(self, "force_cpu_rendezvous", &force, NULL);
	st->in_parts = !rendezvous && st->can_force && !force;
	st->version = fu_arm_lfa_device_read_version(self, "current_version");
	if (st->pending_known && st->pending)
		st->version_pending = fu_arm_lfa_device_read_version(self, "pending_version");

	/* version 1 of the driver prints what lies beside it in memory, and has no such setting */
	auto_activate = fu_arm_lfa_device_read(self, "auto_activate", NULL);
	if (auto_activate == NULL ||
	    (st->version_pending != NULL && st->version_pending[0] == '\0'))
		g_clear_pointer(&st->version_pending, g_free);
	last_error = fu_arm_lfa_device_read(self, "last_error", NULL);
	st->tells_last_error = last_error != NULL;
	return g_steal_pointer(&st);
}

static void
fu_arm_lfa_device_set_release(FuArmLfaDevice *self, const gchar *version)
{
	GPtrArray *releases = fwupd_device_get_releases(FWUPD_DEVICE(self));
	g_autoptr(FwupdRelease) release = NULL;

	g_ptr_array_set_size(releases, 0);
	if (version == NULL)
		return;
	release = fwupd_release_new();
	fwupd_release_set_version(release, version);
	fwupd_release_set_summary(release, "Staged, waits for its activation");
	fu_device_add_release(FU_DEVICE(self), release);
}

/* tell the daemon what has changed, and nothing where nothing has */
static void
fu_arm_lfa_device_show(FuArmLfaDevice *self, const FuArmLfaState *st)
{
	FuDevice *device = FU_DEVICE(self);
	gboolean live = st->capable && !st->resets_cpu;
	gboolean pending = st->pending_known && st->pending;
	g_autofree gchar *shown = g_strdup_printf("%i%i%i%i %s %s",
						  st->present,
						  st->pending_known,
						  pending,
						  live,
						  st->version,
						  st->version_pending);

	if (g_strcmp0(shown, self->shown) == 0)
		return;
	g_free(self->shown);
	self->shown = g_steal_pointer(&shown);

	if (!st->present) {
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION);
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_NEEDS_REBOOT);
		fu_device_add_problem(device, FWUPD_DEVICE_PROBLEM_UNREACHABLE);
		fu_arm_lfa_device_set_release(self, NULL);
		return;
	}
	fu_device_remove_problem(device, FWUPD_DEVICE_PROBLEM_UNREACHABLE);
	if (st->pending_known)
		fu_device_uninhibit(device, "unreadable");
	else
		fu_device_inhibit(device, "unreadable", "Its state cannot be read");
	fu_device_set_version(device, /* nocheck:set-version */
			      st->version != NULL && st->version[0] != '\0' ? st->version : NULL);
	if (st->resets_cpu)
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_USABLE_DURING_UPDATE);
	else
		fu_device_add_flag(device, FWUPD_DEVICE_FLAG_USABLE_DURING_UPDATE);

	/* nobody can activate what resets CPUs from Linux, and a boot takes the new image too */
	if (pending && live)
		fu_device_add_flag(device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION);
	else
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_NEEDS_ACTIVATION);
	if (pending && !live)
		fu_device_add_flag(device, FWUPD_DEVICE_FLAG_NEEDS_REBOOT);
	else
		fu_device_remove_flag(device, FWUPD_DEVICE_FLAG_NEEDS_REBOOT);
	fu_arm_lfa_device_set_release(self, pending ? st->version_pending : NULL);
	if (pending && live && fu_device_get_update_state(device) == FWUPD_UPDATE_STATE_UNKNOWN)
		fu_device_set_update_state(device, FWUPD_UPDATE_STATE_PENDING);
	else if (!pending && fu_device_get_update_state(device) != FWUPD_UPDATE_STATE_SUCCESS)
		fu_device_set_update_state(device, FWUPD_UPDATE_STATE_UNKNOWN);
}

gboolean
fu_arm_lfa_device_refresh(FuArmLfaDevice *self, GError **error)
{
	g_autoptr(FuArmLfaState) st = NULL;
	g_autoptr(GError) error_local = NULL;

	g_return_val_if_fail(FU_IS_ARM_LFA_DEVICE(self), FALSE);
	g_return_val_if_fail(error == NULL || *error == NULL, FALSE);

	/* reading may block as long as the activation does */
	if (fu_arm_lfa_backend_get_busy(self->backend))
		return TRUE;
	st = fu_arm_lfa_device_read_state(self, &error_local);
	if (st == NULL) {
		if (!g_error_matches(error_local, FWUPD_ERROR, FWUPD_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&error_local));
			return FALSE;
		}
		st = g_new0(FuArmLfaState, 1);
	}
	fu_arm_lfa_device_show(self, st);
	return TRUE;
}

static gboolean
fu_arm_lfa_device_poll(FuDevice *device, GError **error)
{
	FuArmLfaDevice *self = FU_ARM_LFA_DEVICE(device);
	g_autoptr(GError) error_local = NULL;

	/* of an emulated device was recorded what it reads once */
	if (fu_device_has_flag(device, FWUPD_DEVICE_FLAG_EMULATED))
		return TRUE;

	/* an error would end the polling */
	if (!fu_arm_lfa_device_refresh(self, &error_local))
		g_debug("ignoring: %s", error_local->message);
	return TRUE;
}

static gboolean
fu_arm_lfa_device_reload(FuDevice *device, GError **error)
{
	return fu_arm_lfa_device_refresh(FU_ARM_LFA_DEVICE(device), error);
}

static gboolean
fu_arm_lfa_device_probe(FuDevice *device, GError **error)
{
	FuArmLfaDevice *self = FU_ARM_LFA_DEVICE(device);
	fwupd_guid_t raw = {0};
	g_autofree gchar *guid = NULL;
	g_autofree gchar *mixed = NULL;

	guid = g_path_get_basename(fu_udev_device_get_sysfs_path(FU_UDEV_DEVICE(self)));
	if (!fwupd_guid_from_string(guid, &raw, FWUPD_GUID_FLAG_NONE, error))
		return FALSE;
	mixed = fwupd_guid_to_string((const fwupd_guid_t *)&raw, FWUPD_GUID_FLAG_MIXED_ENDIAN);

	/* the kernel prints the bytes in order, EFI and most vendors the first three swapped */
	fu_device_add_instance_id(device, guid);
	fu_device_add_instance_id(device, mixed);
	fu_device_set_physical_id(device, "arm-lfa");
	fu_device_set_logical_id(device, guid);
	return TRUE;
}

static gboolean
fu_arm_lfa_device_setup(FuDevice *device, GError **error)
{
	FuArmLfaDevice *self = FU_ARM_LFA_DEVICE(device);
	const gchar *guid = fu_device_get_logical_id(device);

	/* versions of the driver print a placeholder, nothing, the GUID or what lies on the stack
	 */
	if (fu_device_get_name(device) == NULL) {
		g_autofree gchar *name = fu_arm_lfa_device_read(self, "name", NULL);
		if (name != NULL && name[0] != '\0' && name[0] != '(' &&
		    g_strcmp0(name, guid) != 0 && g_str_is_ascii(name)) {
			fu_device_set_name(device, name);
		} else {
			g_autofree gchar *fallback = g_strdup_printf("LFA component %.8s", guid);
			fu_device_set_name(device, fallback);
		}
	}
	return fu_arm_lfa_device_refresh(self, error);
}

static void
fu_arm_lfa_device_set_busy(FuArmLfaDevice *self, gboolean busy)
{
	fu_arm_lfa_backend_set_busy(self->backend, busy);
	if (busy)
		fu_device_add_problem(FU_DEVICE(self), FWUPD_DEVICE_PROBLEM_UPDATE_IN_PROGRESS);
	else
		fu_device_remove_problem(FU_DEVICE(self), FWUPD_DEVICE_PROBLEM_UPDATE_IN_PROGRESS);
}

/* one write, in a thread; the main loop goes on meanwhile, so that other clients are answered */
typedef struct {
	FuArmLfaDevice *device;
	GMainLoop *loop;
	gchar *fn;
	gboolean done;
	gboolean abandoned;
	FuArmLfaWrite wr;
} FuArmLfaRequest;

static void
fu_arm_lfa_device_request_free(FuArmLfaRequest *request)
{
	g_main_loop_unref(request->loop);
	g_object_unref(request->device);
	g_free(request->fn);
	g_free(request);
}

/* fu_udev_device_write_sysfs() would hide the errno, which is all that the kernel says */
static void
fu_arm_lfa_device_write_thread_cb(GTask *task,
				  gpointer source,
				  gpointer task_data,
				  GCancellable *cancellable)
{
	FuArmLfaRequest *request = task_data;
	const gchar data[] = "1\n";
	gint fd;
	gint64 started = g_get_monotonic_time();

	fd = g_open(request->fn, O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0);
	if (fd < 0) {
		request->wr.errnum = errno;
	} else {
		request->wr.opened = TRUE;
		if (write(fd, data, sizeof(data) - 1) < 0)
			request->wr.errnum = errno;
		(void)close(fd);
	}
	request->wr.elapsed = g_get_monotonic_time() - started;
	g_task_return_boolean(task, TRUE);
}

static void
fu_arm_lfa_device_write_done_cb(GObject *source, GAsyncResult *res, gpointer user_data)
{
	FuArmLfaRequest *request = user_data;

	request->done = TRUE;
	if (!request->abandoned) {
		g_main_loop_quit(request->loop);
		return;
	}

	/* nobody waits any more: only now can the state be read, and something else be begun */
	g_info("%s: ended after %u s", request->fn, (guint)(request->wr.elapsed / G_USEC_PER_SEC));
	fu_arm_lfa_device_set_busy(request->device, FALSE);
	if (!fu_arm_lfa_device_refresh(request->device, NULL))
		g_debug("failed to refresh %s", request->fn);
	fu_arm_lfa_device_request_free(request);
}

static gboolean
fu_arm_lfa_device_write_timeout_cb(gpointer user_data)
{
	FuArmLfaRequest *request = user_data;
	g_main_loop_quit(request->loop);
	return G_SOURCE_REMOVE;
}

/* FALSE if it has not ended in time: it cannot be interrupted, and goes on */
static gboolean
fu_arm_lfa_device_write(FuArmLfaDevice *self, const gchar *attr, FuArmLfaWrite *wr)
{
	FuArmLfaRequest *request = g_new0(FuArmLfaRequest, 1);
	g_autoptr(GSource) source = g_timeout_source_new(self->timeout);
	g_autoptr(GTask) task = NULL;

	request->device = g_object_ref(self);
	request->loop = g_main_loop_new(NULL, FALSE);
	request->fn =
	    g_build_filename(fu_udev_device_get_sysfs_path(FU_UDEV_DEVICE(self)), attr, NULL);
	task = g_task_new(self, NULL, fu_arm_lfa_device_write_done_cb, request);
	g_task_set_task_data(task, request, NULL);
	g_source_set_callback(source, fu_arm_lfa_device_write_timeout_cb, request, NULL);
	g_source_attach(source, NULL);
	g_task_run_in_thread(task, fu_arm_lfa_device_write_thread_cb);
	g_main_loop_run(request->loop);
	g_source_destroy(source);

	if (!request->done) {
		request->abandoned = TRUE;
		return FALSE;
	}
	*wr = request->wr;
	fu_arm_lfa_device_request_free(request);
	return TRUE;
}

static FuArmLfaState *
fu_arm_lfa_device_check(FuArmLfaDevice *self, GError **error)
{
	g_autoptr(FuArmLfaState) st = fu_arm_lfa_device_read_state(self, error);

	if (st == NULL)
		return NULL;
	if (!st->pending_known) {
		g_set_error_literal(error,
				    FWUPD_ERROR,
				    FWUPD_ERROR_NOT_SUPPORTED,
				    "whether an image is pending cannot be read");
		return NULL;
	}
	if (!st->pending) {
		g_set_error_literal(error,
				    FWUPD_ERROR,
				    FWUPD_ERROR_NOTHING_TO_DO,
				    "no image is pending any more");
		return NULL;
	}
	if (!st->capable || st->resets_cpu) {
		g_set_error_literal(
		    error,
		    FWUPD_ERROR,
		    FWUPD_ERROR_NEEDS_USER_ACTION,
		    "it cannot be activated while Linux runs; a reboot is required");
		return NULL;
	}
	return g_steal_pointer(&st);
}

/* the directory of a component that has left the inventory goes a little after the write */
static FuArmLfaState *
fu_arm_lfa_device_read_state_after(FuArmLfaDevice *self)
{
	g_autoptr(FuArmLfaState) st = NULL;

	for (guint i = 0; i < 20; i++) {
		g_clear_pointer(&st, fu_arm_lfa_verdict_state_free);
		st = fu_arm_lfa_device_read_state(self, NULL);
		if (st == NULL)
			return g_new0(FuArmLfaState, 1);
		if (st->capable)
			break;
		fu_device_sleep(FU_DEVICE(self), 50);
	}
	return g_steal_pointer(&st);
}

static gboolean
fu_arm_lfa_device_activate_sysfs(FuArmLfaDevice *self,
				 const FuArmLfaState *before,
				 FuProgress *progress,
				 GError **error)
{
	FuArmLfaOutcome outcome;
	FuArmLfaWrite ignored = {0};
	FuArmLfaWrite wr = {0};
	g_autoptr(FuArmLfaState) after = NULL;

	if (!fu_arm_lfa_device_write(self, "activate", &wr)) {
		g_set_error(
		    error,
		    FWUPD_ERROR,
		    FWUPD_ERROR_TIMED_OUT,
		    "outcome unknown: the kernel has not answered after %u ms, and goes on; "
		    "see the version of the component and the kernel log later",
		    self->timeout);
		return FALSE;
	}
	fu_progress_step_done(progress);

	after = fu_arm_lfa_device_read_state_after(self);
	outcome = fu_arm_lfa_verdict(fu_device_get_logical_id(FU_DEVICE(self)),
				     before,
				     after,
				     &wr,
				     error);
	if (outcome == FU_ARM_LFA_OUTCOME_FAILED && before->tells_last_error) {
		g_autofree gchar *last_error = fu_arm_lfa_device_read(self, "last_error", NULL);
		if (last_error != NULL && last_error[0] != '\0')
			g_prefix_error(error, "%s: ", last_error);
	}

	/* some firmware keeps the component selected, and would refuse every other one */
	if ((wr.errnum == 0 || outcome == FU_ARM_LFA_OUTCOME_FAILED) &&
	    !fu_arm_lfa_device_write(self, "cancel", &ignored)) {
		g_warning("cancel has not ended after %u ms", self->timeout);
		return outcome == FU_ARM_LFA_OUTCOME_ACTIVATED;
	}
	fu_arm_lfa_device_set_busy(self, FALSE);
	return outcome == FU_ARM_LFA_OUTCOME_ACTIVATED;
}

gboolean
fu_arm_lfa_device_activate_component(FuArmLfaDevice *self, FuProgress *progress, GError **error)
{
	gboolean ret;
	g_autoptr(FuArmLfaState) before = NULL;
	g_autoptr(FuArmLfaDevice) self_ref = g_object_ref(self); /* the main loop runs below */

	g_return_val_if_fail(FU_IS_ARM_LFA_DEVICE(self), FALSE);
	g_return_val_if_fail(error == NULL || *error == NULL, FALSE);

	if (!fu_arm_lfa_backend_begin(self->backend, error))
		return FALSE;
	fu_progress_set_id(progress, G_STRLOC);
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_READ, 5, "check");
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_RESTART, 90, "activate");
	fu_progress_add_step(progress, FWUPD_STATUS_DEVICE_VERIFY, 5, "verify");

	fu_arm_lfa_device_set_busy(self, TRUE);
	before = fu_arm_lfa_device_check(self, error);
	if (before == NULL) {
		fu_arm_lfa_device_set_busy(self, FALSE);
		return FALSE;
	}
	fu_progress_step_done(progress);

	if (fu_arm_lfa_livefwd_is_used(self->engine, self->socket)) {
		g_autofree gchar *component =
		    g_strdup_printf("lfa:%s", fu_device_get_logical_id(FU_DEVICE(self)));
		ret = fu_arm_lfa_livefwd_activate(self->socket, component, error);
		fu_arm_lfa_device_set_busy(self, FALSE);
		fu_progress_step_done(progress);
	} else {
		ret = fu_arm_lfa_device_activate_sysfs(self, before, progress, error);
	}

	/* a state also ends the problem that an update is in progress, so not while it is */
	if (!fu_arm_lfa_backend_get_busy(self->backend)) {
		FwupdUpdateState state = FWUPD_UPDATE_STATE_SUCCESS;
		if (!ret) {
			state = g_error_matches(*error, FWUPD_ERROR, FWUPD_ERROR_TIMED_OUT)
				    ? FWUPD_UPDATE_STATE_UNKNOWN
				    : FWUPD_UPDATE_STATE_FAILED;
		}
		fu_device_set_update_state(FU_DEVICE(self), state);
	}
	if (!ret)
		return FALSE;
	fu_progress_step_done(progress);
	return TRUE;
}

static void
fu_arm_lfa_device_init(FuArmLfaDevice *self)
{
	self->engine = g_strdup("sysfs");
	self->socket = g_strdup(FU_ARM_LFA_LIVEFWD_SOCKET);
	self->timeout = 170000;
	fu_device_set_vendor(FU_DEVICE(self), "Arm");
	fu_device_build_vendor_id(FU_DEVICE(self), "ACPI", "ARML");
	fu_device_set_summary(FU_DEVICE(self), "Firmware that can be activated at runtime");
	fu_device_set_version_format(FU_DEVICE(self), FWUPD_VERSION_FORMAT_PAIR);
	fu_device_add_icon(FU_DEVICE(self), FU_DEVICE_ICON_COMPUTER);
	fu_device_add_flag(FU_DEVICE(self), FWUPD_DEVICE_FLAG_INTERNAL);
	fu_device_add_flag(FU_DEVICE(self), FWUPD_DEVICE_FLAG_SIGNED_PAYLOAD);
	fu_device_add_private_flag(FU_DEVICE(self), FU_DEVICE_PRIVATE_FLAG_HOST_FIRMWARE_CHILD);
	fu_device_add_private_flag(FU_DEVICE(self), FU_DEVICE_PRIVATE_FLAG_NO_VERSION_EXPECTED);
	fu_device_add_private_flag(FU_DEVICE(self), FU_DEVICE_PRIVATE_FLAG_NO_AUTO_REMOVE);
}

static void
fu_arm_lfa_device_finalize(GObject *object)
{
	FuArmLfaDevice *self = FU_ARM_LFA_DEVICE(object);
	g_free(self->engine);
	g_free(self->shown);
	g_free(self->socket);
	G_OBJECT_CLASS(fu_arm_lfa_device_parent_class)->finalize(object);
}

static void
fu_arm_lfa_device_class_init(FuArmLfaDeviceClass *klass)
{
	GObjectClass *object_class = G_OBJECT_CLASS(klass);
	FuDeviceClass *device_class = FU_DEVICE_CLASS(klass);
	object_class->finalize = fu_arm_lfa_device_finalize;
	device_class->to_string = fu_arm_lfa_device_to_string;
	device_class->probe = fu_arm_lfa_device_probe;
	device_class->setup = fu_arm_lfa_device_setup;
	device_class->poll = fu_arm_lfa_device_poll;
	device_class->reload = fu_arm_lfa_device_reload;
}
