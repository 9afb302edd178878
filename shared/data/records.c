#include "shared/data/records.h"

#include "shared/data/db_copy.h"

/* ---- rows, in the text format of COPY --------------------------------------- */

/* A piece of the stream is sent when the longest row might no longer fit. */
enum { PIECE_BYTES = 64 << 10, ROW_MAX = 256 };

struct piece {
    struct mr_db_tx *tx;
    size_t len;
    char bytes[PIECE_BYTES];
};

/* What snprintf would need ten times as long for: these two are the hot path of a run. */
static void put_text(struct piece *piece, const char *text)
{
    size_t len = strlen(text);
    memcpy(piece->bytes + piece->len, text, len);
    piece->len += len;
}

static void put_number(struct piece *piece, int64_t number)
{
    char digits[MR_INT64_TEXT_MAX];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    memcpy(piece->bytes + piece->len, digits + at, sizeof digits - at);
    piece->len += sizeof digits - at;
}

/* Numbers that look random and are the same each time: Fibonacci hashing. */
static int64_t scatter(int64_t n, int64_t range)
{
    return (int64_t)(((uint64_t)n * UINT64_C(0x9e3779b97f4a7c15) >> 16) % (uint64_t)range);
}

static void put_user(struct piece *piece, int64_t n)
{
    put_text(piece, "\tUser ");
    put_number(piece, n);
    put_text(piece, "\tuser");
    put_number(piece, n);
    put_text(piece, "@example.com\n");
}

static void put_product(struct piece *piece, int64_t n)
{
    put_text(piece, "\tProduct ");
    put_number(piece, n);
    put_text(piece, "\t");
    put_number(piece, 100 + scatter(n, 99900));
    put_text(piece, "\n");
}

/* An item names a user and a product that are there with it. */
static void put_order_item(struct piece *piece, int64_t n)
{
    put_text(piece, "\t");
    put_number(piece, 1 + scatter(n, n));
    put_text(piece, "\t");
    put_number(piece, 1 + scatter(-n, n));
    put_text(piece, "\t");
    put_number(piece, 1 + n % 5);
    put_text(piece, "\n");
}

static const struct {
    const char *copy;
    void (*put)(struct piece *piece, int64_t n); /* the columns behind task_id and n */
} tables[] = {
    {"COPY records.users (task_id, n, name, email) FROM STDIN", put_user},
    {"COPY records.products (task_id, n, name, price_cents) FROM STDIN", put_product},
    {"COPY records.order_items (task_id, n, user_n, product_n, quantity) FROM STDIN", put_order_item},
};

static enum mr_status flush(struct piece *piece, struct mr_err *err)
{
    enum mr_status status = mr_db_tx_copy_write(piece->tx, piece->bytes, piece->len, err);
    piece->len = 0;
    return status;
}

static enum mr_status copy_table(struct piece *piece, size_t table, int64_t task_id, int64_t first,
                                 int64_t last, struct mr_err *err)
{
    enum mr_status status = mr_db_tx_copy_begin(piece->tx, tables[table].copy, err);
    for (int64_t n = first; status == MR_OK && n <= last; n++) {
        put_number(piece, task_id);
        put_text(piece, "\t");
        put_number(piece, n);
        tables[table].put(piece, n);
        if (piece->len > PIECE_BYTES - ROW_MAX || n == last)
            status = flush(piece, err);
    }
    return status == MR_OK ? mr_db_tx_copy_end(piece->tx, NULL, err) : status;
}

static enum mr_status copy_tables(struct mr_db_tx *tx, int64_t task_id, int64_t first, int64_t last,
                                  struct mr_err *err)
{
    struct piece *piece = malloc(sizeof *piece);
    if (!piece)
        return mr_fail_oom(err);
    piece->tx = tx;
    piece->len = 0;
    enum mr_status status = MR_OK;
    for (size_t table = 0; status == MR_OK && table < sizeof tables / sizeof *tables; table++)
        status = copy_table(piece, table, task_id, first, last, err);
    free(piece);
    return status;
}

/* ---- runs ------------------------------------------------------------------ */

/*
 * The lease, looked up in a way that lets nobody claim, cancel or delete the task until the transaction ends:
 * whoever is second of the two sees what the first one did. It is to be held as briefly as can be: a deletion
 * that waits for it has no turn of its own among transactions that follow each other closely.
 */
#define HELD                                                                                                 \
    "SELECT id, generation FROM tasks WHERE id = $1::bigint AND generation = $2::int AND fence = $3::bigint" \
    " AND status = 'processing' FOR SHARE"

struct held {
    char task[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX], fence[MR_INT64_TEXT_MAX];
};

static struct held held_of(const struct mr_claim *claim)
{
    struct held held;
    mr_int64_text(claim->task_id, held.task);
    mr_int64_text(claim->generation, held.generation);
    mr_int64_text(claim->fence, held.fence);
    return held;
}

/*
 * Deletes a portion of a run's records from its end, and the run when nothing is left. The transaction must
 * hold the run's row (or the task be gone), so that nobody adds rows which this statement would not see.
 */
static enum mr_status purge(struct mr_db_tx *tx, const char *task_id, int64_t *ret_count, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "records_purge",
        "WITH run AS (SELECT task_id, done, greatest(done - $2::bigint, 0) AS rest FROM records.runs"
        " WHERE task_id = $1::bigint FOR UPDATE),"
        " u AS (DELETE FROM records.users r USING run WHERE r.task_id = run.task_id AND r.n > run.rest),"
        " p AS (DELETE FROM records.products r USING run WHERE r.task_id = run.task_id AND r.n > run.rest),"
        " o AS (DELETE FROM records.order_items r USING run WHERE r.task_id = run.task_id AND r.n > "
        "run.rest),"
        " kept AS (UPDATE records.runs r SET done = run.rest FROM run WHERE r.task_id = run.task_id"
        " AND run.rest > 0),"
        " gone AS (DELETE FROM records.runs r USING run WHERE r.task_id = run.task_id AND run.rest = 0)"
        " SELECT done - rest AS count FROM run",
        2};
    char portion[MR_INT64_TEXT_MAX];
    mr_int64_text(MR_RECORDS_PURGE_MAX, portion);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status =
        mr_db_tx_exec(tx, &statement, (const char *const[]){task_id, portion}, &rows, err);
    if (status == MR_OK)
        *ret_count = mr_rows_count(rows) ? mr_rows_int64(rows, 0, "count") : 0;
    return status;
}

static enum mr_status begin_locked(struct mr_db_tx *tx, const struct mr_claim *claim,
                                   enum mr_records_state *ret_state, int64_t *ret_done, struct mr_err *err)
{
    static const struct mr_statement begin = {
        "records_begin",
        "WITH held AS (" HELD ") INSERT INTO records.runs AS r (task_id, generation) SELECT * FROM held"
        " ON CONFLICT (task_id) DO UPDATE SET done = r.done RETURNING r.generation, r.done",
        3};
    const struct held held = held_of(claim);
    int64_t purged = 0;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status =
        mr_db_tx_exec(tx, &begin, (const char *const[]){held.task, held.generation, held.fence}, &rows, err);
    if (status != MR_OK)
        return status;
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

enum mr_status mr_records_begin(struct mr_db *db, const struct mr_claim *claim,
                                enum mr_records_state *ret_state, int64_t *ret_done, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    enum mr_records_state state = MR_RECORDS_LOST;
    int64_t done = 0;
    enum mr_status status = mr_db_begin(db, &tx, err);
    if (status == MR_OK)
        status = begin_locked(tx, claim, &state, &done, err);
    if (status == MR_OK)
        status = mr_db_commit(&tx, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "begin the records");
    *ret_state = state;
    *ret_done = done;
    return MR_OK;
}

/* Whether it is worth while to begin: without a lock, so that the answer may be out of date. */
static enum mr_status look(struct mr_db_tx *tx, const struct mr_claim *claim, int64_t done, bool *ret_ours,
                           struct mr_err *err)
{
    static const struct mr_statement statement = {
        "records_look",
        "SELECT FROM tasks t JOIN records.runs r ON r.task_id = t.id AND r.generation = t.generation"
        " WHERE t.id = $1::bigint AND t.generation = $2::int AND t.fence = $3::bigint"
        " AND t.status = 'processing' AND r.done = $4::bigint",
        4};
    const struct held held = held_of(claim);
    char at[MR_INT64_TEXT_MAX];
    mr_int64_text(done, at);
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_tx_exec(
        tx, &statement, (const char *const[]){held.task, held.generation, held.fence, at}, &rows, err);
    if (status == MR_OK)
        *ret_ours = mr_rows_count(rows) > 0;
    return status;
}

/* Moves `done`; *ret_ours is false when the lease or the run is not what it was. */
static enum mr_status advance(struct mr_db_tx *tx, const struct mr_claim *claim, int64_t done, int64_t count,
                              bool *ret_ours, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "records_advance",
        "WITH held AS (" HELD ") UPDATE records.runs r SET done = $5::bigint FROM held"
        " WHERE r.task_id = held.id AND r.generation = held.generation AND r.done = $4::bigint",
        5};
    const struct held held = held_of(claim);
    char before[MR_INT64_TEXT_MAX], after[MR_INT64_TEXT_MAX];
    mr_int64_text(done, before);
    mr_int64_text(done + count, after);
    const char *const params[] = {held.task, held.generation, held.fence, before, after};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    enum mr_status status = mr_db_tx_exec(tx, &statement, params, &rows, err);
    if (status == MR_OK)
        *ret_ours = mr_rows_affected(rows) > 0;
    return status;
}

/* When *ret_ours is false the transaction must be rolled back. */
static enum mr_status insert_all(struct mr_db_tx *tx, const struct mr_claim *claim, int64_t done,
                                 int64_t count, bool *ret_ours, struct mr_err *err)
{
    enum mr_status status = look(tx, claim, done, ret_ours, err);
    if (status != MR_OK || !*ret_ours)
        return status;
    status = copy_tables(tx, claim->task_id, done + 1, done + count, err);
    return status == MR_OK ? advance(tx, claim, done, count, ret_ours, err) : status;
}

enum mr_status mr_records_insert(struct mr_db *db, const struct mr_claim *claim, int64_t done, int64_t count,
                                 enum mr_records_state *ret_state, struct mr_err *err)
{
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    bool ours = false;
    enum mr_status status = mr_db_begin(db, &tx, err);
    if (status == MR_OK)
        status = insert_all(tx, claim, done, count, &ours, err);
    if (status == MR_OK && ours)
        status = mr_db_commit(&tx, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "insert records");
    *ret_state = ours ? MR_RECORDS_OURS : MR_RECORDS_LOST;
    return MR_OK;
}

enum mr_status mr_records_purge_orphan(struct mr_db *db, bool *ret_any, int64_t *ret_count,
                                       struct mr_err *err)
{
    static const struct mr_statement find = {
        "records_orphan",
        "SELECT task_id FROM records.runs WHERE orphaned ORDER BY task_id LIMIT 1 FOR UPDATE SKIP LOCKED", 0};
    MR_AUTO(mr_db_tx) struct mr_db_tx *tx = NULL;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    int64_t count = 0;
    enum mr_status status = mr_db_begin(db, &tx, err);
    if (status == MR_OK)
        status = mr_db_tx_exec(tx, &find, NULL, &rows, err);
    if (status == MR_OK && mr_rows_count(rows))
        status = purge(tx, mr_rows_text(rows, 0, "task_id"), &count, err);
    if (status == MR_OK)
        status = mr_db_commit(&tx, err);
    if (status != MR_OK)
        return mr_wrap(err, status, "delete records");
    *ret_any = mr_rows_count(rows) > 0;
    *ret_count = count;
    return MR_OK;
}
