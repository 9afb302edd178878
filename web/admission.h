/*
 * Admission: the group commit on the hot path of creating tasks.
 *
 * Request threads hand over their drafts and wait. One committer thread takes all waiting drafts and inserts them
 * with one statement; a second thread publishes them with one REST call for each priority and wakes the threads, while
 * the committer inserts the next batch. A batch gathers while the one before it is inserted, so batches grow with the
 * load, and a single request does not wait for others. That a batch was published is noted by the statement that inserts
 * the next one, or by itself if none waits.
 *
 * The row is committed before the response. If Pub/Sub is down, the response still comes after a bounded
 * time: the batch stays in the outbox, and the sweep publishes it later.
 */
#ifndef MR_WEB_ADMISSION_H
#define MR_WEB_ADMISSION_H

#include "shared/base/log.h"
#include "shared/data/publisher.h"
#include "shared/data/tasks.h"

struct mr_admission;

/* db, to, quotas and log must outlive it. MR_EXHAUSTED without memory or a thread. */
MR_MUST_CHECK enum mr_status mr_admission_start(struct mr_db *db, const struct mr_publisher *to,
                                                const struct mr_quotas *quotas, const struct mr_log *log,
                                                struct mr_admission **ret, struct mr_err *err);
/* No call of mr_admission_submit may be running. NULL is allowed. */
void mr_admission_stop(struct mr_admission *admission);
MR_DEFINE_CLEANUP(mr_admission, mr_admission_stop)

/*
 * Returns when the task is committed and, normally, published; the caller owns *ret_view. If the idempotency
 * key of the draft has created a task before, *ret_view is that task: its file_id differs from the draft's,
 * and the input of the draft is not needed. MR_CONFLICT and MR_NOT_FOUND as mr_idempotency_resolve; MR_EXHAUSTED
 * and MR_DENIED as mr_quota_refuse. Any thread.
 */
MR_MUST_CHECK enum mr_status mr_admission_submit(struct mr_admission *admission,
                                                 const struct mr_task_draft *draft, json_t **ret_view,
                                                 struct mr_err *err);

#endif
