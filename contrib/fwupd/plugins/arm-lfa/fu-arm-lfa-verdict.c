/*
 * Copyright 2026 The livefw authors
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */

#include "config.h"

#include <errno.h>

#include "fu-arm-lfa-verdict.h"

/* the driver gives up after this time, and what it has asked for may still happen */
#define FU_ARM_LFA_VERDICT_GAVE_UP (9 * G_USEC_PER_SEC)

/* TF-A 2.14 clears the pending flag of an RMM after a failure, and reports no versions */
#define FU_ARM_LFA_VERDICT_GUID_RMM "6c0762a6-12f2-4b56-92cb-ba8f633606d9"

void
fu_arm_lfa_verdict_state_free(FuArmLfaState *st)
{
	g_free(st->version);
	g_free(st->version_pending);
	g_free(st);
}

/* two decimal numbers of 32 bits */
gboolean
fu_arm_lfa_verdict_version_is_valid(const gchar *version)
{
	g_auto(GStrv) split = g_strsplit(version, ".", -1);
	if (g_strv_length(split) != 2)
		return FALSE;
	for (guint i = 0; split[i] != NULL; i++) {
		guint64 value = 0;
		if (!g_ascii_isdigit(split[i][0]))
			return FALSE;
		if (!fu_strtoull(split[i], &value, 0, G_MAXUINT32, FU_INTEGER_BASE_10, NULL))
			return FALSE;
	}
	return TRUE;
}

typedef struct {
	gint errnum;
	FuArmLfaOutcome outcome;
	FwupdError code;
	const gchar *message;
} FuArmLfaErrno;

/* whoever opens the file has not asked for anything yet; with the others the driver says so */
static const FuArmLfaErrno errnos[] = {
    {ENOENT, FU_ARM_LFA_OUTCOME_REFUSED, FWUPD_ERROR_NOT_FOUND, "the component no longer exists"},
    {ENODEV, FU_ARM_LFA_OUTCOME_REFUSED, FWUPD_ERROR_NOT_FOUND, "the component no longer exists"},
    {EACCES,
     FU_ARM_LFA_OUTCOME_REFUSED,
     FWUPD_ERROR_PERMISSION_DENIED,
     "the daemon may not write to the file"},
    {EPERM,
     FU_ARM_LFA_OUTCOME_REFUSED,
     FWUPD_ERROR_PERMISSION_DENIED,
     "the daemon may not write to the file"},
    {EROFS,
     FU_ARM_LFA_OUTCOME_REFUSED,
     FWUPD_ERROR_PERMISSION_DENIED,
     "sysfs is read-only for the daemon: ReadWritePaths= of fwupd.service has to name "
     "-/sys/firmware/lfa"},
    {EBUSY,
     FU_ARM_LFA_OUTCOME_REFUSED,
     FWUPD_ERROR_BUSY,
     "another activation, or the cleanup after one, is in progress; try again later"},
    {EINVAL,
     FU_ARM_LFA_OUTCOME_REFUSED,
     FWUPD_ERROR_NEEDS_USER_ACTION,
     "activating it may reset CPUs, which Linux does not support; a reboot is required"},
    {EOPNOTSUPP,
     FU_ARM_LFA_OUTCOME_REFUSED,
     FWUPD_ERROR_NEEDS_USER_ACTION,
     "activating it may reset CPUs, which Linux does not support; a reboot is required"},
    {ECANCELED,
     FU_ARM_LFA_OUTCOME_FAILED,
     FWUPD_ERROR_WRITE,
     "the kernel aborted the activation; the kernel log has the reason"},
    {ESHUTDOWN,
     FU_ARM_LFA_OUTCOME_FAILED,
     FWUPD_ERROR_WRITE,
     "the driver ended the activation: it is being unloaded, or the machine goes down or to sleep"},
    {EKEYREJECTED,
     FU_ARM_LFA_OUTCOME_FAILED,
     FWUPD_ERROR_WRITE,
     "the new image failed authentication"},
    {ENOMEM, FU_ARM_LFA_OUTCOME_FAILED, FWUPD_ERROR_WRITE, "the firmware ran out of memory"},
    {EIO,
     FU_ARM_LFA_OUTCOME_UNKNOWN,
     FWUPD_ERROR_TIMED_OUT,
     "the connection to the kernel was lost"},
    {EINTR,
     FU_ARM_LFA_OUTCOME_UNKNOWN,
     FWUPD_ERROR_TIMED_OUT,
     "the connection to the kernel was lost"},
    {ENOTCONN,
     FU_ARM_LFA_OUTCOME_UNKNOWN,
     FWUPD_ERROR_TIMED_OUT,
     "the connection to the kernel was lost"},
    {ECONNABORTED,
     FU_ARM_LFA_OUTCOME_UNKNOWN,
     FWUPD_ERROR_TIMED_OUT,
     "the connection to the kernel was lost"},
};

static FuArmLfaOutcome
fu_arm_lfa_verdict_unknown(const gchar *reason, GError **error)
{
	g_set_error(error,
		    FWUPD_ERROR,
		    FWUPD_ERROR_TIMED_OUT,
		    "outcome unknown: %s; see the version of the component and the kernel log",
		    reason);
	return FU_ARM_LFA_OUTCOME_UNKNOWN;
}

/* the write itself: what the errno says, whatever can be seen besides */
static FuArmLfaOutcome
fu_arm_lfa_verdict_errno(const FuArmLfaState *before, const FuArmLfaWrite *wr, GError **error)
{
	FuArmLfaErrno found = {wr->errnum, FU_ARM_LFA_OUTCOME_FAILED, FWUPD_ERROR_WRITE, NULL};

	for (guint i = 0; i < G_N_ELEMENTS(errnos); i++) {
		if (errnos[i].errnum == wr->errnum)
			found = errnos[i];
	}

	/* a driver that tells kinds of failures apart; and the first one, that has a word for none
	 */
	if (wr->opened &&
	    ((before->tells_last_error && (wr->errnum == EINVAL)) ||
	     ((before->tells_last_error || !before->can_force) && wr->errnum == EIO))) {
		found.outcome = FU_ARM_LFA_OUTCOME_FAILED;
		found.code = FWUPD_ERROR_WRITE;
		found.message = NULL;
	}
	if (!wr->opened && found.outcome != FU_ARM_LFA_OUTCOME_REFUSED) {
		found.outcome = FU_ARM_LFA_OUTCOME_REFUSED;
		found.code = FWUPD_ERROR_NOT_SUPPORTED;
		found.message = NULL;
	}
	if (found.outcome == FU_ARM_LFA_OUTCOME_UNKNOWN)
		return fu_arm_lfa_verdict_unknown(found.message, error);
	g_set_error(error,
		    FWUPD_ERROR,
		    found.code,
		    "%s: %s (%s)",
		    found.outcome == FU_ARM_LFA_OUTCOME_FAILED ? "the activation failed"
							       : "nothing was tried",
		    found.message != NULL ? found.message : "the kernel did not accept it",
		    fwupd_strerror(wr->errnum));
	return found.outcome;
}

/* after a success nothing but the version shows that it is true: some firmware never clears the
 * pending flag, and the first driver reports failures as success */
static FuArmLfaOutcome
fu_arm_lfa_verdict_accepted(const gchar *guid,
			    const FuArmLfaState *before,
			    const FuArmLfaState *after,
			    GError **error)
{
	gboolean reports = after->version != NULL && after->version[0] != '\0';

	if (reports && before->version != NULL && before->version_pending != NULL) {
		if (g_strcmp0(after->version, before->version) == 0 &&
		    g_strcmp0(after->version, before->version_pending) != 0)
			return fu_arm_lfa_verdict_unknown(
			    "success was reported, but the old version is still shown",
			    error);
		if (g_strcmp0(after->version, before->version_pending) != 0)
			return fu_arm_lfa_verdict_unknown(
			    "a different version is running than before, and it is not the "
			    "announced one",
			    error);
		if (g_strcmp0(after->version, before->version) != 0)
			return FU_ARM_LFA_OUTCOME_ACTIVATED;
	} else if (reports && before->version != NULL && before->version[0] != '\0') {
		if (g_strcmp0(after->version, before->version) != 0)
			return FU_ARM_LFA_OUTCOME_ACTIVATED;
		return fu_arm_lfa_verdict_unknown(
		    "success was reported, and the version is the same as before",
		    error);
	}

	/* no version helps */
	if (!after->present)
		return fu_arm_lfa_verdict_unknown("success was reported, and the component is gone",
						  error);
	if (!after->pending_known)
		return fu_arm_lfa_verdict_unknown(
		    "success was reported, and whether the image still waits cannot be read",
		    error);
	if (after->pending)
		return fu_arm_lfa_verdict_unknown(
		    "success was reported, but the image is still pending",
		    error);
	if (g_strcmp0(guid, FU_ARM_LFA_VERDICT_GUID_RMM) == 0 && !reports &&
	    before->version_pending == NULL &&
	    (before->version == NULL || before->version[0] == '\0'))
		return fu_arm_lfa_verdict_unknown(
		    "success was reported, but some firmware reports it of an RMM that failed",
		    error);
	return FU_ARM_LFA_OUTCOME_ACTIVATED;
}

/**
 * fu_arm_lfa_verdict:
 * @guid: the component
 * @before: what it showed before the write
 * @after: what it shows now
 * @wr: how the write ended
 * @error: (nullable): optional return location for an error
 *
 * Works out what became of an activation. What runs decides first, then the pending flag, and last
 * what the driver has replied.
 *
 * Returns: the outcome, with @error set for all but #FU_ARM_LFA_OUTCOME_ACTIVATED
 **/
FuArmLfaOutcome
fu_arm_lfa_verdict(const gchar *guid,
		   const FuArmLfaState *before,
		   const FuArmLfaState *after,
		   const FuArmLfaWrite *wr,
		   GError **error)
{
	FuArmLfaOutcome outcome;
	g_autoptr(GError) error_local = NULL;

	if (wr->errnum == 0)
		return fu_arm_lfa_verdict_accepted(guid, before, after, error);

	outcome = fu_arm_lfa_verdict_errno(before, wr, &error_local);

	/* somebody has activated it, whatever the reply was */
	if (after->version != NULL && after->version[0] != '\0' && before->version != NULL &&
	    before->version[0] != '\0' && g_strcmp0(after->version, before->version) != 0) {
		if (g_strcmp0(after->version, before->version_pending) == 0)
			return FU_ARM_LFA_OUTCOME_ACTIVATED;
		return fu_arm_lfa_verdict_unknown(
		    "a different version is running than before, and the reply does not explain it",
		    error);
	}
	if (outcome == FU_ARM_LFA_OUTCOME_FAILED && (!after->present || !after->pending_known))
		return fu_arm_lfa_verdict_unknown(
		    "a failure was reported, and the component cannot be seen now",
		    error);
	if (wr->opened && outcome != FU_ARM_LFA_OUTCOME_UNKNOWN && wr->errnum != EBUSY &&
	    (!after->present || (after->pending_known && !after->pending)))
		return fu_arm_lfa_verdict_unknown(
		    "a failure was reported, but the image is no longer pending",
		    error);
	if (outcome == FU_ARM_LFA_OUTCOME_FAILED && !before->tells_last_error &&
	    (before->in_parts || wr->elapsed >= FU_ARM_LFA_VERDICT_GAVE_UP))
		return fu_arm_lfa_verdict_unknown(
		    "it was aborted, but may still complete, wholly or in part",
		    error);
	g_propagate_error(error, g_steal_pointer(&error_local));
	return outcome;
}
