/* Where the product calls its database: each statement is a step, whose answer may be lost, or which may never arrive. */
#include "tests/model/faults.h"
#include "tests/model/model.h"

#include <inttypes.h>
#include <libpq-fe.h>

enum {
    LOST_PERMILLE = 25,
    LOST_OF_LEASES_PERMILLE = 90, /* where a repetition matters */
    CRASH_PERMILLE = 4,
    FREEZE_US_MIN = 15 * SECOND_US,
    FREEZE_US_MAX = 45 * SECOND_US,
    DELIVERY_LEASE_US = 60 * SECOND_US,
};

enum outcome { ANSWERED, NEVER_SENT, ANSWER_LOST };

/* What the linker calls the wrapped functions. */
int __real_PQsendPrepare(PGconn *pg, const char *name, const char *sql, int count, const Oid *types);
int __wrap_PQsendPrepare(PGconn *pg, const char *name, const char *sql, int count, const Oid *types);
int __real_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format);
enum mr_status __real_mr_db_exec_within(struct mr_db *db, int timeout_ms,
                                        const struct mr_statement *statement, const char *const *params,
                                        struct mr_rows **ret_rows, struct mr_err *err);
enum mr_status __wrap_mr_db_exec_within(struct mr_db *db, int timeout_ms,
                                        const struct mr_statement *statement, const char *const *params,
                                        struct mr_rows **ret_rows, struct mr_err *err);
enum mr_status __wrap_mr_db_exec(struct mr_db *db, const struct mr_statement *statement,
                                 const char *const *params, struct mr_rows **ret_rows, struct mr_err *err);
enum mr_status __real_mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err);
enum mr_status __wrap_mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err);
enum mr_status __real_mr_db_commit(struct mr_db_tx **tx, struct mr_err *err);
enum mr_status __wrap_mr_db_commit(struct mr_db_tx **tx, struct mr_err *err);

int __wrap_PQsendPrepare(PGconn *pg, const char *name, const char *sql, int count, const Oid *types)
{
    struct model *model = the_model;
    char *planted = model && model->fault ? faults_apply(model->fault, name, sql) : NULL;
    if (planted)
        model->applied++;
    int sent = __real_PQsendPrepare(pg, name, planted ? planted : sql, count, types);
    free(planted);
    return sent;
}

/* The connection learns the time before each statement. */
int __wrap_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format)
{
    struct model *model = the_model;
    if (model && (model->clock_of_product_us != model->now_us || model->clock_connection != pg)) {
        watch_set_clock(pg, model->now_us);
        model->clock_of_product_us = model->now_us;
        model->clock_connection = pg;
    }
    if (model && model->step.statement_count < STATEMENTS_MAX)
        snprintf(model->step.statements[model->step.statement_count++], STATEMENT_MAX, "%s", name);
    return __real_PQsendQueryPrepared(pg, name, count, values, lengths, formats, format);
}

static enum outcome draw(struct model *model, const char *statement)
{
    bool is_lease = strncmp(statement, "lease_", 6) == 0 || strncmp(statement, "unit", 4) == 0;
    enum outcome outcome = ANSWERED;
    if (model_chance(model, is_lease ? LOST_OF_LEASES_PERMILLE : LOST_PERMILLE))
        outcome = model_random(model, 2) ? ANSWER_LOST : NEVER_SENT;
    if (model_chance(model, CRASH_PERMILLE)) {
        outcome = model_random(model, 3) ? ANSWER_LOST : NEVER_SENT;
        model->crash = model_actor()->process;
    }
    return outcome;
}

/* In permille. What ends a run seldom freezes more often. */
static int chance_to_freeze(const struct mr_statement *statement)
{
    static const struct {
        const char *name;
        int permille;
    } ends[] = {{"lease_commit", 250}, {"lease_fail", 700}, {"lease_release", 250}, {"lease_defer", 500},
                {"unit_finish", 250},  {"unit_fail", 700},  {"unit_release", 250},  {"delivery_finish", 250}};
    const struct job *job = model_actor()->job;
    if (job && job->unit && strcmp(statement->name, "lease_commit") == 0)
        return 700; /* joins are few */
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(statement->name, ends[i].name) == 0)
            return ends[i].permille;
    return 10;
}

/* A worker that freezes on its way to the database comes back when others have its task; most of all where its run ends,
 * because there it can do harm. False if it dies meanwhile. */
static bool survive_freeze(struct model *model, const struct mr_statement *statement)
{
    const struct actor *actor = model_actor();
    bool is_delivery = !actor->job && actor->delivery_id;
    if ((!actor->job && !is_delivery) || !model_chance(model, chance_to_freeze(statement)))
        return true;
    int64_t us =
        FREEZE_US_MIN + (int64_t)model_random(model, FREEZE_US_MAX) + is_delivery * DELIVERY_LEASE_US;
    model_process(model, actor)->frozen_until_us = model->now_us + us;
    model_trace(model, " [process %d is frozen]", actor->process);
    return model_turn(model);
}

static enum mr_status no_answer(struct model *model, enum outcome outcome, struct mr_err *err)
{
    model_trace(model, " (%s)", outcome == NEVER_SENT ? "never sent" : "answer lost");
    if (model_actor()->job && model_actor()->role == ROLE_PUSH)
        model_actor()->job->is_unsure = true;
    return mr_fail(err, MR_UNAVAILABLE, "database: no answer");
}

enum mr_status __wrap_mr_db_exec_within(struct mr_db *db, int timeout_ms,
                                        const struct mr_statement *statement, const char *const *params,
                                        struct mr_rows **ret_rows, struct mr_err *err)
{
    struct model *model = the_model;
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    if (!model_actor())
        return __real_mr_db_exec_within(db, timeout_ms, statement, params, ret_rows, err);
    if (!model_turn(model) || !survive_freeze(model, statement))
        return mr_fail(err, MR_UNAVAILABLE, "process is dead");
    enum outcome outcome = draw(model, statement->name);
    model_trace(model, " %s %s", statement->name, statement->params && params[0] ? params[0] : "");
    if (outcome == NEVER_SENT)
        return no_answer(model, outcome, err);
    enum mr_status status = __real_mr_db_exec_within(db, timeout_ms, statement, params, &rows, err);
    if (status != MR_OK)
        model_trace(model, " FAILED %s", err ? err->message : "");
    else if (outcome == ANSWER_LOST)
        return no_answer(model, outcome, err);
    if (model_actor()->job && model_actor()->role == ROLE_PUSH)
        model_actor()->job->is_unsure = false;
    if (status == MR_OK && ret_rows)
        *ret_rows = MR_TAKE(rows);
    return status;
}

enum mr_status __wrap_mr_db_exec(struct mr_db *db, const struct mr_statement *statement,
                                 const char *const *params, struct mr_rows **ret_rows, struct mr_err *err)
{
    return __wrap_mr_db_exec_within(db, MR_DB_ANSWER_MS, statement, params, ret_rows, err);
}

/* A transaction is one step: one connection serves all actors, and nobody may wait for a lock. */
enum mr_status __wrap_mr_db_begin(struct mr_db *db, struct mr_db_tx **ret, struct mr_err *err)
{
    if (model_actor() && !model_turn(the_model))
        return mr_fail(err, MR_UNAVAILABLE, "process is dead");
    return __real_mr_db_begin(db, ret, err);
}

enum mr_status __wrap_mr_db_commit(struct mr_db_tx **tx, struct mr_err *err)
{
    struct model *model = the_model;
    if (!model_actor())
        return __real_mr_db_commit(tx, err);
    enum outcome outcome = draw(model, "commit");
    for (int i = 0; i < model->step.statement_count; i++)
        model_trace(model, " %s", model->step.statements[i]);
    if (outcome == NEVER_SENT) {
        mr_db_rollback(MR_TAKE(*tx));
        return no_answer(model, outcome, err);
    }
    enum mr_status status = __real_mr_db_commit(tx, err);
    return status == MR_OK && outcome == ANSWER_LOST ? no_answer(model, outcome, err) : status;
}
