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

#define LFA_CAPABLE		BIT_ULL(0)	/* x3 of GET_INVENTORY */
#define LFA_PENDING		BIT_ULL(1)
#define LFA_MAY_RESET_CPU	BIT_ULL(2)
#define LFA_RENDEZVOUS_OPTIONAL	BIT_ULL(3)
#define LFA_SKIP_RENDEZVOUS	BIT_ULL(0)	/* x2 of ACTIVATE */
#define LFA_CALL_AGAIN		BIT_ULL(0)	/* x1 of PRIME and ACTIVATE */
#define LFA_BUSY		(-2)		/* x0 of all, a signed number; 0 is success */

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

/* A component. Its id is used only if its GUID was read with it, and once, in the last scan. */
struct lfa_image {
	struct kobject kobj;
	struct list_head node;
	const char *name;	/* empty for a GUID that is not known */
	const char *label;	/* for the log: the name, or else the GUID */
	int id;			/* sequence id in the last scan, or LFA_NO_ID */
	unsigned int rows;	/* of the inventory in the last scan that have this GUID */
	struct lfa_info info;	/* as it was read last, but for the pending version */
	struct lfa_info told;	/* by uevent */
	char last[96];		/* how the last call ended that was to change something */
	bool primed;		/* and not cancelled since */
	bool gone;		/* its directory is to be removed */
	bool tried;		/* for the notification that is handled */
	bool force_cpu_rendezvous;
	bool auto_activate;
};

#define to_lfa_image(_kobj)	container_of(_kobj, struct lfa_image, kobj)

/* Held for a whole activation, scan or clean-up, each of which changes the list of images. */
static DEFINE_MUTEX(lfa_transaction);
/* Read around calls with a sequence id, written where an id may become another component's. */
static DECLARE_RWSEM(lfa_ids);
static DEFINE_SPINLOCK(lfa_last_lock);	/* for lfa_image.last */

static LIST_HEAD(lfa_images);
static unsigned int lfa_image_count;
static unsigned int lfa_reported;	/* components, in the agent's words of the last scan */
static bool lfa_cleanup_waits;
static bool lfa_notified;		/* and nobody has looked yet what changed */
static bool lfa_closing;		/* nothing begins, what runs ends before its next call */
static u16 lfa_major, lfa_minor;
static struct kset *lfa_kset;

/* As TF-A's firmware image package has them, in its order of bytes. */
static const struct {
	const char *guid, *name;
} lfa_names[] = {
	{ "47d4086d-4cfe-9846-9b95-2950cbbd5a00", "TF-A BL31 runtime" },
	{ "d6d0eea7-fcea-d54b-9782-9934f234b6e4", "BL33 non-secure payload" },
	{ "6c0762a6-12f2-4b56-92cb-ba8f633606d9", "TF-RMM" },
};

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
	s32 version;

	/* Results up to x5 came with SMCCC 1.2. */
	if (arm_smccc_get_version() < ARM_SMCCC_VERSION_1_2)
		return -ENODEV;
	/* -1 arrives in 32 bits or in 64. */
	version = lfa_call(LFA_FN_VERSION, 0, 0, &res);
	if (version < 0)
		return -ENODEV;
	lfa_major = version >> 16;
	lfa_minor = version;
	if (lfa_major != 1) {
		pr_warn("an agent of version %u.%u is not known here\n", lfa_major, lfa_minor);
		return -ENODEV;
	}
	pr_info("Live Firmware Activation: detected v%u.%u\n", lfa_major, lfa_minor);
	return 0;
}

/* How many components there are, LFA_MAX_IMAGES at the most. */
static int lfa_get_count(void)
{
	struct arm_smccc_1_2_regs res;
	s64 status = lfa_call(LFA_FN_GET_INFO, 0, 0, &res);

	if (status)
		return lfa_status(status)->error;
	return res.a1 <= LFA_MAX_IMAGES ? res.a1 : -E2BIG;
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

static struct lfa_image *lfa_find(const uuid_t *guid)
{
	struct lfa_image *image;

	list_for_each_entry(image, &lfa_images, node)
		if (uuid_equal(&image->info.guid, guid))
			return image;
	return NULL;
}

static const struct kobj_type lfa_image_type;

/* A component that was not there before, with its directory; NULL if there is no space for it. */
static struct lfa_image *lfa_add(const struct lfa_info *info)
{
	struct lfa_image *image = NULL;
	char guid[UUID_STRING_LEN + 1];
	unsigned int i;

	/* A list that is never whole loses nothing: a new GUID in each would fill the memory. */
	if (lfa_image_count < LFA_MAX_IMAGES)
		image = kzalloc(sizeof(*image), GFP_KERNEL);
	if (!image)
		return NULL;
	image->info = *info;
	image->told = *info;
	image->id = LFA_NO_ID;
	image->force_cpu_rendezvous = true;
	strscpy(image->last, "none", sizeof(image->last));
	snprintf(guid, sizeof(guid), "%pUb", &info->guid);
	image->name = "";
	for (i = 0; i < ARRAY_SIZE(lfa_names); i++)
		if (!strcmp(lfa_names[i].guid, guid))
			image->name = lfa_names[i].name;
	image->kobj.kset = lfa_kset;
	if (kobject_init_and_add(&image->kobj, &lfa_image_type, NULL, "%s", guid)) {
		kobject_put(&image->kobj);
		return NULL;
	}
	image->label = *image->name ? image->name : kobject_name(&image->kobj);
	list_add_tail(&image->node, &lfa_images);
	lfa_image_count++;
	kobject_uevent(&image->kobj, KOBJ_ADD);
	return image;
}

/* One row of the inventory; whether it could be used. */
static bool lfa_scan_row(int id)
{
	struct lfa_image *image = NULL;
	struct lfa_info info;
	int err = lfa_get_inventory(id, &info);

	if (!err)
		image = lfa_find(&info.guid) ?: lfa_add(&info);
	if (err) {
		pr_err_ratelimited("component %d cannot be read: %d\n", id, err);
	} else if (!image) {
		pr_err_ratelimited("no room for component %d\n", id);
	} else if (++image->rows > 1) {
		pr_err_ratelimited("%pUb is listed more than once\n", &info.guid);
	} else {
		image->id = id;
		WRITE_ONCE(image->info.flags, info.flags);
		WRITE_ONCE(image->info.current_version, info.current_version);
		return true;
	}
	return false;
}

/* Tell user space which files have another content than when it was told last. */
static void lfa_announce(struct lfa_image *image)
{
	/* The version, and then by the bits of the flags. */
	static const char * const files[] = {
		"current_version", "activation_capable", "activation_pending", "may_reset_cpu",
		"cpu_rendezvous",
	};
	unsigned long changed = (image->info.flags ^ image->told.flags) << 1 |
				(image->info.current_version != image->told.current_version);
	char text[128] = "LFA_CHANGED=", *env[] = { text, NULL };
	unsigned int i, size = strlen(text);

	image->told = image->info;
	/* Only what has a file is a change. */
	changed &= GENMASK(ARRAY_SIZE(files) - 1, 0);
	if (!changed)
		return;
	for_each_set_bit(i, &changed, ARRAY_SIZE(files))
		size += scnprintf(text + size, sizeof(text) - size, "%s ", files[i]);
	text[size - 1] = '\0';
	kobject_uevent_env(&image->kobj, KOBJ_CHANGE, env);
}

/* Read the inventory anew. Only if all of it could be read, what is not in it is gone. */
static int lfa_scan_locked(void)
{
	struct lfa_image *image;
	int id, count;
	bool whole;

	lockdep_assert_held(&lfa_transaction);
	lockdep_assert_held_write(&lfa_ids);
	list_for_each_entry(image, &lfa_images, node)
		image->rows = 0;
	count = lfa_get_count();
	whole = count >= 0;
	if (whole)
		WRITE_ONCE(lfa_reported, count);
	else
		pr_err("Error getting number of LFA components\n");
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
	return min(count, 0);
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
	if (!err && !uuid_equal(&image->info.guid, &info->guid))
		err = -ENOENT;
	if (!err)
		WRITE_ONCE(image->info.flags, info->flags);
	up_read(&lfa_ids);
	return err;
}

/* Waits for whoever is in a file of what is gone: not from within one, nor with lfa_ids held. */
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

/* For last_error, and for the log if nothing follows: -EAGAIN says that another call does. */
static void lfa_record(struct lfa_image *image, const char *call, s64 status, int err,
		       unsigned int failed, unsigned int asked)
{
	const char *name = lfa_status(status)->name;
	int size;

	spin_lock(&lfa_last_lock);
	size = scnprintf(image->last, sizeof(image->last), "%s %s %lld%s", call, name, status,
			 err == -ETIMEDOUT ? " timed out" : "");
	if (failed && failed < asked)
		scnprintf(image->last + size, sizeof(image->last) - size, " on %u of %u CPUs",
			  failed, asked);
	spin_unlock(&lfa_last_lock);
	if (err == -ETIMEDOUT)
		pr_err("LFA_%s for image %s timed out\n", call, image->label);
	else if (err == -ESHUTDOWN)
		pr_err("LFA_%s for image %s interrupted\n", call, image->label);
	else if (err && err != -EAGAIN)
		pr_err("LFA_%s for image %s failed: %s\n", call, image->label, name);
}

/* CANCEL what is primed; the caller holds lfa_ids. An agent that has nothing primed refuses. */
static s64 lfa_call_cancel(struct lfa_image *image)
{
	struct arm_smccc_1_2_regs res;
	s64 status = lfa_call(LFA_FN_CANCEL, image->id, 0, &res);

	if (status) {
		pr_err("Activation not cancelled for image %s: %s\n", image->label,
		       lfa_status(status)->name);
	} else {
		WRITE_ONCE(image->primed, false);
		pr_info("Activation cancelled for image %s\n", image->label);
	}
	return status;
}

/* An agent may hold what was activated, and let nothing else be activated. A refusal is no news. */
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
	u32 function;
	u64 flags;
	unsigned long deadline;
	bool held;		/* the agent may hold the image */
	struct {
		unsigned int asked, failed, busy;	/* CPUs */
		bool again;
		s64 worst;
	} got;			/* by the call that is issued */
};

/* With stop_machine() it runs on each CPU, all others being stopped too. */
static int lfa_issue(void *data)
{
	static DEFINE_RAW_SPINLOCK(lock);
	struct arm_smccc_1_2_regs res;
	struct lfa_run *run = data;
	s64 status = lfa_call(run->function, run->image->id, run->flags, &res);

	raw_spin_lock(&lock);
	run->got.asked++;
	if (!status)
		run->got.again |= res.a1 & LFA_CALL_AGAIN;
	else if (status == LFA_BUSY)
		run->got.busy++;
	/* The lowest: what is told must not depend on which CPU was first. */
	else if (!run->got.failed++ || status < run->got.worst)
		run->got.worst = status;
	raw_spin_unlock(&lock);
	return 0;
}

/* After a call that could be issued. -EAGAIN asks for another one; any other error is the end. */
static int lfa_evaluate(struct lfa_run *run, const char *call)
{
	s64 status = 0;
	int err = 0;

	if (run->got.failed) {
		status = run->got.worst;
		err = lfa_status(status)->error;
	} else if (run->got.busy || run->got.again) {
		status = run->got.busy ? LFA_BUSY : 0;
		err = time_after_eq(jiffies, run->deadline) ? -ETIMEDOUT : -EAGAIN;
		if (READ_ONCE(lfa_closing))
			err = -ESHUTDOWN;
	}
	run->held |= !lfa_status(status)->refused;
	lfa_record(run->image, call, status, err, run->got.failed ?: run->got.busy, run->got.asked);
	memset(&run->got, 0, sizeof(run->got));
	if (err && err != -EAGAIN && run->held)
		lfa_call_cancel(run->image);
	return err;
}

static int lfa_prime(struct lfa_run *run)
{
	int err;

	down_read(&lfa_ids);
	lfa_issue(run);
	err = lfa_evaluate(run, "PRIME");
	WRITE_ONCE(run->image->primed, !err);
	up_read(&lfa_ids);
	return err;
}

static int lfa_activate_primed(struct lfa_run *run)
{
	int err;

	down_write(&lfa_ids);
	if (run->flags & LFA_SKIP_RENDEZVOUS)
		err = lfa_issue(run);
	else
		err = stop_machine(lfa_issue, run, cpu_online_mask);
	if (!err)
		err = lfa_evaluate(run, "ACTIVATE");
	/* However it ended: ids and versions may be others now. */
	if (err != -EAGAIN)
		lfa_scan_locked();
	up_write(&lfa_ids);
	return err;
}

/* PRIME and ACTIVATE of one component; the log tells of it in the words of success. */
static int lfa_activate(struct lfa_image *image, const char *success)
{
	struct lfa_run run = { .image = image, .function = LFA_FN_PRIME };
	struct lfa_info info;
	bool alone;
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
	/* All attempts have to be of one kind. */
	alone = (info.flags & LFA_RENDEZVOUS_OPTIONAL) && !READ_ONCE(image->force_cpu_rendezvous);
	lfa_let_go_of_others(image);
	run.deadline = jiffies + msecs_to_jiffies(prime_ms);
	while ((err = lfa_prime(&run)) == -EAGAIN)
		msleep(LFA_PAUSE_MS);
	if (err)
		return err;
	run.function = LFA_FN_ACTIVATE;
	run.flags = alone ? LFA_SKIP_RENDEZVOUS : 0;
	run.deadline = jiffies + msecs_to_jiffies(activate_ms);
	while ((err = lfa_activate_primed(&run)) == -EAGAIN)
		msleep(LFA_PAUSE_MS);
	if (!err)
		pr_info("%s: %s\n", image->label, success);
	return err;
}

/* Each once, as there are agents that never take a pending flag back; up to the first failure. */
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
		    (READ_ONCE(image->info.flags) & wanted) != wanted)
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

/* What no file can do: remove directories, and whatever a notification asks for. */
static void lfa_do_work(struct work_struct *work)
{
	int err;

	mutex_lock(&lfa_transaction);
	lfa_cleanup();
	if (xchg(&lfa_notified, false)) {
		err = lfa_scan();
		if (!err)
			err = lfa_activate_automatic();
		if (err)
			pr_warn("notified image activation failed: %d\n", err);
		lfa_cleanup();
	}
	mutex_unlock(&lfa_transaction);
}

static DECLARE_WORK(lfa_work, lfa_do_work);

/* The caller may be in a file of a directory that is to be removed. */
static void lfa_end_transaction(void)
{
	if (lfa_cleanup_waits)
		queue_work(system_long_wq, &lfa_work);
	mutex_unlock(&lfa_transaction);
}

/* However many notifications come, they are one until they are looked at. */
static void lfa_notify(void)
{
	WRITE_ONCE(lfa_notified, true);
	queue_work(system_long_wq, &lfa_work);
}

/* /sys/firmware/lfa, as in Documentation/ABI/testing/sysfs-firmware-lfa. */

#define LFA_SHOW(_name, _format, ...)								\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)	\
{												\
	return sysfs_emit(buf, _format "\n", __VA_ARGS__);					\
}

LFA_SHOW(version, "%u.%u", lfa_major, lfa_minor)
LFA_SHOW(count, "%u", READ_ONCE(lfa_reported))

LFA_SHOW(name, "%s", to_lfa_image(kobj)->name)
/* As the last scan has found them. */
LFA_SHOW(activation_capable, "%d", !!(READ_ONCE(to_lfa_image(kobj)->info.flags) & LFA_CAPABLE))
LFA_SHOW(may_reset_cpu, "%d", !!(READ_ONCE(to_lfa_image(kobj)->info.flags) & LFA_MAY_RESET_CPU))
/* Whether it is required: the flag says the opposite. */
LFA_SHOW(cpu_rendezvous, "%d",
	 !(READ_ONCE(to_lfa_image(kobj)->info.flags) & LFA_RENDEZVOUS_OPTIONAL))

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
	return lfa_emit_version(buf, READ_ONCE(to_lfa_image(kobj)->info.current_version));
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

static void lfa_acpi_notify(acpi_handle handle, u32 value, void *data)
{
	lfa_notify();
}

static irqreturn_t lfa_interrupt(int irq, void *data)
{
	lfa_notify();
	return IRQ_HANDLED;
}

static void lfa_remove_acpi_notify(void *handle)
{
	acpi_remove_notify_handler(handle, ACPI_DEVICE_NOTIFY, lfa_acpi_notify);
}

static int lfa_probe(struct platform_device *pdev)
{
	acpi_handle handle = ACPI_HANDLE(&pdev->dev);
	int err;

	if (!handle) {
		err = platform_get_irq(pdev, 0);
		if (err >= 0)
			err = devm_request_irq(&pdev->dev, err, lfa_interrupt, 0, "arm-lfa", NULL);
	} else if (ACPI_FAILURE(acpi_install_notify_handler(handle, ACPI_DEVICE_NOTIFY,
							    lfa_acpi_notify, NULL))) {
		err = -EBUSY;
	} else {
		err = devm_add_action_or_reset(&pdev->dev, lfa_remove_acpi_notify, handle);
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

/* The machine goes down: what runs ends at its next pause, and nothing new begins. */
static int lfa_reboot(struct notifier_block *block, unsigned long action, void *data)
{
	WRITE_ONCE(lfa_closing, true);
	mutex_lock(&lfa_transaction);
	mutex_unlock(&lfa_transaction);
	return NOTIFY_DONE;
}

static struct notifier_block lfa_reboot_block = { .notifier_call = lfa_reboot };

/* No suspend during an activation or the reverse; afterwards the firmware may be another one. */
static int lfa_suspend(struct notifier_block *block, unsigned long action, void *data)
{
	const bool begins = action == PM_HIBERNATION_PREPARE || action == PM_RESTORE_PREPARE ||
			    action == PM_SUSPEND_PREPARE;

	if (begins && !mutex_trylock(&lfa_transaction))
		return notifier_from_errno(-EBUSY);
	WRITE_ONCE(lfa_closing, begins);
	if (begins)
		mutex_unlock(&lfa_transaction);
	else
		lfa_notify();
	return NOTIFY_OK;
}

static struct notifier_block lfa_suspend_block = { .notifier_call = lfa_suspend };

/* An activation ends before its next call. Returns when nobody is in a file any more. */
static void lfa_stop(void)
{
	struct lfa_image *image;

	unregister_reboot_notifier(&lfa_reboot_block);
	unregister_pm_notifier(&lfa_suspend_block);
	WRITE_ONCE(lfa_closing, true);
	flush_work(&lfa_work);
	mutex_lock(&lfa_transaction);
	list_for_each_entry(image, &lfa_images, node)
		image->gone = true;
	lfa_cleanup();
	mutex_unlock(&lfa_transaction);
	/* Of one that ended in the meantime. */
	flush_work(&lfa_work);
	kset_unregister(lfa_kset);
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
	lfa_kset = kset_create_and_add("lfa", NULL, firmware_kobj);
	if (!lfa_kset)
		return -ENOMEM;
	mutex_lock(&lfa_transaction);
	err = sysfs_create_files(&lfa_kset->kobj, lfa_root_attrs) ?: lfa_scan();
	if (!err && list_empty(&lfa_images))
		err = -ENODEV;
	mutex_unlock(&lfa_transaction);
	err = err ?: register_pm_notifier(&lfa_suspend_block) ?:
	      register_reboot_notifier(&lfa_reboot_block) ?: platform_driver_register(&lfa_driver);
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
