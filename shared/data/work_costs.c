#include "shared/data/work_costs.h"

#include "shared/data/db_rows.h"

enum mr_status mr_work_costs_read(struct mr_db *db, json_t **ret, struct mr_err *err)
{
    static const struct mr_statement read = {
        "work_costs",
        "WITH latest AS (SELECT receipt->'work' AS work, (receipt->>'cpu_seconds')::float8 AS seconds"
        "  FROM tasks WHERE id > (SELECT max(id) FROM tasks) - 2000 AND status = 'processed'"
        "  AND receipt ? 'work' AND NOT receipt ? 'reused'"
        /* Each unit of audio decodes what is before it once more. */
        "  AND NOT (receipt ? 'units' AND receipt->'work' ? 'megasamples')),"
        " amounts AS (SELECT work->>'encoder' AS encoder, work->>'preset' AS preset, seconds,"
        "  coalesce(work->>'megapixels', work->>'megasamples')::float8 AS amount FROM latest),"
        " costs AS (SELECT encoder, preset, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds / amount)"
        "  AS seconds FROM amounts WHERE amount >= 20 AND seconds >= 1 GROUP BY 1, 2 HAVING count(*) >= 5)"
        " SELECT coalesce(jsonb_agg(jsonb_build_array(encoder, preset, seconds) ORDER BY encoder, preset),"
        "  '[]') AS costs FROM costs",
        0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &read, NULL, &rows, err));
    *ret = json_loads(mr_rows_text(rows, 0, "costs"), 0, NULL);
    return *ret ? MR_OK : mr_fail_oom(err);
}
