#include "shared/data/idempotency.h"

#include "shared/base/encoding.h"

enum mr_status mr_idempotency_purge(struct mr_db *db, int64_t max, int64_t *ret_count, struct mr_err *err)
{
    /* The age is asked twice: a key that is taken anew while we wait for its row must stay. */
    static const struct mr_statement purge = {
        "idempotency_purge",
        "DELETE FROM idempotency_keys WHERE created_at < now() - " MR_IDEMPOTENCY_LIFETIME
        " AND (user_id, key) IN (SELECT user_id, key FROM idempotency_keys"
        "  WHERE created_at < now() - " MR_IDEMPOTENCY_LIFETIME " ORDER BY created_at LIMIT $1::bigint)",
        1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text(max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_exec(db, &purge, (const char *const[]){limit}, &rows, err);
    if (status == MR_OK)
        *ret_count = mr_rows_affected(rows);
    return status;
}
