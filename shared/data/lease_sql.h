/* What the SQL about leases has in common. Private to shared/data. */
#ifndef MR_DATA_LEASE_SQL_H
#define MR_DATA_LEASE_SQL_H

#include "shared/base/encoding.h"
#include "shared/data/leases.h"

/* The parameters that every statement about a held lease begins with: $1 task, $2 generation, $3 fence. */
struct mr_held {
    char task[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX], fence[MR_INT64_TEXT_MAX];
};

static inline struct mr_held mr_held_of(const struct mr_claim *claim)
{
    struct mr_held held;
    mr_int64_text(claim->task_id, held.task);
    mr_int64_text(claim->generation, held.generation);
    mr_int64_text(claim->fence, held.fence);
    return held;
}

/* The row of a held lease, by these parameters. */
#define MR_LEASE_IS_HELD                                                                                     \
    " id = $1::bigint AND generation = $2::int AND fence = $3::bigint AND status = 'processing'"
/* A row that can be claimed, if attempts are left. */
#define MR_LEASE_IS_CLAIMABLE " (status = 'uploaded' OR (status = 'processing' AND lease_expires_at < now()))"

/* The columns of tasks that mr_claim_of reads. */
#define MR_CLAIM_COLUMNS                                                                                     \
    " id, file_id, generation, kind, fence, attempts, interruptions, input_object, input_generation,"        \
    " original_size, original_file, new_format, options, url, callback_url, notify_mail, reuse,"             \
    " CASE WHEN whole_generation = generation THEN whole_reason END AS whole_reason,"                        \
    " (extract(epoch FROM now() - uploaded_at) * 1000)::bigint AS queued_ms,"                                \
    " (extract(epoch FROM now() - first_claimed_at) * 1000)::bigint AS worked_ms"
MR_MUST_CHECK enum mr_status mr_claim_of(const struct mr_rows *rows, struct mr_claim *ret,
                                         struct mr_err *err);

/*
 * A condition that is always true, for statements whose effect need not outlive a crash of the database: their commits do
 * not wait for the disk (synchronous_commit). The next commit that waits stores them as well, as they come before it.
 * Not for claims, as no two may have one fence, nor for what a client or Pub/Sub is told.
 */
#define MR_COMMIT_IS_LAZY " (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL"

#endif
