// SPDX-License-Identifier: GPL-2.0-only
/* PRIME, ACTIVATE and CANCEL. */
#define pr_fmt(fmt) "Arm LFA: " fmt

#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>

#include "lfa.h"

#define LFA_MAX_MS	3600000U

static unsigned int prime_ms = 30000;
module_param(prime_ms, uint, 0444);
MODULE_PARM_DESC(prime_ms, "time for all calls of PRIME of one activation, in ms (30000)");

static unsigned int activate_ms = 10000;
module_param(activate_ms, uint, 0444);
MODULE_PARM_DESC(activate_ms, "time for all calls of ACTIVATE of one activation, in ms (10000)");

static unsigned int pause_ms = 10;
module_param(pause_ms, uint, 0444);
MODULE_PARM_DESC(pause_ms, "pause between two calls, in ms (10)");

/* Nothing begins any more, and what runs ends before its next call. */
bool lfa_closing;

/* What all CPUs were answered that issued one ACTIVATE. */
struct lfa_attempt {
	int id;
	u64 flags;
	atomic_t asked;
	atomic_t failed;
	atomic_t busy;
	atomic_t again;
	atomic64_t worst;
};

static DEFINE_SPINLOCK(lfa_outcome_lock);

struct lfa_outcome lfa_last_outcome(struct lfa_image *image)
{
	struct lfa_outcome last;

	spin_lock(&lfa_outcome_lock);
	last = image->last;
	spin_unlock(&lfa_outcome_lock);
	return last;
}

static void lfa_record(struct lfa_image *image, struct lfa_outcome outcome)
{
	spin_lock(&lfa_outcome_lock);
	image->last = outcome;
	spin_unlock(&lfa_outcome_lock);
}

static unsigned long lfa_deadline(unsigned int ms)
{
	return jiffies + msecs_to_jiffies(min(ms, LFA_MAX_MS));
}

/* -EAGAIN if there may be another call, or why not. */
static int lfa_repeat(unsigned long deadline)
{
	if (READ_ONCE(lfa_closing))
		return -ESHUTDOWN;
	return time_after_eq(jiffies, deadline) ? -ETIMEDOUT : -EAGAIN;
}

static void lfa_pause(void)
{
	msleep(clamp(pause_ms, 1U, 1000U));
}

static void lfa_complain(const struct lfa_image *image, const char *call, s64 status, int err)
{
	if (err == -ETIMEDOUT)
		pr_err("LFA_%s for image %s timed out\n", call, image->label);
	else if (err == -ESHUTDOWN)
		pr_err("LFA_%s for image %s interrupted\n", call, image->label);
	else
		pr_err("LFA_%s for image %s failed: %s\n", call, image->label,
		       lfa_status_name(status));
}

/* CANCEL what is primed; the caller holds lfa_ids. An agent that has nothing primed refuses. */
static s64 lfa_call_cancel(struct lfa_image *image)
{
	bool again;
	s64 status = lfa_call(LFA_FN_CANCEL, image->id, 0, &again);

	if (status) {
		pr_err("Activation not cancelled for image %s: %s\n", image->label,
		       lfa_status_name(status));
		return status;
	}
	WRITE_ONCE(image->primed, false);
	pr_info("Activation cancelled for image %s\n", image->label);
	return 0;
}

/*
 * An agent may go on holding what was activated, and then let another one be primed, but not be
 * activated. That there is nothing to cancel is no news.
 */
static void lfa_let_go_of_others(struct lfa_image *image)
{
	struct lfa_image *other;
	bool again;

	down_read(&lfa_ids);
	list_for_each_entry(other, &lfa_images, node) {
		if (other == image || other->id == LFA_NO_ID || !READ_ONCE(other->primed))
			continue;
		lfa_call(LFA_FN_CANCEL, other->id, 0, &again);
		WRITE_ONCE(other->primed, false);
	}
	up_read(&lfa_ids);
}

int lfa_cancel(struct lfa_image *image)
{
	s64 status;
	int err;

	down_read(&lfa_ids);
	err = image->id == LFA_NO_ID ? -ENOENT : 0;
	if (!err) {
		status = lfa_call_cancel(image);
		lfa_record(image, (struct lfa_outcome){ "CANCEL", status, !!status, 1 });
		err = status ? -EINVAL : 0;
	}
	up_read(&lfa_ids);
	return err;
}

/* Whether a PRIME that ended so may keep other components from theirs. */
static bool lfa_prime_holds(s64 status)
{
	switch (status) {
	case LFA_NOT_SUPPORTED:
	case LFA_BUSY:
	case LFA_WRONG_STATE:
	case LFA_INVALID_PARAMETERS:
		return false;
	default:
		return true;
	}
}

static int lfa_prime(struct lfa_image *image)
{
	unsigned long deadline = lfa_deadline(prime_ms);
	bool again, timed_out, held = false;
	s64 status;
	int err;

	do {
		down_read(&lfa_ids);
		status = lfa_call(LFA_FN_PRIME, image->id, 0, &again);
		held |= lfa_prime_holds(status);
		if (again || status == LFA_BUSY)
			err = lfa_repeat(deadline);
		else
			err = lfa_status_errno(status);
		timed_out = err == -ETIMEDOUT;
		lfa_record(image, (struct lfa_outcome){ "PRIME", status, !!status, 1, timed_out });
		if (err && err != -EAGAIN) {
			lfa_complain(image, "PRIME", status, err);
			if (held)
				lfa_call_cancel(image);
		}
		up_read(&lfa_ids);
		if (err == -EAGAIN)
			lfa_pause();
	} while (err == -EAGAIN);
	WRITE_ONCE(image->primed, !err);
	return err;
}

/* Runs on each CPU, all others being stopped too. */
static int lfa_activate_here(void *data)
{
	struct lfa_attempt *attempt = data;
	s64 status, worst;
	bool again;

	status = lfa_call(LFA_FN_ACTIVATE, attempt->id, attempt->flags, &again);
	atomic_inc(&attempt->asked);
	if (again)
		atomic_inc(&attempt->again);
	if (status == LFA_BUSY)
		atomic_inc(&attempt->busy);
	if (!status || status == LFA_BUSY)
		return 0;
	atomic_inc(&attempt->failed);
	/* The lowest: what is told must not depend on which CPU was first. */
	worst = atomic64_read(&attempt->worst);
	while (!worst || status < worst)
		if (atomic64_try_cmpxchg(&attempt->worst, &worst, status))
			break;
	return 0;
}

/* One ACTIVATE, by this CPU or by all; the caller holds lfa_ids for writing. */
static int lfa_attempt(struct lfa_image *image, bool alone, unsigned long deadline)
{
	struct lfa_attempt attempt = { .id = image->id, .flags = alone ? LFA_SKIP_RENDEZVOUS : 0 };
	struct lfa_outcome outcome = { .call = "ACTIVATE" };
	int err = 0, busy;

	if (alone)
		lfa_activate_here(&attempt);
	else
		err = stop_machine(lfa_activate_here, &attempt, cpu_online_mask);
	if (err)
		return err;
	busy = atomic_read(&attempt.busy);
	outcome.asked = atomic_read(&attempt.asked);
	outcome.failed = atomic_read(&attempt.failed);
	if (outcome.failed) {
		outcome.status = atomic64_read(&attempt.worst);
		err = lfa_status_errno(outcome.status);
	} else if (busy || atomic_read(&attempt.again)) {
		outcome.failed = busy;
		outcome.status = busy ? LFA_BUSY : LFA_SUCCESS;
		err = lfa_repeat(deadline);
	}
	outcome.timed_out = err == -ETIMEDOUT;
	lfa_record(image, outcome);
	if (err && err != -EAGAIN)
		lfa_complain(image, "ACTIVATE", outcome.status, err);
	return err;
}

static int lfa_activate_primed(struct lfa_image *image, bool alone)
{
	unsigned long deadline = lfa_deadline(activate_ms);
	int err;

	do {
		down_write(&lfa_ids);
		err = lfa_attempt(image, alone, deadline);
		if (err && err != -EAGAIN)
			lfa_call_cancel(image);
		/* However it ended: ids and versions may be others now. */
		if (err != -EAGAIN)
			lfa_scan_locked();
		up_write(&lfa_ids);
		if (err == -EAGAIN)
			lfa_pause();
	} while (err == -EAGAIN);
	return err;
}

static int lfa_look(struct lfa_image *image, struct lfa_info *info)
{
	int err;

	down_read(&lfa_ids);
	err = lfa_refresh(image, info);
	up_read(&lfa_ids);
	return err;
}

/*
 * PRIME and ACTIVATE; the caller holds lfa_transaction, so that the id stays what it is here. The
 * log tells of it in the words of success.
 */
int lfa_activate(struct lfa_image *image, const char *success)
{
	struct lfa_info info;
	bool alone;
	int err;

	lockdep_assert_held(&lfa_transaction);
	if (READ_ONCE(lfa_closing))
		return -ESHUTDOWN;
	err = lfa_look(image, &info);
	if (err == -ENOENT) {
		/* Another has its id: see which one it has now. */
		lfa_scan();
		err = lfa_look(image, &info);
	}
	if (err)
		return err;
	if (info.flags & LFA_MAY_RESET_CPU) {
		/* It would return at an entry point that nobody has prepared. */
		pr_err("CPU reset not supported by kernel driver\n");
		return -EOPNOTSUPP;
	}
	/* All attempts have to be of one kind. */
	alone = (info.flags & LFA_RENDEZVOUS_OPTIONAL) && !READ_ONCE(image->force_cpu_rendezvous);
	lfa_let_go_of_others(image);
	err = lfa_prime(image);
	if (!err)
		err = lfa_activate_primed(image, alone);
	if (!err)
		pr_info("%s: %s\n", image->label, success);
	return err;
}

static struct lfa_image *lfa_next_automatic(void)
{
	const u64 wanted = LFA_CAPABLE | LFA_PENDING;
	struct lfa_image *image;

	list_for_each_entry(image, &lfa_images, node)
		if (!image->tried && READ_ONCE(image->auto_activate) &&
		    image->id != LFA_NO_ID && (READ_ONCE(image->flags) & wanted) == wanted)
			return image;
	return NULL;
}

/*
 * Activate what is pending and may be activated unasked; the caller holds lfa_transaction. Each
 * once, as there are agents that never take their pending flag back; up to the first that fails.
 */
int lfa_activate_automatic(void)
{
	struct lfa_image *image;
	int err = 0;

	lockdep_assert_held(&lfa_transaction);
	list_for_each_entry(image, &lfa_images, node)
		image->tried = false;
	/* From the start each time: an activation changes the list. */
	while (!err && (image = lfa_next_automatic())) {
		image->tried = true;
		err = lfa_activate(image, "automatic activation succeeded");
	}
	return err;
}
