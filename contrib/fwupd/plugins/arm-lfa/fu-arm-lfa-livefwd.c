/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <gio/gunixfdlist.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fu-arm-lfa-livefwd.h"

#define FU_ARM_LFA_LIVEFWD_INTERFACE "org.livefw.Livefw1"
#define FU_ARM_LFA_LIVEFWD_PATH	     "/org/livefw"

/* the service also talks as the daemon of fwupd does, on the same socket */
#define FU_ARM_LFA_LIVEFWD_FWUPD_INTERFACE "org.freedesktop.fwupd"
#define FU_ARM_LFA_LIVEFWD_FWUPD_PATH	   "/"

/* what the command, and so the service, ends with; the texts are its own */
typedef enum {
	FU_ARM_LFA_LIVEFWD_EXIT_DONE,
	FU_ARM_LFA_LIVEFWD_EXIT_FAILED,
	FU_ARM_LFA_LIVEFWD_EXIT_USAGE,
	FU_ARM_LFA_LIVEFWD_EXIT_NOTHING_TO_DO,
	FU_ARM_LFA_LIVEFWD_EXIT_REFUSED,
	FU_ARM_LFA_LIVEFWD_EXIT_NO_PERMISSION,
	FU_ARM_LFA_LIVEFWD_EXIT_UNKNOWN,
} FuArmLfaLivefwdExit;

/* the main loop goes on while the service works, so that other clients are answered */
typedef struct {
	GMainLoop *loop;
	GAsyncResult *res;
} FuArmLfaLivefwdHelper;

static void
fu_arm_lfa_livefwd_done_cb(GObject *source, GAsyncResult *res, gpointer user_data)
{
	FuArmLfaLivefwdHelper *helper = user_data;
	helper->res = g_object_ref(res);
	g_main_loop_quit(helper->loop);
}

static GAsyncResult *
fu_arm_lfa_livefwd_wait(FuArmLfaLivefwdHelper *helper)
{
	g_main_loop_run(helper->loop);
	return g_steal_pointer(&helper->res);
}

static gboolean
fu_arm_lfa_livefwd_check_owner(const gchar *path, mode_t type, GError **error)
{
	GStatBuf st = {0};

	if (g_lstat(path, &st) != 0) {
		g_set_error(error,
			    FWUPD_ERROR,
			    FWUPD_ERROR_NOT_SUPPORTED,
			    "livefwd does not listen at %s",
			    path);
		return FALSE;
	}
	if ((st.st_mode & S_IFMT) != type || (st.st_uid != 0 && st.st_uid != geteuid()) ||
	    (type == S_IFDIR && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)) {
		g_set_error(error,
			    FWUPD_ERROR,
			    FWUPD_ERROR_PERMISSION_DENIED,
			    "%s is not trusted: it is not root's, or others may replace it",
			    path);
		return FALSE;
	}
	return TRUE;
}

/* who answers decides what runs: only root may, by its path and by what the kernel says of it */
static GIOStream *
fu_arm_lfa_livefwd_connect(const gchar *socket, GError **error)
{
	uid_t uid;
	g_autofree gchar *dirname = g_path_get_dirname(socket);
	g_autoptr(GCredentials) credentials = NULL;
	g_autoptr(GError) error_local = NULL;
	g_autoptr(GSocketAddress) address = g_unix_socket_address_new(socket);
	g_autoptr(GSocketClient) client = g_socket_client_new();
	g_autoptr(GSocketConnection) connection = NULL;

	if (!fu_arm_lfa_livefwd_check_owner(dirname, S_IFDIR, error))
		return NULL;
	if (!fu_arm_lfa_livefwd_check_owner(socket, S_IFSOCK, error))
		return NULL;
	connection =
	    g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error_local);
	if (connection == NULL) {
		g_set_error(error,
			    FWUPD_ERROR,
			    FWUPD_ERROR_NOT_SUPPORTED,
			    "livefwd does not answer: %s; Engine=sysfs in [arm_lfa] of fwupd.conf "
			    "activates without it",
			    error_local->message);
		return NULL;
	}
	credentials = g_socket_get_credentials(g_socket_connection_get_socket(connection), error);
	if (credentials == NULL) {
		fwupd_error_convert(error);
		return NULL;
	}
	uid = g_credentials_get_unix_user(credentials, error);
	if (uid == (uid_t)-1) {
		fwupd_error_convert(error);
		return NULL;
	}
	if (uid != 0 && uid != geteuid()) {
		g_set_error(error,
			    FWUPD_ERROR,
			    FWUPD_ERROR_PERMISSION_DENIED,
			    "%s is not trusted: user %u listens there",
			    socket,
			    (guint)uid);
		return NULL;
	}
	return G_IO_STREAM(g_steal_pointer(&connection));
}

static gboolean
fu_arm_lfa_livefwd_check_exit(gint exit_code, const gchar *text, GError **error)
{
	FwupdError code = FWUPD_ERROR_INTERNAL;

	switch (exit_code) {
	case FU_ARM_LFA_LIVEFWD_EXIT_DONE:
		return TRUE;
	case FU_ARM_LFA_LIVEFWD_EXIT_FAILED:
		code = FWUPD_ERROR_WRITE;
		break;
	case FU_ARM_LFA_LIVEFWD_EXIT_USAGE:
		code = FWUPD_ERROR_NOT_SUPPORTED;
		break;
	case FU_ARM_LFA_LIVEFWD_EXIT_NOTHING_TO_DO:
		code = FWUPD_ERROR_NOTHING_TO_DO;
		break;
	case FU_ARM_LFA_LIVEFWD_EXIT_REFUSED:
		code = FWUPD_ERROR_NEEDS_USER_ACTION;
		break;
	case FU_ARM_LFA_LIVEFWD_EXIT_NO_PERMISSION:
		code = FWUPD_ERROR_PERMISSION_DENIED;
		break;
	case FU_ARM_LFA_LIVEFWD_EXIT_UNKNOWN:
		code = FWUPD_ERROR_TIMED_OUT;
		break;
	default:
		break;
	}
	g_set_error_literal(error, FWUPD_ERROR, code, text);
	return FALSE;
}

/* a call on a connection of its own */
static GVariant *
fu_arm_lfa_livefwd_call(const gchar *socket,
			const gchar *interface,
			const gchar *method,
			GVariant *parameters,
			GUnixFDList *fds,
			const gchar *reply_type,
			GError **error)
{
	FuArmLfaLivefwdHelper helper = {0};
	const gchar *path = FU_ARM_LFA_LIVEFWD_PATH;
	g_autoptr(GAsyncResult) res_called = NULL;
	g_autoptr(GAsyncResult) res_connected = NULL;
	g_autoptr(GDBusConnection) connection = NULL;
	g_autoptr(GError) error_local = NULL;
	g_autoptr(GIOStream) stream = NULL;
	g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
	g_autoptr(GVariant) parameters_sunk = g_variant_ref_sink(parameters);
	g_autoptr(GVariant) reply = NULL;

	stream = fu_arm_lfa_livefwd_connect(socket, error);
	if (stream == NULL)
		return NULL;
	helper.loop = loop;
	g_dbus_connection_new(stream,
			      NULL,
			      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
			      NULL,
			      NULL,
			      fu_arm_lfa_livefwd_done_cb,
			      &helper);
	res_connected = fu_arm_lfa_livefwd_wait(&helper);
	connection = g_dbus_connection_new_finish(res_connected, &error_local);
	if (connection == NULL) {
		g_set_error(error,
			    FWUPD_ERROR,
			    FWUPD_ERROR_NOT_SUPPORTED,
			    "livefwd does not answer: %s",
			    error_local->message);
		return NULL;
	}
	if (g_strcmp0(interface, FU_ARM_LFA_LIVEFWD_FWUPD_INTERFACE) == 0)
		path = FU_ARM_LFA_LIVEFWD_FWUPD_PATH;
	g_dbus_connection_call_with_unix_fd_list(connection,
						 NULL,
						 path,
						 interface,
						 method,
						 parameters_sunk,
						 G_VARIANT_TYPE(reply_type),
						 G_DBUS_CALL_FLAGS_NONE,
						 G_MAXINT, /* it has limits of its own */
						 fds,
						 NULL,
						 fu_arm_lfa_livefwd_done_cb,
						 &helper);
	res_called = fu_arm_lfa_livefwd_wait(&helper);
	reply = g_dbus_connection_call_with_unix_fd_list_finish(connection,
								NULL,
								res_called,
								&error_local);
	if (reply == NULL) {
		gboolean refused = g_dbus_error_is_remote_error(error_local);
		g_dbus_error_strip_remote_error(error_local);
		g_set_error(error,
			    FWUPD_ERROR,
			    refused ? FWUPD_ERROR_NOT_SUPPORTED : FWUPD_ERROR_TIMED_OUT,
			    refused ? "livefwd did not accept it: %s"
				    : "outcome unknown: livefwd ended before it answered (%s); its "
				      "history has what was found out",
			    error_local->message);
		return NULL;
	}
	return g_steal_pointer(&reply);
}

/* what changes something is answered with a document, a text and an exit code */
static gboolean
fu_arm_lfa_livefwd_run(const gchar *socket,
		       const gchar *method,
		       GVariant *parameters,
		       GUnixFDList *fds,
		       GError **error)
{
	const gchar *text = NULL;
	gint exit_code = 0;
	g_autofree gchar *stripped = NULL;
	g_autoptr(GVariant) reply = NULL;

	reply = fu_arm_lfa_livefwd_call(socket,
					FU_ARM_LFA_LIVEFWD_INTERFACE,
					method,
					parameters,
					fds,
					"(ssi)",
					error);
	if (reply == NULL)
		return FALSE;
	g_variant_get(reply, "(&s&si)", NULL, &text, &exit_code);
	stripped = fu_strsafe(text, 0x2000);
	return fu_arm_lfa_livefwd_check_exit(exit_code, stripped != NULL ? stripped : "", error);
}

/**
 * fu_arm_lfa_livefwd_is_used:
 * @engine: (nullable): the key of the configuration
 * @socket: (nullable): a path
 *
 * Finds out whether livefwd is asked, and nobody else. A service that is installed knows policies
 * and checks, so it is not evaded when it is down.
 *
 * Returns: %TRUE if it is
 **/
gboolean
fu_arm_lfa_livefwd_is_used(const gchar *engine, const gchar *socket)
{
	if (socket == NULL || g_strcmp0(engine, "sysfs") == 0)
		return FALSE;
	return g_strcmp0(engine, "livefwd") == 0 || g_file_test(socket, G_FILE_TEST_EXISTS);
}

/**
 * fu_arm_lfa_livefwd_get_devices:
 * @socket: a path
 * @error: (nullable): optional return location for an error
 *
 * Gets what livefwd shows to clients of fwupd.
 *
 * Returns: (transfer full): a variant of type `aa{sv}`, or %NULL for error
 **/
GVariant *
fu_arm_lfa_livefwd_get_devices(const gchar *socket, GError **error)
{
	g_autoptr(GVariant) reply = fu_arm_lfa_livefwd_call(socket,
							    FU_ARM_LFA_LIVEFWD_FWUPD_INTERFACE,
							    "GetDevices",
							    g_variant_new("()"),
							    NULL,
							    "(aa{sv})",
							    error);
	if (reply == NULL)
		return NULL;
	return g_variant_get_child_value(reply, 0);
}

/**
 * fu_arm_lfa_livefwd_activate:
 * @socket: a path
 * @component: the key of a component
 * @error: (nullable): optional return location for an error
 *
 * Has livefwd activate a component, with its checks, policy and history.
 *
 * Returns: %TRUE for success; the text of @error is livefwd's
 **/
gboolean
fu_arm_lfa_livefwd_activate(const gchar *socket, const gchar *component, GError **error)
{
	GVariantBuilder components;
	GVariantBuilder options;

	g_variant_builder_init(&components, G_VARIANT_TYPE("as"));
	g_variant_builder_add(&components, "s", component);
	g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
	g_variant_builder_add(&options, "{sv}", "reason", g_variant_new_string("fwupd"));
	return fu_arm_lfa_livefwd_run(socket,
				      "Activate",
				      g_variant_new("(asa{sv})", &components, &options),
				      NULL,
				      error);
}

/**
 * fu_arm_lfa_livefwd_stage:
 * @socket: a path
 * @component: the key of a component
 * @image: what is to wait for its activation
 * @older: whether it may be older than what runs
 * @error: (nullable): optional return location for an error
 *
 * Has livefwd stage an image, with its checks, policy and history.
 *
 * Returns: %TRUE for success; the text of @error is livefwd's
 **/
gboolean
fu_arm_lfa_livefwd_stage(const gchar *socket,
			 const gchar *component,
			 GBytes *image,
			 gboolean older,
			 GError **error)
{
	GVariantBuilder options;
	const gchar *const ignore[] = {"downgrade"};
	gint handle;
	g_autoptr(FuIOChannel) io = NULL;
	g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();

	io = fu_io_channel_virtual_new("arm-lfa", error);
	if (io == NULL)
		return FALSE;
	if (!fu_io_channel_write_bytes(io, image, 0, FU_IO_CHANNEL_FLAG_USE_BLOCKING_IO, error))
		return FALSE;
	handle = g_unix_fd_list_append(fds, fu_io_channel_unix_get_fd(io), error);
	if (handle == -1) {
		fwupd_error_convert(error);
		return FALSE;
	}
	g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
	g_variant_builder_add(&options, "{sv}", "reason", g_variant_new_string("fwupd"));
	g_variant_builder_add(&options,
			      "{sv}",
			      "ignore",
			      g_variant_new_strv(ignore, older ? 1 : 0));
	return fu_arm_lfa_livefwd_run(socket,
				      "Stage",
				      g_variant_new("(sha{sv})", component, handle, &options),
				      fds,
				      error);
}
