/*
 * Deletes the users who have asked for it (mr_user_delete), with their tasks, files, records, uploads, keys, links and
 * deliveries: a job of the sweep. Each step is one transaction that leaves less, so it goes on wherever it was
 * interrupted; the row of the user goes last.
 */
#ifndef MR_WEB_ACCOUNT_REMOVAL_H
#define MR_WEB_ACCOUNT_REMOVAL_H

#include "web/app.h"

/* Adds what was deleted, tasks and users, to *total. Bounded: what is left waits for the next sweep. A user that cannot
 * be deleted now does not keep the others; the first failure is returned. Any thread, also several. */
MR_MUST_CHECK enum mr_status mr_accounts_remove(struct mr_web *web, int64_t *total, struct mr_err *err);

#endif
