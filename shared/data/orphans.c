#include "shared/data/orphans.h"

#include "shared/base/encoding.h"

enum mr_status mr_orphans_add(struct mr_db *db, const char *name, int64_t delete_after_s, struct mr_err *err)
{
    static const struct mr_statement add = {
        "orphans_add",
        "INSERT INTO stray_objects (name, delete_after) VALUES ($1, now() + make_interval(secs => $2::int))"
        " ON CONFLICT (name) DO UPDATE SET delete_after = excluded.delete_after",
        2};
    char seconds[MR_INT64_TEXT_MAX];
    mr_int64_text(delete_after_s, seconds);
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &add, (const char *const[]){name, seconds}, NULL, err);
}

enum mr_status mr_orphans_forget(struct mr_db *db, const char *name, struct mr_err *err)
{
    static const struct mr_statement forget = {"orphans_forget", "DELETE FROM stray_objects WHERE name = $1",
                                               1};
    return mr_db_exec_within(db, MR_DB_QUICK_MS, &forget, &name, NULL, err);
}

enum mr_status mr_orphans_due(struct mr_db *db, int max, json_t **ret_names, struct mr_err *err)
{
    static const struct mr_statement look = {
        "orphans_due",
        "SELECT coalesce(json_agg(name), '[]') AS names FROM (SELECT name FROM stray_objects"
        " WHERE delete_after <= now() ORDER BY delete_after LIMIT $1::int) AS due",
        1};
    char limit[MR_INT64_TEXT_MAX];
    mr_int64_text((int64_t)max, limit);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec(db, &look, (const char *const[]){limit}, &rows, err));
    *ret_names = json_loads(mr_rows_text(rows, 0, "names"), 0, NULL);
    return *ret_names ? MR_OK : mr_fail_oom(err);
}
