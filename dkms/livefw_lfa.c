// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arm Live Firmware Activation (Arm DEN0147 v1.0) for kernels without a driver of their own.
 * Documentation/lfa.rst says which lock protects what, and how an activation goes.
 */
#define pr_fmt(fmt) "Arm LFA: " fmt

#include <linux/acpi.h>
#include <linux/arm-smccc.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/kernfs.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/nmi.h>
#include <linux/platform_device.h>
#include <linux/reboot.h>
#include <linux/rwsem.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>
#include <linux/suspend.h>
#include <linux/sysfs.h>
#include <linux/uuid.h>
#include <linux/workqueue.h>

#define LFA_FN_VERSION		0xC40002E0
#define LFA_FN_GET_INFO		0xC40002E2
#define LFA_FN_GET_INVENTORY	0xC40002E3
#define LFA_FN_PRIME		0xC40002E4
#define LFA_FN_ACTIVATE		0xC40002E5
#define LFA_FN_CANCEL		0xC40002E6

/* x3 of GET_INVENTORY */
#define LFA_CAPABLE		BIT_ULL(0)
#define LFA_PENDING		BIT_ULL(1)
#define LFA_MAY_RESET_CPU	BIT_ULL(2)
#define LFA_RENDEZVOUS_OPTIONAL	BIT_ULL(3)

/* x2 of ACTIVATE */
#define LFA_SKIP_RENDEZVOUS	BIT_ULL(0)

/* x1 of PRIME and ACTIVATE */
#define LFA_CALL_AGAIN		BIT_ULL(0)

/* More than any machine has: the agent's word alone must not fill the memory. */
#define LFA_MAX_IMAGES		1024
#define LFA_NO_ID		(-1)
#define LFA_PAUSE_MS		10

static unsigned int prime_ms = 30000;
module_param(prime_ms, uint, 0444);
MODULE_PARM_DESC(prime_ms, "time for all calls of PRIME of one activation, in ms (30000)");

static unsigned int activate_ms = 10000;
module_param(activate_ms, uint, 0444);
MODULE_PARM_DESC(activate_ms, "time for all calls of ACTIVATE of one activation, in ms (10000)");

/* What GET_INVENTORY says of one component. */
struct lfa_info {
	uuid_t guid;
	u64 flags;
	u64 current_version;
	u64 pending_version;
};

/*
 * A component. The GUID stays; the sequence id is a place in the agent's list, which an activation
 * may give to another one. So an id is used only if its GUID was read with it, and once, in the
 * last scan.
 */
struct lfa_image {
	struct kobject kobj;
	struct list_head node;
	uuid_t guid;
	const char *name;	/* empty for a GUID that is not known */
	int id;			/* sequence id in the last scan, or LFA_NO_ID */
	unsigned int rows;	/* of the inventory in the last scan that have this GUID */
	u64 flags;
	u64 current_version;
	u64 told_flags;		/* by uevent */
	u64 told_version;
	char last[96];		/* how the last call ended that was to change something */
	bool primed;		/* and not cancelled since */
	bool gone;		/* its directory is to be removed */
	bool tried;		/* for the notification that is handled */
	bool force_cpu_rendezvous;
	bool auto_activate;
};

/* Held for a whole activation, scan or clean-up, each of which changes the list of images. */
static DEFINE_MUTEX(lfa_transaction);
/* Read around calls with a sequence id, written where an id may become another component's. */
static DECLARE_RWSEM(lfa_ids);
/* For lfa_image.last */
static DEFINE_SPINLOCK(lfa_last_lock);

static LIST_HEAD(lfa_images);
static unsigned int lfa_image_count;
static bool lfa_cleanup_waits;
/* Major in the upper half, minor in the lower. */
static u32 lfa_agent_version;
/* How many components there are, in the agent's words of the last scan. */
static unsigned int lfa_reported;
/* Nothing begins any more, and what runs ends before its next call. */
static bool lfa_closing;
static struct kset *lfa_kset;
/* An activation takes long, and must not keep others' work from running. */
static struct workqueue_struct *lfa_queue;

/* From the UUIDs of TF-A's firmware image package, in their order of bytes. */
static const struct {
	uuid_t guid;
	const char *name;
} lfa_names[] = {
	{ UUID_INIT(0x47d4086d, 0x4cfe, 0x9846, 0x9b, 0x95, 0x29, 0x50, 0xcb, 0xbd, 0x5a, 0x00),
	  "TF-A BL31 runtime" },
	{ UUID_INIT(0xd6d0eea7, 0xfcea, 0xd54b, 0x97, 0x82, 0x99, 0x34, 0xf2, 0x34, 0xb6, 0xe4),
	  "BL33 non-secure payload" },
	{ UUID_INIT(0x6c0762a6, 0x12f2, 0x4b56, 0x92, 0xcb, 0xba, 0x8f, 0x63, 0x36, 0x06, 0xd9),
	  "TF-RMM" },
};

/*
 * Calls to the agent. What comes back is the word of another program: none of it is an index, a
 * size or a bound here before it was compared with one of ours.
 */

/* x0 of every call, as a signed number. */
#define LFA_SUCCESS		0
#define LFA_BUSY		(-2)

struct lfa_status {
	const char *name;
	int error;	/* for programs: 0 for success only */
	bool refused;	/* a PRIME that ended so has left nothing behind */
};

static const struct lfa_status *lfa_status(s64 status)
{
	static const struct lfa_status unknown = { "LFA_UNKNOWN", -EIO }, known[] = {
		/* From 0 downwards. */
		{ "LFA_SUCCESS", 0 },
		{ "LFA_NOT_SUPPORTED", -EINVAL, true },
		{ "LFA_BUSY", -EBUSY, true },
		{ "LFA_AUTH_ERROR", -EKEYREJECTED },
		{ "LFA_NO_MEMORY", -ENOMEM },
		{ "LFA_CRITICAL_ERROR", -EIO },
		{ "LFA_DEVICE_ERROR", -EIO },
		{ "LFA_WRONG_STATE", -EINVAL, true },
		{ "LFA_INVALID_PARAMETERS", -EINVAL, true },
		{ "LFA_COMPONENT_WRONG_STATE", -EINVAL },
		{ "LFA_INVALID_ADDRESS", -EINVAL },
		{ "LFA_ACTIVATION_FAILED", -ECANCELED },
	};

	return status <= 0 && status > -(s64)ARRAY_SIZE(known) ? &known[-status] : &unknown;
}

/* The status, from any context. After an error, res may still hold what was passed in. */
static s64 lfa_call(u32 function, int id, u64 flags, struct arm_smccc_1_2_regs *res)
{
	const struct arm_smccc_1_2_regs args = { .a0 = function, .a1 = id, .a2 = flags };

	if (arm_smccc_1_1_get_conduit() == SMCCC_CONDUIT_HVC)
		arm_smccc_1_2_hvc(&args, res);
	else
		arm_smccc_1_2_smc(&args, res);
	/* This CPU was away for as long as the firmware liked. */
	touch_nmi_watchdog();
	return res->a0;
}

/* -ENODEV without an agent of a version that is known here. */
static int lfa_find_agent(void)
{
	struct arm_smccc_1_2_regs res;

	/* Results up to x5 came with SMCCC 1.2. */
	if (arm_smccc_get_version() < ARM_SMCCC_VERSION_1_2 ||
	    arm_smccc_1_1_get_conduit() == SMCCC_CONDUIT_NONE)
		return -ENODEV;
	/* -1 arrives in 32 bits or in 64. */
	if ((s32)lfa_call(LFA_FN_VERSION, 0, 0, &res) < 0)
		return -ENODEV;
	lfa_agent_version = res.a0;
	if (lfa_agent_version >> 16 != 1) {
		pr_warn("an agent of version %u.%u is not known here\n", lfa_agent_version >> 16,
			lfa_agent_version & 0xffff);
		return -ENODEV;
	}
	pr_info("Live Firmware Activation: detected v%u.%u\n", lfa_agent_version >> 16,
		lfa_agent_version & 0xffff);
	return 0;
}

/* How many components there are, LFA_MAX_IMAGES at the most. */
static int lfa_get_count(unsigned int *count)
{
	struct arm_smccc_1_2_regs res;
	s64 status = lfa_call(LFA_FN_GET_INFO, 0, 0, &res);

	if (status)
		return lfa_status(status)->error;
	if (res.a1 > LFA_MAX_IMAGES)
		return -E2BIG;
	*count = res.a1;
	return 0;
}

static int lfa_get_inventory(int id, struct lfa_info *info)
{
	struct arm_smccc_1_2_regs res;
	s64 status = lfa_call(LFA_FN_GET_INVENTORY, id, 0, &res);
	__le64 guid[2];

	if (status)
		return lfa_status(status)->error;
	/* Byte 0 of the GUID is the lowest of x1. */
	guid[0] = cpu_to_le64(res.a1);
	guid[1] = cpu_to_le64(res.a2);
	import_uuid(&info->guid, (const u8 *)guid);
	info->flags = res.a3;
	info->current_version = res.a4;
	info->pending_version = res.a5;
	return 0;
}

/* Components and their directories. */

static struct lfa_image *to_lfa_image(struct kobject *kobj)
{
	return container_of(kobj, struct lfa_image, kobj);
}

/* For the log: the name, or else the GUID. */
static const char *lfa_label(const struct lfa_image *image)
{
	return *image->name ? image->name : kobject_name(&image->kobj);
}

static struct lfa_image *lfa_find(const uuid_t *guid)
{
	struct lfa_image *image;

	list_for_each_entry(image, &lfa_images, node)
		if (uuid_equal(&image->guid, guid))
			return image;
	return NULL;
}

static const struct kobj_type lfa_image_type;

/* A component that was not there before, with its directory; NULL if there is no space for it. */
static struct lfa_image *lfa_add(const struct lfa_info *info)
{
	struct lfa_image *image;
	unsigned int i;

	/* A list that is never whole loses nothing: a new GUID in each would fill the memory. */
	if (lfa_image_count >= LFA_MAX_IMAGES)
		return NULL;
	image = kzalloc(sizeof(*image), GFP_KERNEL);
	if (!image)
		return NULL;
	uuid_copy(&image->guid, &info->guid);
	image->name = "";
	for (i = 0; i < ARRAY_SIZE(lfa_names); i++)
		if (uuid_equal(&lfa_names[i].guid, &info->guid))
			image->name = lfa_names[i].name;
	image->id = LFA_NO_ID;
	image->flags = info->flags;
	image->told_flags = info->flags;
	image->current_version = info->current_version;
	image->told_version = info->current_version;
	strscpy(image->last, "none", sizeof(image->last));
	image->force_cpu_rendezvous = true;
	image->kobj.kset = lfa_kset;
	if (kobject_init_and_add(&image->kobj, &lfa_image_type, NULL, "%pUb", &info->guid)) {
		kobject_put(&image->kobj);
		return NULL;
	}
	list_add_tail(&image->node, &lfa_images);
	lfa_image_count++;
	kobject_uevent(&image->kobj, KOBJ_ADD);
	return image;
}

/* One row of the inventory; whether it could be used. */
static bool lfa_scan_row(int id)
{
	struct lfa_image *image;
	struct lfa_info info;
	int err;

	err = lfa_get_inventory(id, &info);
	if (err) {
		pr_err_ratelimited("component %d cannot be read: %d\n", id, err);
		return false;
	}
	image = lfa_find(&info.guid) ?: lfa_add(&info);
	if (!image) {
		pr_err_ratelimited("no room for component %d\n", id);
		return false;
	}
	if (++image->rows > 1) {
		pr_err_ratelimited("%pUb is listed more than once\n", &info.guid);
		return false;
	}
	image->id = id;
	WRITE_ONCE(image->flags, info.flags);
	WRITE_ONCE(image->current_version, info.current_version);
	return true;
}

/* Tell user space which files have another content than when it was told last. */
static void lfa_announce(struct lfa_image *image)
{
	/* The version, and then by the bits of the flags. */
	static const char * const files[] = {
		"current_version", "activation_capable", "activation_pending", "may_reset_cpu",
		"cpu_rendezvous",
	};
	unsigned long changed = (image->flags ^ image->told_flags) << 1 |
				(image->current_version != image->told_version);
	char text[128] = "LFA_CHANGED=", *env[] = { text, NULL };
	const unsigned int empty = strlen(text);
	unsigned int i, size = empty;

	for_each_set_bit(i, &changed, ARRAY_SIZE(files))
		size += scnprintf(text + size, sizeof(text) - size, "%s ", files[i]);
	image->told_flags = image->flags;
	image->told_version = image->current_version;
	/* Only what has a file is a change. */
	if (size == empty)
		return;
	text[size - 1] = '\0';
	kobject_uevent_env(&image->kobj, KOBJ_CHANGE, env);
}

/*
 * Read the inventory anew; the caller holds lfa_transaction, and lfa_ids for writing. A component
 * of which nothing was read keeps its directory unless the whole inventory could be read, but it
 * has no id, so that nothing is asked of it that another would answer.
 */
static int lfa_scan_locked(void)
{
	struct lfa_image *image;
	unsigned int count = 0;
	bool whole;
	int err, id;

	lockdep_assert_held(&lfa_transaction);
	lockdep_assert_held_write(&lfa_ids);
	list_for_each_entry(image, &lfa_images, node)
		image->rows = 0;
	err = lfa_get_count(&count);
	if (err)
		pr_err("Error getting number of LFA components\n");
	else
		WRITE_ONCE(lfa_reported, count);
	whole = !err;
	for (id = 0; id < count; id++)
		whole &= lfa_scan_row(id);
	lfa_cleanup_waits = false;
	list_for_each_entry(image, &lfa_images, node) {
		if (image->rows != 1)
			image->id = LFA_NO_ID;
		image->gone = whole && !image->rows;
		lfa_cleanup_waits |= image->gone;
		lfa_announce(image);
	}
	return err;
}

/* The same for who holds lfa_transaction only. */
static int lfa_scan(void)
{
	int err;

	down_write(&lfa_ids);
	err = lfa_scan_locked();
	up_write(&lfa_ids);
	return err;
}

/* Ask the agent about one component. -ENOENT if its id is nobody's or another's. */
static int lfa_ask(struct lfa_image *image, struct lfa_info *info)
{
	int err = -ENOENT;

	down_read(&lfa_ids);
	if (image->id != LFA_NO_ID)
		err = lfa_get_inventory(image->id, info);
	if (!err && !uuid_equal(&image->guid, &info->guid))
		err = -ENOENT;
	if (!err)
		WRITE_ONCE(image->flags, info->flags);
	up_read(&lfa_ids);
	return err;
}

/*
 * Remove the directories of components that are gone. Waits for whoever is in one of their files,
 * so it never runs from within one, nor with lfa_ids held.
 */
static void lfa_cleanup(void)
{
	struct lfa_image *image, *next;

	lockdep_assert_held(&lfa_transaction);
	list_for_each_entry_safe(image, next, &lfa_images, node) {
		if (!image->gone)
			continue;
		list_del(&image->node);
		lfa_image_count--;
		kobject_del(&image->kobj);
		kobject_put(&image->kobj);
	}
	lfa_cleanup_waits = false;
}

static void lfa_cleanup_work(struct work_struct *work)
{
	mutex_lock(&lfa_transaction);
	lfa_cleanup();
	mutex_unlock(&lfa_transaction);
}

static DECLARE_WORK(lfa_cleaning, lfa_cleanup_work);

/* The caller may be in a file of a directory that is to be removed. */
static void lfa_end_transaction(void)
{
	if (lfa_cleanup_waits)
		queue_work(lfa_queue, &lfa_cleaning);
	mutex_unlock(&lfa_transaction);
}

/* PRIME, ACTIVATE and CANCEL. */

/* For last_error, and for the log if nothing follows: -EAGAIN says that another call does. */
static void lfa_record(struct lfa_image *image, const char *call, s64 status, int err,
		       unsigned int failed, unsigned int asked)
{
	const char *name = lfa_status(status)->name;
	char cpus[40] = "";

	if (failed && failed < asked)
		scnprintf(cpus, sizeof(cpus), " on %u of %u CPUs", failed, asked);
	spin_lock(&lfa_last_lock);
	scnprintf(image->last, sizeof(image->last), "%s %s %lld%s%s", call, name, status,
		  err == -ETIMEDOUT ? " timed out" : "", cpus);
	spin_unlock(&lfa_last_lock);
	if (err == -ETIMEDOUT)
		pr_err("LFA_%s for image %s timed out\n", call, lfa_label(image));
	else if (err == -ESHUTDOWN)
		pr_err("LFA_%s for image %s interrupted\n", call, lfa_label(image));
	else if (err && err != -EAGAIN)
		pr_err("LFA_%s for image %s failed: %s\n", call, lfa_label(image), name);
}

/* CANCEL what is primed; the caller holds lfa_ids. An agent that has nothing primed refuses. */
static s64 lfa_call_cancel(struct lfa_image *image)
{
	struct arm_smccc_1_2_regs res;
	s64 status = lfa_call(LFA_FN_CANCEL, image->id, 0, &res);

	if (status) {
		pr_err("Activation not cancelled for image %s: %s\n", lfa_label(image),
		       lfa_status(status)->name);
		return status;
	}
	WRITE_ONCE(image->primed, false);
	pr_info("Activation cancelled for image %s\n", lfa_label(image));
	return 0;
}

/*
 * An agent may go on holding what was activated, and then let another one be primed, but not be
 * activated. That there is nothing to cancel is no news.
 */
static void lfa_let_go_of_others(struct lfa_image *image)
{
	struct arm_smccc_1_2_regs res;
	struct lfa_image *other;

	down_read(&lfa_ids);
	list_for_each_entry(other, &lfa_images, node) {
		if (other == image || other->id == LFA_NO_ID || !READ_ONCE(other->primed))
			continue;
		lfa_call(LFA_FN_CANCEL, other->id, 0, &res);
		WRITE_ONCE(other->primed, false);
	}
	up_read(&lfa_ids);
}

/* One activation. */
struct lfa_run {
	struct lfa_image *image;
	u64 flags;		/* of ACTIVATE, the same in all attempts */
	unsigned long deadline;
	bool held;		/* the agent may hold the image */
	/* What all CPUs were answered that issued one ACTIVATE. */
	raw_spinlock_t lock;
	unsigned int asked, failed, busy;
	bool again;
	s64 worst;
};

/* After an answer that asks for another call: -EAGAIN for that, or why there is none. */
static int lfa_may_repeat(const struct lfa_run *run)
{
	if (READ_ONCE(lfa_closing))
		return -ESHUTDOWN;
	if (time_after_eq(jiffies, run->deadline))
		return -ETIMEDOUT;
	return -EAGAIN;
}

static int lfa_prime(struct lfa_run *run)
{
	struct lfa_image *image = run->image;
	struct arm_smccc_1_2_regs res;
	s64 status;
	int err;

	down_read(&lfa_ids);
	status = lfa_call(LFA_FN_PRIME, image->id, 0, &res);
	run->held |= !lfa_status(status)->refused;
	if (status == LFA_BUSY || (!status && (res.a1 & LFA_CALL_AGAIN)))
		err = lfa_may_repeat(run);
	else
		err = lfa_status(status)->error;
	lfa_record(image, "PRIME", status, err, 0, 0);
	WRITE_ONCE(image->primed, !err);
	if (err && err != -EAGAIN && run->held)
		lfa_call_cancel(image);
	up_read(&lfa_ids);
	return err;
}

/* Runs on each CPU, all others being stopped too. */
static int lfa_activate_here(void *data)
{
	struct lfa_run *run = data;
	struct arm_smccc_1_2_regs res;
	s64 status;

	status = lfa_call(LFA_FN_ACTIVATE, run->image->id, run->flags, &res);
	raw_spin_lock(&run->lock);
	run->asked++;
	if (!status)
		run->again |= res.a1 & LFA_CALL_AGAIN;
	else if (status == LFA_BUSY)
		run->busy++;
	/* The lowest: what is told must not depend on which CPU was first. */
	else if (!run->failed++ || status < run->worst)
		run->worst = status;
	raw_spin_unlock(&run->lock);
	return 0;
}

/* One attempt, by this CPU or by all. */
static int lfa_activate_primed(struct lfa_run *run)
{
	struct lfa_image *image = run->image;
	s64 status = LFA_SUCCESS;
	int err = 0;

	run->asked = 0;
	run->failed = 0;
	run->busy = 0;
	run->again = false;
	down_write(&lfa_ids);
	if (run->flags & LFA_SKIP_RENDEZVOUS)
		lfa_activate_here(run);
	else
		err = stop_machine(lfa_activate_here, run, cpu_online_mask);
	if (run->failed) {
		status = run->worst;
		err = lfa_status(status)->error;
	} else if (run->busy || run->again) {
		status = run->busy ? LFA_BUSY : LFA_SUCCESS;
		err = lfa_may_repeat(run);
	}
	lfa_record(image, "ACTIVATE", status, err, run->failed ?: run->busy, run->asked);
	if (err && err != -EAGAIN)
		lfa_call_cancel(image);
	/* However it ended: ids and versions may be others now. */
	if (err != -EAGAIN)
		lfa_scan_locked();
	up_write(&lfa_ids);
	return err;
}

static int lfa_repeat(struct lfa_run *run, int (*step)(struct lfa_run *run), unsigned int ms)
{
	int err;

	run->deadline = jiffies + msecs_to_jiffies(ms);
	while ((err = step(run)) == -EAGAIN)
		msleep(LFA_PAUSE_MS);
	return err;
}

/*
 * PRIME and ACTIVATE; the caller holds lfa_transaction, so that the id stays what it is here. The
 * log tells of it in the words of success.
 */
static int lfa_activate(struct lfa_image *image, const char *success)
{
	struct lfa_run run = { .image = image };
	struct lfa_info info;
	int err;

	lockdep_assert_held(&lfa_transaction);
	if (READ_ONCE(lfa_closing))
		return -ESHUTDOWN;
	err = lfa_ask(image, &info);
	if (err == -ENOENT) {
		/* Another has its id: see which one it has now. */
		lfa_scan();
		err = lfa_ask(image, &info);
	}
	if (err)
		return err;
	if (info.flags & LFA_MAY_RESET_CPU) {
		/* It would return at an entry point that nobody has prepared. */
		pr_err("CPU reset not supported by kernel driver\n");
		return -EOPNOTSUPP;
	}
	raw_spin_lock_init(&run.lock);
	if ((info.flags & LFA_RENDEZVOUS_OPTIONAL) && !READ_ONCE(image->force_cpu_rendezvous))
		run.flags = LFA_SKIP_RENDEZVOUS;
	lfa_let_go_of_others(image);
	err = lfa_repeat(&run, lfa_prime, prime_ms);
	if (!err)
		err = lfa_repeat(&run, lfa_activate_primed, activate_ms);
	if (!err)
		pr_info("%s: %s\n", lfa_label(image), success);
	return err;
}

/* /sys/firmware/lfa, as in Documentation/ABI/testing/sysfs-firmware-lfa. */

#define LFA_SHOW(_name, _format, ...)								\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)	\
{												\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);					\
}

LFA_SHOW(version, "%u.%u", lfa_agent_version >> 16, lfa_agent_version & 0xffff)
LFA_SHOW(count, "%u", READ_ONCE(lfa_reported))

LFA_SHOW(name, "%s", to_lfa_image(kobj)->name)
/* As the last scan has found them. */
LFA_SHOW(activation_capable, "%d", !!(READ_ONCE(to_lfa_image(kobj)->flags) & LFA_CAPABLE))
LFA_SHOW(may_reset_cpu, "%d", !!(READ_ONCE(to_lfa_image(kobj)->flags) & LFA_MAY_RESET_CPU))
/* Whether it is required: the flag says the opposite. */
LFA_SHOW(cpu_rendezvous, "%d",
	 !(READ_ONCE(to_lfa_image(kobj)->flags) & LFA_RENDEZVOUS_OPTIONAL))

#define LFA_STORE_BOOL(_name, _field)								\
static ssize_t _name##_store(struct kobject *kobj, struct kobj_attribute *attr,			\
			     const char *buf, size_t count)					\
{												\
	bool value;										\
	int err = kstrtobool(buf, &value);							\
												\
	if (!err)										\
		WRITE_ONCE(_field, value);							\
	return err ? err : count;								\
}

LFA_SHOW(force_cpu_rendezvous, "%d", READ_ONCE(to_lfa_image(kobj)->force_cpu_rendezvous))
LFA_STORE_BOOL(force_cpu_rendezvous, to_lfa_image(kobj)->force_cpu_rendezvous)
LFA_SHOW(auto_activate, "%d", READ_ONCE(to_lfa_image(kobj)->auto_activate))
LFA_STORE_BOOL(auto_activate, to_lfa_image(kobj)->auto_activate)

static ssize_t lfa_emit_version(char *buf, u64 version)
{
	return sysfs_emit(buf, "%u.%u\n", upper_32_bits(version), lower_32_bits(version));
}

static ssize_t current_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return lfa_emit_version(buf, READ_ONCE(to_lfa_image(kobj)->current_version));
}

static ssize_t pending_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct lfa_info info;
	int err = lfa_ask(to_lfa_image(kobj), &info);

	/* x5 has a meaning only while an image is pending, and 0 is no version. */
	if (err || !(info.flags & LFA_PENDING) || !info.pending_version)
		return sysfs_emit(buf, "N/A\n");
	return lfa_emit_version(buf, info.pending_version);
}

static ssize_t activation_pending_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct lfa_info info;
	int err = lfa_ask(to_lfa_image(kobj), &info);

	/* An old answer would be taken for a new one. */
	return err ? err : sysfs_emit(buf, "%d\n", !!(info.flags & LFA_PENDING));
}

static ssize_t last_error_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	int size;

	spin_lock(&lfa_last_lock);
	size = sysfs_emit(buf, "%s\n", to_lfa_image(kobj)->last);
	spin_unlock(&lfa_last_lock);
	return size;
}

/* Any text triggers, as in each driver that was posted: tools write what they like. */
static ssize_t activate_store(struct kobject *kobj, struct kobj_attribute *attr,
			      const char *buf, size_t count)
{
	int err;

	if (!mutex_trylock(&lfa_transaction))
		return -EBUSY;
	err = lfa_activate(to_lfa_image(kobj), "successfully activated");
	lfa_end_transaction();
	return err ? err : count;
}

static ssize_t cancel_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	struct lfa_image *image = to_lfa_image(kobj);
	ssize_t result = -ENOENT;
	s64 status;

	down_read(&lfa_ids);
	if (image->id != LFA_NO_ID) {
		status = lfa_call_cancel(image);
		lfa_record(image, "CANCEL", status, 0, 0, 0);
		result = status ? -EINVAL : count;
	}
	up_read(&lfa_ids);
	return result;
}

#define LFA_FILE(...) (&((struct kobj_attribute)__VA_ARGS__).attr)

static struct attribute *lfa_image_attrs[] = {
	LFA_FILE(__ATTR_RO(name)),
	LFA_FILE(__ATTR_RO(current_version)),
	LFA_FILE(__ATTR_RO(pending_version)),
	LFA_FILE(__ATTR_RO(activation_capable)),
	LFA_FILE(__ATTR_RO(activation_pending)),
	LFA_FILE(__ATTR_RO(may_reset_cpu)),
	LFA_FILE(__ATTR_RO(cpu_rendezvous)),
	LFA_FILE(__ATTR_RW(force_cpu_rendezvous)),
	LFA_FILE(__ATTR_RW(auto_activate)),
	LFA_FILE(__ATTR_WO(activate)),
	LFA_FILE(__ATTR_WO(cancel)),
	LFA_FILE(__ATTR_RO(last_error)),
	NULL
};
ATTRIBUTE_GROUPS(lfa_image);

static void lfa_image_release(struct kobject *kobj)
{
	kfree(to_lfa_image(kobj));
}

static const struct kobj_type lfa_image_type = {
	.release = lfa_image_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = lfa_image_groups,
};

static const struct attribute *lfa_root_attrs[] = {
	LFA_FILE(__ATTR_RO(version)),
	LFA_FILE(__ATTR_RO(count)),
	NULL
};

/*
 * Notifications. The agent is found by a call; the device of ACPI (ARML0003) or of the device tree
 * (arm,lfa) only notifies that something changed.
 */

/*
 * Activate what is pending and may be activated unasked. Each once, as there are agents that never
 * take their pending flag back; up to the first that fails.
 */
static int lfa_activate_automatic(void)
{
	const u64 wanted = LFA_CAPABLE | LFA_PENDING;
	struct lfa_image *image;
	int err;

	list_for_each_entry(image, &lfa_images, node)
		image->tried = false;
again:
	list_for_each_entry(image, &lfa_images, node) {
		if (image->tried || !READ_ONCE(image->auto_activate) || image->id == LFA_NO_ID ||
		    (READ_ONCE(image->flags) & wanted) != wanted)
			continue;
		image->tried = true;
		err = lfa_activate(image, "automatic activation succeeded");
		if (err)
			return err;
		/* From the start: it has changed the list. */
		goto again;
	}
	return 0;
}

static void lfa_notify_work(struct work_struct *work)
{
	int err;

	mutex_lock(&lfa_transaction);
	lfa_cleanup();
	err = lfa_scan();
	if (!err)
		err = lfa_activate_automatic();
	if (err)
		pr_warn("notified image activation failed: %d\n", err);
	lfa_end_transaction();
}

static DECLARE_WORK(lfa_notified, lfa_notify_work);

/* However many notifications come, they are one until they are looked at. */
static void lfa_acpi_notify(acpi_handle handle, u32 value, void *data)
{
	queue_work(lfa_queue, &lfa_notified);
}

static irqreturn_t lfa_interrupt(int irq, void *data)
{
	queue_work(lfa_queue, &lfa_notified);
	return IRQ_HANDLED;
}

static void lfa_remove_acpi_notify(void *handle)
{
	acpi_remove_notify_handler(handle, ACPI_DEVICE_NOTIFY, lfa_acpi_notify);
}

static int lfa_probe(struct platform_device *pdev)
{
	acpi_handle handle = ACPI_HANDLE(&pdev->dev);
	int err, irq;

	if (handle) {
		if (ACPI_FAILURE(acpi_install_notify_handler(handle, ACPI_DEVICE_NOTIFY,
							     lfa_acpi_notify, NULL)))
			return -EBUSY;
		err = devm_add_action_or_reset(&pdev->dev, lfa_remove_acpi_notify, handle);
	} else {
		irq = platform_get_irq(pdev, 0);
		err = irq < 0 ? irq : devm_request_irq(&pdev->dev, irq, lfa_interrupt, 0, "arm-lfa",
						       NULL);
	}
	if (!err)
		pr_info("registered LFA %s\n",
			handle ? "ACPI notification" : "DT notification interrupt");
	return err;
}

static const struct acpi_device_id lfa_acpi_ids[] = {
	{ "ARML0003" },
	{ }
};
MODULE_DEVICE_TABLE(acpi, lfa_acpi_ids);

static const struct of_device_id lfa_of_ids[] = {
	{ .compatible = "arm,lfa" },
	{ }
};
MODULE_DEVICE_TABLE(of, lfa_of_ids);

static struct platform_driver lfa_driver = {
	.probe = lfa_probe,
	.driver = {
		.name = "livefw_lfa",
		.acpi_match_table = lfa_acpi_ids,
		.of_match_table = lfa_of_ids,
	},
};

/* Loading and unloading, suspend and reboot. */

/* The machine goes down: what runs ends at its next pause, and nothing new begins. */
static int lfa_reboot(struct notifier_block *block, unsigned long action, void *data)
{
	WRITE_ONCE(lfa_closing, true);
	mutex_lock(&lfa_transaction);
	mutex_unlock(&lfa_transaction);
	return NOTIFY_DONE;
}

static struct notifier_block lfa_reboot_block = { .notifier_call = lfa_reboot };

/* No suspend in the middle of an activation, and none of those in the middle of a suspend. */
static int lfa_suspend(struct notifier_block *block, unsigned long action, void *data)
{
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_RESTORE_PREPARE:
	case PM_SUSPEND_PREPARE:
		if (!mutex_trylock(&lfa_transaction))
			return notifier_from_errno(-EBUSY);
		WRITE_ONCE(lfa_closing, true);
		mutex_unlock(&lfa_transaction);
		return NOTIFY_OK;
	case PM_POST_HIBERNATION:
	case PM_POST_RESTORE:
	case PM_POST_SUSPEND:
		WRITE_ONCE(lfa_closing, false);
		/* The firmware may be another one than before. */
		queue_work(lfa_queue, &lfa_notified);
		return NOTIFY_OK;
	default:
		return NOTIFY_DONE;
	}
}

static struct notifier_block lfa_suspend_block = { .notifier_call = lfa_suspend };

/*
 * Whoever is in an activation ends it before the next call, with CANCEL, and gets -ESHUTDOWN. Ends
 * when nobody is in a file any more.
 */
static void lfa_stop(void)
{
	struct lfa_image *image;

	/* They do not mind if they were not registered. */
	unregister_reboot_notifier(&lfa_reboot_block);
	unregister_pm_notifier(&lfa_suspend_block);
	WRITE_ONCE(lfa_closing, true);
	flush_workqueue(lfa_queue);
	mutex_lock(&lfa_transaction);
	down_write(&lfa_ids);
	list_for_each_entry(image, &lfa_images, node) {
		image->id = LFA_NO_ID;
		image->gone = true;
	}
	up_write(&lfa_ids);
	lfa_cleanup();
	mutex_unlock(&lfa_transaction);
	kset_unregister(lfa_kset);
	destroy_workqueue(lfa_queue);
}

static int __init lfa_init(void)
{
	struct kernfs_node *node = kernfs_find_and_get(firmware_kobj->sd, "lfa");
	int err;

	if (node) {
		kernfs_put(node);
		pr_err("this kernel has a driver of its own\n");
		/* Of EEXIST modprobe would think that this module is there already. */
		return -EBUSY;
	}
	err = lfa_find_agent();
	if (err)
		return err;
	lfa_queue = alloc_ordered_workqueue("arm-lfa", 0);
	if (!lfa_queue)
		return -ENOMEM;
	lfa_kset = kset_create_and_add("lfa", NULL, firmware_kobj);
	if (!lfa_kset) {
		destroy_workqueue(lfa_queue);
		return -ENOMEM;
	}
	err = sysfs_create_files(&lfa_kset->kobj, lfa_root_attrs);
	mutex_lock(&lfa_transaction);
	if (!err)
		err = lfa_scan();
	if (!err && list_empty(&lfa_images))
		err = -ENODEV;
	mutex_unlock(&lfa_transaction);
	if (!err)
		err = register_pm_notifier(&lfa_suspend_block);
	if (!err)
		err = register_reboot_notifier(&lfa_reboot_block);
	if (!err)
		err = platform_driver_register(&lfa_driver);
	if (err)
		lfa_stop();
	return err;
}

static void __exit lfa_exit(void)
{
	platform_driver_unregister(&lfa_driver);
	lfa_stop();
}

module_init(lfa_init);
module_exit(lfa_exit);
MODULE_DESCRIPTION("Arm Live Firmware Activation (Arm DEN0147)");
MODULE_AUTHOR("The livefw authors");
MODULE_LICENSE("GPL");
