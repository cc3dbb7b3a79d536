// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loading and unloading, notifications, suspend and reboot. The agent is found by a call; the
 * device of ACPI (ARML0003) or of the device tree (arm,lfa) only notifies that something changed.
 */
#define pr_fmt(fmt) "Arm LFA: " fmt

#include <linux/acpi.h>
#include <linux/interrupt.h>
#include <linux/kernfs.h>
#include <linux/mod_devicetable.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/platform_device.h>
#include <linux/reboot.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include "lfa.h"

static void lfa_cleanup_work(struct work_struct *work);
static void lfa_notify_work(struct work_struct *work);
static DECLARE_WORK(lfa_cleaning, lfa_cleanup_work);
static DECLARE_WORK(lfa_notified, lfa_notify_work);
/* An activation takes long, and must not keep others' work from running. */
static struct workqueue_struct *lfa_queue;

static void lfa_cleanup_work(struct work_struct *work)
{
	mutex_lock(&lfa_transaction);
	lfa_cleanup();
	mutex_unlock(&lfa_transaction);
}

/* The caller may be in a file of a directory that is to be removed. */
void lfa_end_transaction(void)
{
	if (lfa_cleanup_waits())
		queue_work(lfa_queue, &lfa_cleaning);
	mutex_unlock(&lfa_transaction);
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
		if (!err)
			pr_info("registered LFA ACPI notification\n");
		return err;
	}
	irq = platform_get_irq(pdev, 0);
	if (irq < 0)
		return irq;
	err = devm_request_irq(&pdev->dev, irq, lfa_interrupt, 0, "arm-lfa", NULL);
	if (!err)
		pr_info("registered LFA DT notification interrupt\n");
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

/* Whether the kernel has a driver of its own. */
static bool lfa_is_taken(void)
{
	struct kernfs_node *node = kernfs_find_and_get(firmware_kobj->sd, "lfa");

	kernfs_put(node);
	return node;
}

static int __init lfa_list(void)
{
	int err;

	mutex_lock(&lfa_transaction);
	err = lfa_scan();
	if (!err && list_empty(&lfa_images))
		err = -ENODEV;
	mutex_unlock(&lfa_transaction);
	return err;
}

/* Whoever is in an activation ends it before the next call, with CANCEL, and gets -ESHUTDOWN. */
static void lfa_stop(void)
{
	WRITE_ONCE(lfa_closing, true);
	flush_workqueue(lfa_queue);
	lfa_destroy_tree();
	destroy_workqueue(lfa_queue);
}

static int __init lfa_init(void)
{
	int err;

	if (lfa_is_taken()) {
		pr_err("this kernel has a driver of its own\n");
		return -EEXIST;
	}
	err = lfa_find_agent();
	if (err)
		return err;
	pr_info("Live Firmware Activation: detected v%u.%u\n", lfa_agent_version >> 16,
		lfa_agent_version & 0xffff);
	lfa_queue = alloc_ordered_workqueue("arm-lfa", 0);
	if (!lfa_queue)
		return -ENOMEM;
	err = lfa_create_tree();
	if (err) {
		destroy_workqueue(lfa_queue);
		return err;
	}
	err = lfa_list();
	if (err)
		goto stop;
	err = register_pm_notifier(&lfa_suspend_block);
	if (err)
		goto stop;
	err = register_reboot_notifier(&lfa_reboot_block);
	if (err)
		goto no_reboot;
	err = platform_driver_register(&lfa_driver);
	if (!err)
		return 0;
	unregister_reboot_notifier(&lfa_reboot_block);
no_reboot:
	unregister_pm_notifier(&lfa_suspend_block);
stop:
	lfa_stop();
	return err;
}

static void __exit lfa_exit(void)
{
	platform_driver_unregister(&lfa_driver);
	unregister_reboot_notifier(&lfa_reboot_block);
	unregister_pm_notifier(&lfa_suspend_block);
	lfa_stop();
}

module_init(lfa_init);
module_exit(lfa_exit);
MODULE_DESCRIPTION("Arm Live Firmware Activation (Arm DEN0147)");
MODULE_AUTHOR("The livefw authors");
MODULE_LICENSE("GPL");
