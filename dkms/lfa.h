/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm Live Firmware Activation (Arm DEN0147) for kernels without a driver of their own.
 * Documentation/lfa.rst says which lock protects what, and how an activation goes.
 */
#ifndef LFA_H
#define LFA_H

#include <linux/bits.h>
#include <linux/kobject.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/uuid.h>

/* More than any machine has: the agent's word alone must not fill the memory. */
#define LFA_MAX_IMAGES		1024

/* x0 of every call, as a signed number. */
enum lfa_status {
	LFA_SUCCESS			= 0,
	LFA_NOT_SUPPORTED		= -1,
	LFA_BUSY			= -2,
	LFA_AUTH_ERROR			= -3,
	LFA_NO_MEMORY			= -4,
	LFA_CRITICAL_ERROR		= -5,
	LFA_DEVICE_ERROR		= -6,
	LFA_WRONG_STATE			= -7,
	LFA_INVALID_PARAMETERS		= -8,
	LFA_COMPONENT_WRONG_STATE	= -9,
	LFA_INVALID_ADDRESS		= -10,
	LFA_ACTIVATION_FAILED		= -11,
};

#define LFA_FN_PRIME			0xC40002E4
#define LFA_FN_ACTIVATE			0xC40002E5
#define LFA_FN_CANCEL			0xC40002E6

/* x3 of GET_INVENTORY */
#define LFA_CAPABLE			BIT_ULL(0)
#define LFA_PENDING			BIT_ULL(1)
#define LFA_MAY_RESET_CPU		BIT_ULL(2)
#define LFA_RENDEZVOUS_OPTIONAL		BIT_ULL(3)

/* x2 of ACTIVATE */
#define LFA_SKIP_RENDEZVOUS		BIT_ULL(0)

/* What GET_INVENTORY says of one component. */
struct lfa_info {
	uuid_t guid;
	u64 flags;
	u64 current_version;
	u64 pending_version;
};

/* How the last call ended that was to change something. */
struct lfa_outcome {
	const char *call;
	s64 status;
	unsigned int failed;	/* of these CPUs ... */
	unsigned int asked;	/* ... that issued it at once */
	bool timed_out;
};

#define LFA_NO_ID		(-1)

struct lfa_image {
	struct kobject kobj;
	struct list_head node;
	uuid_t guid;
	const char *name;	/* empty for a GUID that is not known */
	char label[40];		/* the name, or else the GUID */
	int id;			/* sequence id in the last scan, or LFA_NO_ID */
	unsigned int rows;	/* of the inventory in the last scan that have this GUID */
	u64 flags;
	u64 current_version;
	u64 told_flags;		/* by uevent */
	u64 told_version;
	struct lfa_outcome last;
	bool primed;		/* and not cancelled since */
	bool gone;		/* its directory is to be removed */
	bool tried;		/* for the notification that is handled */
	bool force_cpu_rendezvous;
	bool auto_activate;
};

#define to_lfa_image(object)	container_of(object, struct lfa_image, kobj)

/* call.c */
extern u32 lfa_agent_version;
int lfa_find_agent(void);
int lfa_get_count(unsigned int *count);
int lfa_get_inventory(int id, struct lfa_info *info);
s64 lfa_call(u32 function, int id, u64 flags, bool *again);
const char *lfa_status_name(s64 status);
int lfa_status_errno(s64 status);

/* image.c */
extern struct mutex lfa_transaction;
extern struct rw_semaphore lfa_ids;
extern struct list_head lfa_images;
extern unsigned int lfa_reported;
int lfa_create_tree(void);
void lfa_destroy_tree(void);
int lfa_scan(void);
int lfa_scan_locked(void);
int lfa_refresh(struct lfa_image *image, struct lfa_info *info);
bool lfa_cleanup_waits(void);
void lfa_cleanup(void);

/* run.c */
extern bool lfa_closing;
struct lfa_outcome lfa_last_outcome(struct lfa_image *image);
int lfa_activate(struct lfa_image *image, const char *success);
int lfa_cancel(struct lfa_image *image);
int lfa_activate_automatic(void);

/* files.c */
extern const struct kobj_type lfa_image_type;
extern const struct attribute_group lfa_root_group;

/* main.c */
void lfa_end_transaction(void);

#endif
