// SPDX-License-Identifier: GPL-2.0-only
/*
 * Components. The GUID stays; the sequence id is a place in the agent's list, which an activation
 * may give to another one. So an id is used only if its GUID was read with it, and once, in the
 * last scan.
 */
#define pr_fmt(fmt) "Arm LFA: " fmt

#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "lfa.h"

/* Held for a whole activation, scan or clean-up, each of which changes the list of images. */
DEFINE_MUTEX(lfa_transaction);
/* Read around calls with a sequence id, written where an id may become another component's. */
DECLARE_RWSEM(lfa_ids);
LIST_HEAD(lfa_images);
/* How many there are, in the agent's words of the last scan. */
unsigned int lfa_reported;

static unsigned int lfa_image_count;
static struct kset *lfa_kset;

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

static const char *lfa_name_of(const uuid_t *guid)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lfa_names); i++)
		if (uuid_equal(&lfa_names[i].guid, guid))
			return lfa_names[i].name;
	return "";
}

static struct lfa_image *lfa_find(const uuid_t *guid)
{
	struct lfa_image *image;

	list_for_each_entry(image, &lfa_images, node)
		if (uuid_equal(&image->guid, guid))
			return image;
	return NULL;
}

/* A component that was not there before, with its directory; NULL if there is no room for it. */
static struct lfa_image *lfa_add(int id, const struct lfa_info *info)
{
	struct lfa_image *image;

	/* A list that is never whole loses nothing: a new GUID in each would fill the memory. */
	if (lfa_image_count >= LFA_MAX_IMAGES)
		return NULL;
	image = kzalloc(sizeof(*image), GFP_KERNEL);
	if (!image)
		return NULL;
	uuid_copy(&image->guid, &info->guid);
	image->name = lfa_name_of(&info->guid);
	if (*image->name)
		strscpy(image->label, image->name, sizeof(image->label));
	else
		snprintf(image->label, sizeof(image->label), "%pUb", &info->guid);
	image->id = id;
	image->flags = info->flags;
	image->told_flags = info->flags;
	image->current_version = info->current_version;
	image->told_version = info->current_version;
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
	image = lfa_find(&info.guid);
	if (!image)
		image = lfa_add(id, &info);
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
	static const struct {
		u64 flag;
		const char *file;
	} files[] = {
		{ LFA_CAPABLE, "activation_capable" },
		{ LFA_PENDING, "activation_pending" },
		{ LFA_MAY_RESET_CPU, "may_reset_cpu" },
		{ LFA_RENDEZVOUS_OPTIONAL, "cpu_rendezvous" },
	};
	u64 changed = image->flags ^ image->told_flags;
	bool version = image->current_version != image->told_version;
	char text[128], *env[] = { text, NULL };
	unsigned int i, size;

	size = scnprintf(text, sizeof(text), "LFA_CHANGED=%s", version ? "current_version " : "");
	for (i = 0; i < ARRAY_SIZE(files); i++)
		if (changed & files[i].flag)
			size += scnprintf(text + size, sizeof(text) - size, "%s ", files[i].file);
	image->told_flags = image->flags;
	image->told_version = image->current_version;
	/* Only what has a file is a change. */
	if (text[size - 1] == '=')
		return;
	text[size - 1] = '\0';
	kobject_uevent_env(&image->kobj, KOBJ_CHANGE, env);
}

/*
 * Read the inventory anew; the caller holds lfa_transaction, and lfa_ids for writing. A component
 * of which nothing was read keeps its directory unless the whole inventory could be read, but it
 * has no id, so that nothing is asked of it that another would answer.
 */
int lfa_scan_locked(void)
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
	list_for_each_entry(image, &lfa_images, node) {
		if (image->rows != 1)
			image->id = LFA_NO_ID;
		image->gone = whole && !image->rows;
		lfa_announce(image);
	}
	return err;
}

/* The same for who holds lfa_transaction only. */
int lfa_scan(void)
{
	int err;

	down_write(&lfa_ids);
	err = lfa_scan_locked();
	up_write(&lfa_ids);
	return err;
}

/*
 * Ask the agent about one component; the caller holds lfa_ids. -ENOENT if its id is nobody's or
 * another's.
 */
int lfa_refresh(struct lfa_image *image, struct lfa_info *info)
{
	int err = lfa_get_inventory(image->id, info);

	if (err)
		return err;
	if (!uuid_equal(&image->guid, &info->guid))
		return -ENOENT;
	WRITE_ONCE(image->flags, info->flags);
	return 0;
}

bool lfa_cleanup_waits(void)
{
	struct lfa_image *image;

	lockdep_assert_held(&lfa_transaction);
	list_for_each_entry(image, &lfa_images, node)
		if (image->gone)
			return true;
	return false;
}

/*
 * Remove the directories of components that are gone. Waits for whoever is in one of their files,
 * so it never runs from within one, nor with lfa_ids held.
 */
void lfa_cleanup(void)
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
}

/* /sys/firmware/lfa, without a component. */
int lfa_create_tree(void)
{
	int err;

	lfa_kset = kset_create_and_add("lfa", NULL, firmware_kobj);
	if (!lfa_kset)
		return -ENOMEM;
	err = sysfs_create_group(&lfa_kset->kobj, &lfa_root_group);
	if (err)
		kset_unregister(lfa_kset);
	return err;
}

/* Ends when nobody is in a file any more. */
void lfa_destroy_tree(void)
{
	struct lfa_image *image;

	mutex_lock(&lfa_transaction);
	down_write(&lfa_ids);
	list_for_each_entry(image, &lfa_images, node) {
		image->id = LFA_NO_ID;
		image->gone = true;
	}
	up_write(&lfa_ids);
	lfa_cleanup();
	mutex_unlock(&lfa_transaction);
	sysfs_remove_group(&lfa_kset->kobj, &lfa_root_group);
	kset_unregister(lfa_kset);
}
