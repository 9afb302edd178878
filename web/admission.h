/*
 * Admission: the group commit on the hot path of creating tasks.
 *
 * Request threads hand over their draft and sleep; one committer thread takes all that wait, inserts them in
 * one statement, publishes them in one REST call, and wakes the threads. While it works, the next batch
 * gathers, so batches grow with the load and a lone request waits for nobody.
 *
 * The row is committed before the answer. If Pub/Sub is down the answer comes all the same, after a bounded
 * wait: the row is its own outbox entry, and the sweep publishes it later.
 */
#ifndef MR_WEB_ADMISSION_H
#define MR_WEB_ADMISSION_H

#include "shared/base/log.h"
#include "shared/data/publisher.h"
#include "shared/data/tasks.h"

struct mr_admission;

/* publisher and log must outlive it. */
MR_MUST_CHECK enum mr_status mr_admission_start(struct mr_db *db, const struct mr_publisher *publisher,
                                                const struct mr_log *log, struct mr_admission **ret,
                                                struct mr_err *err);
/* No submit may be under way. NULL is fine. */
void mr_admission_stop(struct mr_admission *admission);
MR_DEFINE_CLEANUP(mr_admission, mr_admission_stop)

/*
 * Returns when the task is committed (and, as a rule, published); the caller owns *ret_view. Where the
 * draft's idempotency key had made a task before, *ret_view is that task: its file_id is another than the
 * draft's, and what the draft brought along is not needed. MR_CONFLICT, MR_NOT_FOUND as mr_tasks_resolve. Any
 * thread.
 */
MR_MUST_CHECK enum mr_status mr_admission_submit(struct mr_admission *admission,
                                                 const struct mr_task_draft *draft, json_t **ret_view,
                                                 struct mr_err *err);

#endif
