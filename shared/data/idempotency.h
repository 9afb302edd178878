/*
 * Idempotency keys: one key of a user makes one task, for 24 hours. mr_tasks_insert (tasks.h) takes a draft's key
 * in the statement that makes the task; here are that part of its SQL, the answer to a key that is taken, and
 * the deletion of old keys. Any thread may call.
 */
#ifndef MR_DATA_IDEMPOTENCY_H
#define MR_DATA_IDEMPOTENCY_H

#include "shared/data/tasks.h"

/* How long a key is kept, as SQL. */
#define MR_IDEMPOTENCY_LIFETIME "interval '24 hours'"

/*
 * A query for a CTE: takes the keys of the drafts in the CTE `source` (file_id, user_id, idempotency_key,
 * request_hash) and returns the file_id of each draft whose key was free or expired.
 */
#define MR_IDEMPOTENCY_TAKE_KEYS(source)                                                                     \
    "INSERT INTO idempotency_keys AS k (user_id, key, request_hash, file_id)"                                \
    "  SELECT DISTINCT ON (user_id, idempotency_key) user_id, idempotency_key, request_hash, file_id"        \
    "  FROM " source " WHERE idempotency_key IS NOT NULL ORDER BY user_id, idempotency_key, file_id"         \
    "  ON CONFLICT (user_id, key) DO UPDATE SET request_hash = excluded.request_hash,"                       \
    "  file_id = excluded.file_id, created_at = now()"                                                       \
    "  WHERE k.created_at < now() - " MR_IDEMPOTENCY_LIFETIME " RETURNING file_id"

/*
 * The answer to a draft that mr_tasks_insert left out: the view of the task that its idempotency key made before;
 * the caller owns it. MR_CONFLICT with code "idempotency_key_reused" (another request) or
 * "idempotency_key_spent" (that task is deleted); MR_NOT_FOUND with code "unknown_upload" (its upload is taken,
 * expired, or another user's).
 */
MR_MUST_CHECK enum mr_status mr_idempotency_resolve(struct mr_db *db, const struct mr_task_draft *draft,
                                                    json_t **ret_view, struct mr_err *err);

/* Deletes up to max expired keys; *ret_count is how many. */
MR_MUST_CHECK enum mr_status mr_idempotency_purge(struct mr_db *db, int64_t max, int64_t *ret_count,
                                                  struct mr_err *err);

#endif
