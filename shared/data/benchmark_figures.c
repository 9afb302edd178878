#include "shared/data/benchmark_figures.h"

#include "shared/base/encoding.h"

static enum mr_status parse(const char *text, json_t **ret, struct mr_err *err)
{
    *ret = json_loads(text, 0, NULL);
    return *ret ? MR_OK : mr_fail_oom(err);
}

enum mr_status mr_benchmark_figures(struct mr_db *db, int64_t user_id, json_t **ret_minutes,
                                    json_t **ret_totals, struct mr_err *err)
{
    static const struct mr_statement figures = {
        "benchmark_figures",
        "WITH newest AS (SELECT input_object FROM tasks WHERE user_id = $1::bigint ORDER BY id DESC LIMIT 1),"
        " run AS (SELECT status, CASE WHEN status = 'processed' THEN"
        "  1 + floor(extract(epoch FROM processed_at - uploaded_at) / 60)::int END AS minute"
        "  FROM tasks JOIN newest USING (input_object) WHERE user_id = $1::bigint),"
        " minutes AS (SELECT min, count(run.minute) FROM"
        "  generate_series(1, (SELECT max(minute) FROM run WHERE minute <= 10080)) AS min"
        "  LEFT JOIN run ON run.minute = min GROUP BY min)"
        " SELECT (SELECT coalesce(json_agg(json_build_object('min', min, 'count', count) ORDER BY min), '[]')"
        "  FROM minutes) AS minutes,"
        " json_build_object('total', count(*), 'processed', count(*) FILTER (WHERE status = 'processed'),"
        "  'failed', count(*) FILTER (WHERE status IN ('failed', 'canceled')),"
        "  'unfinished', count(*) FILTER (WHERE status NOT IN ('processed', 'failed', 'canceled'))) AS totals"
        " FROM run",
        1};
    char user[MR_INT64_TEXT_MAX];
    mr_int64_text(user_id, user);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_AUTO_JSON json_t *minutes = NULL;
    MR_TRY(mr_db_exec(db, &figures, (const char *const[]){user}, &rows, err));
    MR_TRY(parse(mr_rows_text(rows, 0, "minutes"), &minutes, err));
    MR_TRY(parse(mr_rows_text(rows, 0, "totals"), ret_totals, err));
    *ret_minutes = MR_TAKE(minutes);
    return MR_OK;
}
