#include "shared/data/quota_check.h"

#include "shared/base/buf.h"
#include "shared/base/encoding.h"

#include <inttypes.h>

static enum mr_status append_limits(struct mr_buf *text, const char *begin, const int64_t *limits,
                                    struct mr_err *err)
{
    MR_TRY(mr_buf_append_str(text, begin, err));
    for (enum mr_quota quota = MR_QUOTA_NONE + 1; quota < MR_QUOTA_COUNT; quota++)
        MR_TRY(mr_buf_appendf(text, err, ",\"%s\":%" PRId64, mr_quota_row(quota)->name, limits[quota]));
    return mr_buf_append_str(text, "}", err);
}

enum mr_status mr_quota_limits_text(const struct mr_quotas *quotas, char out[MR_QUOTA_LIMITS_MAX],
                                    struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(MR_QUOTA_LIMITS_MAX - 1);
    MR_TRY(append_limits(&text, "[{\"guest\":false", quotas->limits, err));
    MR_TRY(append_limits(&text, ",{\"guest\":true", quotas->of_guest, err));
    MR_TRY(mr_buf_append_str(&text, "]", err));
    snprintf(out, MR_QUOTA_LIMITS_MAX, "%s", mr_buf_str(&text));
    return MR_OK;
}

enum mr_status mr_quota_check(struct mr_db *db, const struct mr_quotas *quotas, int64_t user_id,
                              const struct mr_quota_need *need, struct mr_err *err)
{
    static const struct mr_statement check = {
        "quota_check",
        "WITH" MR_QUOTA_LIMITS(
            "$2") ", w AS (SELECT $1::bigint AS user_id, $3::bigint AS tasks,"
                  " $4::bigint AS bytes, $5::bigint AS uploads, 0 AS records_of_task,"
                  " 0 AS records, $6::bigint > 0 AS has_delivery, $6::bigint AS deliveries)"
                  " SELECT" MR_QUOTA_VERDICT " AS quota, q.guest::int AS is_guest FROM w" MR_QUOTA_JOIN,
        6};
    char user[MR_INT64_TEXT_MAX], tasks[MR_INT64_TEXT_MAX], bytes[MR_INT64_TEXT_MAX],
        uploads[MR_INT64_TEXT_MAX], deliveries[MR_INT64_TEXT_MAX];
    char limits[MR_QUOTA_LIMITS_MAX];
    mr_int64_text(user_id, user);
    mr_int64_text(need->tasks, tasks);
    mr_int64_text(need->bytes, bytes);
    mr_int64_text(need->uploads, uploads);
    mr_int64_text(need->deliveries, deliveries);
    MR_TRY(mr_quota_limits_text(quotas, limits, err));
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &check, (const char *const[]){user, limits, tasks, bytes, uploads, deliveries},
                      &rows, err));
    if (mr_rows_is_null(rows, 0, "quota"))
        return MR_OK;
    return mr_quota_refuse(quotas, mr_quota_find(mr_rows_text(rows, 0, "quota")),
                           mr_rows_int64(rows, 0, "is_guest") != 0, err);
}
