#include "tests/model/rows.h"

#include "shared/base/encoding.h"

#include <inttypes.h>
#include <libpq-fe.h>

struct watch {
    PGconn *pg;
    bool is_prepared;
};

/* The functions read a setting, so that a step of the clock is a statement that writes nothing. */
static const char clock_sql[] =
    "CREATE SCHEMA model;"
    "CREATE FUNCTION model.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT"
    " timestamptz '2030-01-01 00:00:00+00' + current_setting('model.now')::bigint * interval '1 microsecond' "
    "$$;"
    "CREATE FUNCTION model.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT"
    " timestamptz '2030-01-01 00:00:00+00' + current_setting('model.now')::bigint * interval '1 microsecond' "
    "$$;"
    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET model.now = ''0''', current_database());"
    " EXECUTE format('ALTER DATABASE %I SET search_path = public, model, pg_catalog', current_database());"
    " EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$";

#define US(column)                                                                                           \
    " coalesce((extract(epoch FROM " column " - timestamptz '2030-01-01 00:00:00+00') * 1000000)::bigint, "  \
    "-1)"

enum { TASKS, DELIVERIES, LEDGER, USAGE, UNITS, LOOKS };
static const char *const looks[LOOKS][2] = {
    {"look_tasks",
     "SELECT t.id, t.status, t.generation, t.attempts, t.interruptions, t.kills, t.stops, t.fence,"
     " t.started::int, (t.callback_url IS NOT NULL)::int, (t.url IS NOT NULL)::int," US(
         "t.lease_expires_"
         "at") "," US("t.published_at") "," US("coalesce(t.uploaded_at, t.created_at)") ", t.claim_id, "
                                                                                        "t.error_code,"
                                                                                        " t.input_object, "
                                                                                        "(SELECT "
                                                                                        "min(o.object) FROM "
                                                                                        "outputs o "
                                                                                        "WHERE o.task_id = "
                                                                                        "t.id),"
                                                                                        " (SELECT count(*) "
                                                                                        "FROM "
                                                                                        "outputs o WHERE "
                                                                                        "o.task_id = "
                                                                                        "t.id), t.progress, "
                                                                                        "t.event_id, "
                                                                                        "EXISTS (SELECT "
                                                                                        "FROM "
                                                                                        "outbox_batches b "
                                                                                        "WHERE t.id = ANY "
                                                                                        "(b.tasks))::int "
                                                                                        "FROM "
                                                                                        "tasks t "
                                                                                        "ORDER BY t.id"},
    {"look_deliveries", "SELECT id, task_id, generation, attempts, fence," US("lease_expires_at") "," US(
                            "next_attempt_at") "," US("published_at") ", status FROM deliveries ORDER BY id"},
    {"look_ledger", "SELECT name FROM stray_objects"},
    {"look_usage", "SELECT count(*) FROM users u LEFT JOIN user_usage g ON g.user_id = u.id WHERE"
                   " coalesce(g.tasks, 0) <> (SELECT count(*) FROM tasks t WHERE t.user_id = u.id"
                   "  AND t.status IN ('uploaded', 'processing'))"
                   " OR coalesce(g.stored_bytes, 0) <> (SELECT coalesce(sum(t.original_size), 0) FROM "
                   "tasks t WHERE t.user_id = u.id)"
                   "  + (SELECT coalesce(sum(o.size), 0) FROM outputs o JOIN tasks t ON t.id = o.task_id "
                   "WHERE t.user_id = u.id)"
                   " OR coalesce(g.deliveries, 0) <> (SELECT count(*) FROM deliveries d JOIN tasks t ON "
                   "t.id = d.task_id"
                   "  WHERE t.user_id = u.id AND d.status IN ('pending', 'sending'))"},
    {"look_units", "SELECT task_id, n, plan, fence, attempts, stops, waits_for," US(
                       "lease_expires_at") ", kind, state, claim_id, object FROM units ORDER BY task_id, n"},
};

static void die(PGconn *pg, const char *what)
{
    fprintf(stderr, "model: %s: %s", what, PQerrorMessage(pg));
    exit(2);
}

struct watch *watch_open(const char *conninfo)
{
    struct watch *watch = calloc(1, sizeof *watch);
    watch->pg = PQconnectdb(conninfo);
    if (PQstatus(watch->pg) != CONNECTION_OK)
        die(watch->pg, "cannot connect");
    watch_command(watch, "SET client_min_messages = warning");
    return watch;
}

void watch_close(struct watch *watch)
{
    PQfinish(watch->pg);
    free(watch);
}

void watch_command(struct watch *watch, const char *sql)
{
    PGresult *result = PQexec(watch->pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        die(watch->pg, sql);
    PQclear(result);
}

void watch_install_clock(struct watch *watch)
{
    watch_command(watch, clock_sql);
}

void watch_reset(struct watch *watch)
{
    watch_command(watch,
                  "TRUNCATE users, tasks, outputs, deliveries, stray_objects, idempotency_keys, uploads,"
                  " user_usage, download_links, outbox_batches RESTART IDENTITY CASCADE;"
                  "ALTER TABLE tasks ENABLE TRIGGER USER;" /* a fault may have disabled one */
                  "ALTER SEQUENCE task_events RESTART;"
                  "INSERT INTO users (username, email, password_hash, webhook_secret) VALUES"
                  " ('one', 'one@example.com', 'x', '00'), ('two', 'two@example.com', 'x', '00')");
}

/* Not that of the product, which the linker wraps. */
int __real_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format);

static void prepare(struct watch *watch)
{
    for (int i = 0; i < LOOKS && !watch->is_prepared; i++) {
        PGresult *result = PQprepare(watch->pg, looks[i][0], looks[i][1], 0, NULL);
        if (PQresultStatus(result) != PGRES_COMMAND_OK)
            die(watch->pg, looks[i][0]);
        PQclear(result);
    }
    watch->is_prepared = true;
}

/* All in one exchange. */
static void ask_all(struct watch *watch, PGresult *results[LOOKS])
{
    prepare(watch);
    PQenterPipelineMode(watch->pg);
    for (int i = 0; i < LOOKS; i++)
        __real_PQsendQueryPrepared(watch->pg, looks[i][0], 0, NULL, NULL, NULL, 0);
    PQpipelineSync(watch->pg);
    for (int i = 0; i < LOOKS; i++) {
        results[i] = PQgetResult(watch->pg);
        if (PQresultStatus(results[i]) != PGRES_TUPLES_OK)
            die(watch->pg, looks[i][0]);
        PQclear(PQgetResult(watch->pg));
    }
    PQclear(PQgetResult(watch->pg)); /* of the sync */
    PQexitPipelineMode(watch->pg);
}

static int64_t number(const PGresult *result, int row, int column)
{
    return strtoll(PQgetvalue(result, row, column), NULL, 10);
}

#define TEXT(to, row, column) snprintf(to, sizeof(to), "%s", PQgetvalue(result, row, column))

static void read_tasks(const PGresult *result, struct snapshot *ret)
{
    ret->task_count = PQntuples(result) < TASKS_MAX ? PQntuples(result) : TASKS_MAX;
    for (int row = 0; row < ret->task_count; row++) {
        struct task_row *task = memset(&ret->tasks[row], 0, sizeof ret->tasks[row]);
        int64_t *const numbers[] = {&task->id,    &task->generation, &task->attempts, &task->interruptions,
                                    &task->kills, &task->stops,      &task->fence};
        static const int columns[] = {0, 2, 3, 4, 5, 6, 7};
        for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
            *numbers[i] = number(result, row, columns[i]);
        TEXT(task->status, row, 1);
        task->is_started = number(result, row, 8) != 0;
        task->has_callback = number(result, row, 9) != 0;
        task->is_url = number(result, row, 10) != 0;
        task->lease_us = number(result, row, 11);
        task->published_us = number(result, row, 12);
        task->queued_us = number(result, row, 13);
        TEXT(task->claim_id, row, 14);
        TEXT(task->error_code, row, 15);
        TEXT(task->input, row, 16);
        TEXT(task->output, row, 17);
        task->outputs = number(result, row, 18);
        task->progress = number(result, row, 19);
        task->event_id = number(result, row, 20);
        task->is_owed = number(result, row, 21) != 0;
    }
}

static void read_deliveries(const PGresult *result, struct snapshot *ret)
{
    ret->delivery_count = PQntuples(result) < DELIVERY_ROWS_MAX ? PQntuples(result) : DELIVERY_ROWS_MAX;
    for (int row = 0; row < ret->delivery_count; row++) {
        struct delivery_row *delivery = &ret->deliveries[row];
        memset(delivery, 0, sizeof *delivery);
        int64_t *const numbers[] = {&delivery->id,       &delivery->task,        &delivery->generation,
                                    &delivery->attempts, &delivery->fence,       &delivery->lease_us,
                                    &delivery->next_us,  &delivery->published_us};
        for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++)
            *numbers[i] = number(result, row, i);
        TEXT(delivery->status, row, 8);
    }
}

static void read_units(const PGresult *result, struct snapshot *ret)
{
    ret->unit_count = PQntuples(result) < UNIT_ROWS_MAX ? PQntuples(result) : UNIT_ROWS_MAX;
    for (int row = 0; row < ret->unit_count; row++) {
        struct unit_row *unit = memset(&ret->units[row], 0, sizeof ret->units[row]);
        int64_t *const numbers[] = {&unit->task,     &unit->n,     &unit->plan,      &unit->fence,
                                    &unit->attempts, &unit->stops, &unit->waits_for, &unit->lease_us};
        for (int i = 0; i < (int)(sizeof numbers / sizeof *numbers); i++)
            *numbers[i] = number(result, row, i);
        TEXT(unit->kind, row, 8);
        TEXT(unit->state, row, 9);
        TEXT(unit->claim_id, row, 10);
        TEXT(unit->object, row, 11);
    }
}

void watch_look(struct watch *watch, struct snapshot *ret)
{
    PGresult *results[LOOKS];
    ask_all(watch, results);
    read_tasks(results[TASKS], ret);
    read_deliveries(results[DELIVERIES], ret);
    read_units(results[UNITS], ret);
    const PGresult *result = results[LEDGER];
    ret->ledger_count = PQntuples(result) < LEDGER_MAX ? PQntuples(result) : LEDGER_MAX;
    for (int row = 0; row < ret->ledger_count; row++)
        TEXT(ret->ledger[row], row, 0);
    ret->usage_is_exact = number(results[USAGE], 0, 0) == 0;
    for (int i = 0; i < LOOKS; i++)
        PQclear(results[i]);
}

void watch_set_clock(void *connection, int64_t us)
{
    char sql[64];
    snprintf(sql, sizeof sql, "SET model.now = '%" PRId64 "'", us);
    PQclear(PQexec(connection, sql));
}

struct task_row *snapshot_task(const struct snapshot *snapshot, int64_t id)
{
    for (int i = 0; i < snapshot->task_count; i++)
        if (snapshot->tasks[i].id == id)
            return (struct task_row *)&snapshot->tasks[i];
    return NULL;
}

struct delivery_row *snapshot_delivery(const struct snapshot *snapshot, int64_t id)
{
    for (int i = 0; i < snapshot->delivery_count; i++)
        if (snapshot->deliveries[i].id == id)
            return (struct delivery_row *)&snapshot->deliveries[i];
    return NULL;
}

struct unit_row *snapshot_unit(const struct snapshot *snapshot, int64_t task, int64_t n)
{
    for (int i = 0; i < snapshot->unit_count; i++)
        if (snapshot->units[i].task == task && snapshot->units[i].n == n)
            return (struct unit_row *)&snapshot->units[i];
    return NULL;
}

bool snapshot_in_ledger(const struct snapshot *snapshot, const char *name)
{
    for (int i = 0; i < snapshot->ledger_count; i++)
        if (strcmp(snapshot->ledger[i], name) == 0)
            return true;
    return false;
}

bool task_is(const struct task_row *row, const char *status)
{
    return strcmp(row->status, status) == 0;
}

bool task_is_final(const struct task_row *row)
{
    return task_is(row, "processed") || task_is(row, "failed") || task_is(row, "canceled");
}
