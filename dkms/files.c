// SPDX-License-Identifier: GPL-2.0-only
/* /sys/firmware/lfa, as in Documentation/ABI/testing/sysfs-firmware-lfa. */
#include <linux/errno.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "lfa.h"

static ssize_t name_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", to_lfa_image(kobj)->name);
}

static struct kobj_attribute name_attr = __ATTR_RO(name);

static ssize_t lfa_emit_version(char *buf, u64 version)
{
	return sysfs_emit(buf, "%u.%u\n", upper_32_bits(version), lower_32_bits(version));
}

static ssize_t current_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return lfa_emit_version(buf, READ_ONCE(to_lfa_image(kobj)->current_version));
}

static struct kobj_attribute current_version_attr = __ATTR_RO(current_version);

static int lfa_ask(struct kobject *kobj, struct lfa_info *info)
{
	int err;

	down_read(&lfa_ids);
	err = lfa_refresh(to_lfa_image(kobj), info);
	up_read(&lfa_ids);
	return err;
}

static ssize_t pending_version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct lfa_info info;
	int err = lfa_ask(kobj, &info);

	/* x5 has a meaning only while an image is pending, and 0 is no version. */
	if (err || !(info.flags & LFA_PENDING) || !info.pending_version)
		return sysfs_emit(buf, "N/A\n");
	return lfa_emit_version(buf, info.pending_version);
}

static struct kobj_attribute pending_version_attr = __ATTR_RO(pending_version);

static ssize_t activation_pending_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct lfa_info info;
	int err = lfa_ask(kobj, &info);

	/* An old answer would be taken for a new one. */
	return err ? err : sysfs_emit(buf, "%d\n", !!(info.flags & LFA_PENDING));
}

static struct kobj_attribute activation_pending_attr = __ATTR_RO(activation_pending);

/* Files of what the last scan has found. */
#define LFA_FLAG_ATTR(_name, _condition)							\
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)	\
{												\
	u64 flags = READ_ONCE(to_lfa_image(kobj)->flags);					\
												\
	return sysfs_emit(buf, "%d\n", _condition);						\
}												\
static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

LFA_FLAG_ATTR(activation_capable, !!(flags & LFA_CAPABLE));
LFA_FLAG_ATTR(may_reset_cpu, !!(flags & LFA_MAY_RESET_CPU));
/* Whether it is required: the flag says the opposite. */
LFA_FLAG_ATTR(cpu_rendezvous, !(flags & LFA_RENDEZVOUS_OPTIONAL));

static ssize_t lfa_store_setting(bool *setting, const char *buf, size_t count)
{
	bool value;
	int err = kstrtobool(buf, &value);

	if (err)
		return err;
	WRITE_ONCE(*setting, value);
	return count;
}

static ssize_t force_cpu_rendezvous_show(struct kobject *kobj, struct kobj_attribute *attr,
					 char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_lfa_image(kobj)->force_cpu_rendezvous));
}

static ssize_t force_cpu_rendezvous_store(struct kobject *kobj, struct kobj_attribute *attr,
					  const char *buf, size_t count)
{
	return lfa_store_setting(&to_lfa_image(kobj)->force_cpu_rendezvous, buf, count);
}

static struct kobj_attribute force_cpu_rendezvous_attr = __ATTR_RW(force_cpu_rendezvous);

static ssize_t auto_activate_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(to_lfa_image(kobj)->auto_activate));
}

static ssize_t auto_activate_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t count)
{
	return lfa_store_setting(&to_lfa_image(kobj)->auto_activate, buf, count);
}

static struct kobj_attribute auto_activate_attr = __ATTR_RW(auto_activate);

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

static struct kobj_attribute activate_attr = __ATTR_WO(activate);

static ssize_t cancel_store(struct kobject *kobj, struct kobj_attribute *attr,
			    const char *buf, size_t count)
{
	int err = lfa_cancel(to_lfa_image(kobj));

	return err ? err : count;
}

static struct kobj_attribute cancel_attr = __ATTR_WO(cancel);

static ssize_t last_error_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	struct lfa_outcome last = lfa_last_outcome(to_lfa_image(kobj));
	int size;

	if (!last.call)
		return sysfs_emit(buf, "none\n");
	size = sysfs_emit(buf, "%s %s %lld", last.call, lfa_status_name(last.status), last.status);
	if (last.timed_out)
		size += sysfs_emit_at(buf, size, " timed out");
	if (last.failed && last.failed < last.asked)
		size += sysfs_emit_at(buf, size, " on %u of %u CPUs", last.failed, last.asked);
	return size + sysfs_emit_at(buf, size, "\n");
}

static struct kobj_attribute last_error_attr = __ATTR_RO(last_error);

static struct attribute *lfa_image_attrs[] = {
	&name_attr.attr,
	&current_version_attr.attr,
	&pending_version_attr.attr,
	&activation_capable_attr.attr,
	&activation_pending_attr.attr,
	&may_reset_cpu_attr.attr,
	&cpu_rendezvous_attr.attr,
	&force_cpu_rendezvous_attr.attr,
	&auto_activate_attr.attr,
	&activate_attr.attr,
	&cancel_attr.attr,
	&last_error_attr.attr,
	NULL
};
ATTRIBUTE_GROUPS(lfa_image);

static void lfa_image_release(struct kobject *kobj)
{
	kfree(to_lfa_image(kobj));
}

const struct kobj_type lfa_image_type = {
	.release = lfa_image_release,
	.sysfs_ops = &kobj_sysfs_ops,
	.default_groups = lfa_image_groups,
};

static ssize_t version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u.%u\n", lfa_agent_version >> 16, lfa_agent_version & 0xffff);
}

static struct kobj_attribute version_attr = __ATTR_RO(version);

static ssize_t count_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(lfa_reported));
}

static struct kobj_attribute count_attr = __ATTR_RO(count);

static struct attribute *lfa_root_attrs[] = {
	&version_attr.attr,
	&count_attr.attr,
	NULL
};

const struct attribute_group lfa_root_group = {
	.attrs = lfa_root_attrs,
};
