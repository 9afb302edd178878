#include "shared/data/records.h"

#include "shared/base/encoding.h"
#include "shared/data/lease_sql.h"
#include "shared/data/records_rows.h"

/*
 * Selects the task of a held lease, and prevents others from claiming, canceling or deleting it until the
 * transaction ends: the second of two such transactions sees what the first did. To be held as briefly as
 * possible: among transactions that follow each other closely, a waiting deletion never gets its turn. What a crash of
 * the database loses of these transactions, the next attempt inserts again; the commit of the task stores them all.
 */
#define LOCK_HELD_TASK                                                                                       \
    "SELECT id, generation FROM tasks WHERE" MR_LEASE_IS_HELD " AND" MR_COMMIT_IS_LAZY " FOR SHARE"

/*
 * Deletes a portion of a run's records from its end, and the run when nothing is left. The transaction must have
 * locked the run's row (or the task must be deleted), so that nobody adds rows that this statement does not see.
 */
static enum mr_status purge(struct mr_db_tx *tx, const char *task_id, int64_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "records_purge",
        "WITH run AS (SELECT task_id, done, greatest(done - $2::bigint, 0) AS rest FROM records.runs"
        " WHERE task_id = $1::bigint FOR UPDATE),"
        " u AS (DELETE FROM records.users r USING run WHERE r.task_id = run.task_id AND r.n > run.rest),"
        " p AS (DELETE FROM records.products r USING run WHERE r.task_id = run.task_id AND r.n > run.rest),"
        " o AS (DELETE FROM records.order_items r USING run  WHERE r.task_id = run.task_id"
        " AND r.n > run.rest),"
        " kept AS (UPDATE records.runs r SET done = run.rest FROM run WHERE r.task_id = run.task_id"
        " AND run.rest > 0),"
        " gone AS (DELETE FROM records.runs r USING run WHERE r.task_id = run.task_id"
        " AND run.rest = 0) SELECT done - rest AS count FROM run",
        2};
    char portion[MR_INT64_TEXT_MAX];
    mr_int64_text(MR_RECORDS_PURGE_MAX, portion);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_tx_exec(tx, &statement, (const char *const[]){task_id, portion}, &rows, err));
    *ret_count = mr_rows_count(rows) ? mr_rows_int64(rows, 0, "count") : 0;
    return MR_OK;
}

static enum mr_status find_or_make_run(struct mr_db_tx *tx, const struct mr_claim *claim,
                                       enum mr_records_state *ret_state, int64_t *ret_done,
                                       struct mr_err *err)
{
    static const struct mr_statement begin = {
        "records_begin",
        "WITH held AS (" LOCK_HELD_TASK
        ") INSERT INTO records.runs AS r (task_id, generation) SELECT id, generation FROM held"
        " ON CONFLICT (task_id) DO UPDATE SET done = r.done RETURNING r.generation, r.done",
        3};
    const struct mr_held held = mr_held_of(claim);
    int64_t purged = 0;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(
        mr_db_tx_exec(tx, &begin, (const char *const[]){held.task, held.generation, held.fence}, &rows, err));
    if (mr_rows_count(rows) == 0) {
        *ret_state = MR_RECORDS_LOST;
        return MR_OK;
    }
    if (mr_rows_int64(rows, 0, "generation") != claim->generation) {
        *ret_state = MR_RECORDS_OLD;
        return purge(tx, held.task, &purged, err);
    }
    *ret_state = MR_RECORDS_OURS;
    *ret_done = mr_rows_int64(rows, 0, "done");
    return MR_OK;
}

static enum mr_status begin(struct mr_db *db, const struct mr_claim *claim, enum mr_records_state *ret_state,
                            int64_t *ret_done, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    enum mr_records_state state = MR_RECORDS_LOST;
    int64_t done = 0;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(find_or_make_run(tx, claim, &state, &done, err));
    MR_TRY(mr_db_commit(&tx, err));
    *ret_state = state;
    *ret_done = done;
    return MR_OK;
}

enum mr_status mr_records_begin(struct mr_db *db, const struct mr_claim *claim,
                                enum mr_records_state *ret_state, int64_t *ret_done, struct mr_err *err)
{
    return mr_wrap(err, begin(db, claim, ret_state, ret_done, err), "begin the records");
}

/* Whether inserting can succeed: without a lock, so the answer may be out of date. */
static enum mr_status look(struct mr_db_tx *tx, const struct mr_claim *claim, int64_t done, bool *ret_ours,
                           struct mr_err *err)
{
    static const struct mr_statement statement = {
        "records_look",
        "SELECT FROM tasks t JOIN records.runs r ON r.task_id = t.id AND r.generation = t.generation"
        " WHERE t.id = $1::bigint AND t.generation = $2::int AND t.fence = $3::bigint"
        " AND t.status = 'processing' AND r.done = $4::bigint",
        4};
    const struct mr_held held = mr_held_of(claim);
    char at[MR_INT64_TEXT_MAX];
    mr_int64_text(done, at);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    const char *const params[] = {held.task, held.generation, held.fence, at};
    MR_TRY(mr_db_tx_exec(tx, &statement, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return MR_OK;
}

/* Moves `done`; *ret_ours is false when the lease or the run has changed. */
static enum mr_status advance(struct mr_db_tx *tx, const struct mr_claim *claim, int64_t done, int64_t count,
                              bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "records_advance",
        "WITH held AS (" LOCK_HELD_TASK ") UPDATE records.runs r SET done = $5::bigint FROM held"
        " WHERE r.task_id = held.id AND r.generation = held.generation AND r.done = $4::bigint",
        5};
    const struct mr_held held = mr_held_of(claim);
    char before[MR_INT64_TEXT_MAX], after[MR_INT64_TEXT_MAX];
    mr_int64_text(done, before);
    mr_int64_text(done + count, after);
    const char *const params[] = {held.task, held.generation, held.fence, before, after};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_tx_exec(tx, &statement, params, &rows, err));
    *ret_ours = mr_rows_affected(rows) > 0;
    return MR_OK;
}

static enum mr_status insert(struct mr_db *db, const struct mr_claim *claim, int64_t done, int64_t count,
                             bool *ret_ours, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL; /* rolled back unless committed */
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(look(tx, claim, done, ret_ours, err));
    if (!*ret_ours)
        return MR_OK;
    MR_TRY(mr_records_copy(tx, claim->task_id, done + 1, done + count, err));
    MR_TRY(advance(tx, claim, done, count, ret_ours, err));
    return *ret_ours ? mr_db_commit(&tx, err) : MR_OK;
}

/* True if the next worker took the task over after the look, and inserted the rows that are in the way. */
static bool has_moved(struct mr_db *db, const struct mr_claim *claim, int64_t done)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    struct mr_err err = {0}; /* then the conflict is told */
    bool ours = true;
    return mr_db_begin(db, &tx, &err) == MR_OK && look(tx, claim, done, &ours, &err) == MR_OK && !ours;
}

enum mr_status mr_records_insert(struct mr_db *db, const struct mr_claim *claim, int64_t done, int64_t count,
                                 enum mr_records_state *ret_state, struct mr_err *err)
{
    bool ours = false;
    enum mr_status status = insert(db, claim, done, count, &ours, err);
    if (status == MR_CONFLICT && has_moved(db, claim, done))
        ours = false;
    else if (status != MR_OK)
        return mr_wrap(err, status, "insert records");
    *ret_state = ours ? MR_RECORDS_OURS : MR_RECORDS_LOST;
    return MR_OK;
}

static enum mr_status purge_orphan(struct mr_db *db, bool *ret_any, int64_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement find = {
        "records_orphan",
        "SELECT task_id FROM records.runs WHERE orphaned ORDER BY task_id LIMIT 1 FOR UPDATE SKIP LOCKED", 0};
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    int64_t count = 0;
    MR_TRY(mr_db_begin(db, &tx, err));
    MR_TRY(mr_db_tx_exec(tx, &find, NULL, &rows, err));
    if (mr_rows_count(rows))
        MR_TRY(purge(tx, mr_rows_text(rows, 0, "task_id"), &count, err));
    MR_TRY(mr_db_commit(&tx, err));
    *ret_any = mr_rows_count(rows) > 0;
    *ret_count = count;
    return MR_OK;
}

enum mr_status mr_records_purge_orphan(struct mr_db *db, bool *ret_any, int64_t *ret_count,
                                       struct mr_err *err)
{
    return mr_wrap(err, purge_orphan(db, ret_any, ret_count, err), "delete records");
}
