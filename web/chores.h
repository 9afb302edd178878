/*
 * The chores of the sweep, which Cloud Scheduler calls every minute: each republishes, retries or cleans up
 * what is due, in bounded portions, and counts what it did. Safe to run at any time, several at once, and
 * again.
 */
#ifndef MR_WEB_CHORES_H
#define MR_WEB_CHORES_H

#include "web/app.h"

/* Adds what it did to *total. */
typedef enum mr_status mr_chore(struct mr_web *web, int64_t *total, struct mr_err *err);

mr_chore mr_chore_republish;      /* chores.c: messages that are owed */
mr_chore mr_chore_delete_strays;  /* chores.c: objects that nobody owns */
mr_chore mr_chore_forget_keys;    /* chores_keys.c: idempotency keys that hold no longer */
mr_chore mr_chore_expire_uploads; /* chores_uploads.c: direct uploads that no task took in time */
mr_chore mr_chore_expire_links;   /* chores_uploads.c: links without login that are over */
mr_chore mr_chore_deliveries;     /* chores_deliveries.c: webhooks and mails that are due */
mr_chore mr_chore_delete_records; /* chores_records.c: records of tasks that are gone */
mr_chore mr_chore_expire_pings;   /* chores_records.c: pings older than an hour */

#endif
