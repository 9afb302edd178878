/* How a lease is taken: mr_lease_claim. */
#include "shared/data/lease_sql.h"

enum { ROUNDS = 3, PARAMS = 9 };

/* The limits of a task that end it when it is claimed again, as the SQL below numbers them. */
enum limit {
    LIMIT_NONE,
    LIMIT_KILLS,
    LIMIT_ATTEMPTS,
    LIMIT_INTERRUPTIONS,
    LIMIT_STOPS,
    LIMIT_AGE,
    LIMIT_TIME,
    LIMITS
};

static const struct {
    enum mr_code code;
    const char *detail;
} limits[LIMITS] = {
    [LIMIT_KILLS] = {MR_CODE_RESOURCE_LIMIT,
                     "conversion was killed several times with its memory near the limit"},
    [LIMIT_ATTEMPTS] = {MR_CODE_ATTEMPTS_EXHAUSTED,
                        "conversion was started several times and never finished"},
    [LIMIT_INTERRUPTIONS] = {MR_CODE_INTERRUPTED, "conversion was interrupted too often: its machines died"},
    [LIMIT_STOPS] = {MR_CODE_INTERRUPTED, "conversion was interrupted too often: its machines were stopped"},
    [LIMIT_AGE] = {MR_CODE_SERVICE_FAULT,
                   "service could not run the task for a long time: the input is not at fault"},
    [LIMIT_TIME] = {MR_CODE_TASK_TOO_LONG, MR_TASK_TOO_LONG_DETAIL},
};

/* $1 task, $2 generation, $3 claim id. A lease with this claim id was given by a statement whose answer was
 * lost. */
#define IS_OPEN                                                                                              \
    " (generation = $2::int AND (" MR_LEASE_IS_CLAIMABLE                                                     \
    " OR (status = 'processing' AND claim_id = $3::uuid)))"
/* 1 if the lease that ended so belonged to a run that had started: the machine ended it. */
#define INTERRUPTED " (status = 'processing' AND started)::int"
/* $4 … $8 as in struct mr_lease_terms. A lease that was lost before its run started is nobody's attempt; only
 * the age of the task bounds these. */
#define LIMIT                                                                                                \
    " CASE WHEN kills >= 3 THEN 1"                                                                           \
    " WHEN attempts - interruptions -" INTERRUPTED " >= $4::int THEN 2"                                      \
    " WHEN interruptions +" INTERRUPTED " >= $5::int THEN 3"                                                 \
    " WHEN stops >= $6::int THEN 4"                                                                          \
    " WHEN status = 'processing' AND NOT started AND claim_id IS DISTINCT FROM $3::uuid"                     \
    " AND coalesce(uploaded_at, created_at) < now() - make_interval(secs => $7::int) THEN 5"                 \
    " WHEN first_claimed_at < now() - make_interval(secs => $8::int)"                                        \
    " AND claim_id IS DISTINCT FROM $3::uuid THEN 6"                                                         \
    " ELSE 0 END"

void mr_claim_free(struct mr_claim *claim)
{
    free(claim->input_object);
    free(claim->original_file);
    free(claim->new_format);
    free(claim->options);
    free(claim->url);
    free(claim->whole_reason);
    free(claim->unit.search);
    *claim = (struct mr_claim){0};
}

static bool is_true(const struct mr_rows *rows, const char *column)
{
    return strcmp(mr_rows_text(rows, 0, column), "t") == 0;
}

enum mr_status mr_claim_of(const struct mr_rows *rows, struct mr_claim *ret, struct mr_err *err)
{
    MR_AUTO(mr_claim)
    struct mr_claim claim = {
        .task_id = mr_rows_int64(rows, 0, "id"),
        .generation = mr_rows_int64(rows, 0, "generation"),
        .fence = mr_rows_int64(rows, 0, "fence"),
        .attempts = mr_rows_int64(rows, 0, "attempts") + 1,
        .interruptions = mr_rows_int64(rows, 0, "interruptions"),
        .worked_ms = mr_rows_int64(rows, 0, "worked_ms"),
        .queued_ms = mr_rows_int64(rows, 0, "queued_ms"),
        .input_object = strdup(mr_rows_text(rows, 0, "input_object")),
        .input_generation = mr_rows_int64(rows, 0, "input_generation"),
        .input_size = mr_rows_int64(rows, 0, "original_size"),
        .original_file = strdup(mr_rows_text(rows, 0, "original_file")),
        .new_format = strdup(mr_rows_text(rows, 0, "new_format")),
        .options = strdup(mr_rows_text(rows, 0, "options")),
        .url = strdup(mr_rows_text(rows, 0, "url")),
        .whole_reason = strdup(mr_rows_text(rows, 0, "whole_reason")),
        .has_deliveries = !mr_rows_is_null(rows, 0, "callback_url") || is_true(rows, "notify_mail"),
        .reuse = is_true(rows, "reuse"),
    };
    snprintf(claim.file_id, sizeof claim.file_id, "%s", mr_rows_text(rows, 0, "file_id"));
    snprintf(claim.kind, sizeof claim.kind, "%s", mr_rows_text(rows, 0, "kind"));
    if (!claim.input_object || !claim.original_file || !claim.new_format || !claim.options || !claim.url ||
        !claim.whole_reason)
        return mr_fail_oom(err);
    *ret = claim;
    claim = (struct mr_claim){0};
    return MR_OK;
}

/* Fails a task that has reached this limit, unless it has changed since it had this fence: who held a lease that has expired may
 * have given the task back. */
static enum mr_status exhaust(struct mr_db *db, const char *const params[PARAMS], const char *fence,
                              enum limit limit, bool *ret_failed, struct mr_err *err)
{
    static const struct mr_statement statement = {
        "lease_exhaust",
        "UPDATE tasks SET status = 'failed', lease_expires_at = NULL, processed_at = now(), error_code = $10,"
        " error_detail = $11 WHERE id = $1::bigint AND generation = $2::int AND fence = $9::bigint"
        " AND" MR_LEASE_IS_CLAIMABLE " AND" LIMIT " = $12::int",
        12};
    char number[MR_INT64_TEXT_MAX];
    mr_int64_text(limit, number);
    const char *const values[] = {params[0],
                                  params[1],
                                  params[2],
                                  params[3],
                                  params[4],
                                  params[5],
                                  params[6],
                                  params[7],
                                  fence,
                                  mr_code_name(limits[limit].code),
                                  limits[limit].detail,
                                  number};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &statement, values, &rows, err));
    *ret_failed = mr_rows_affected(rows) > 0;
    return MR_OK;
}

/* Why a claim got no row. Fails a task that has reached a limit. *ret_decided is false if the task can be
 * claimed by now. */
static enum mr_status why_not(struct mr_db *db, const char *const params[PARAMS], bool *ret_decided,
                              enum mr_claim_outcome *ret_outcome, struct mr_err *err)
{
    static const struct mr_statement look = {
        "lease_look",
        "SELECT fence, status = 'processing' AND generation = $2::int AS is_running," IS_OPEN
        " AS is_open," LIMIT " AS limit_reached FROM tasks WHERE id = $1::bigint",
        8};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &look, params, &rows, err));
    *ret_decided = true;
    *ret_outcome = MR_CLAIM_STALE;
    if (mr_rows_count(rows) == 0)
        return MR_OK;
    if (!is_true(rows, "is_open")) {
        *ret_outcome = is_true(rows, "is_running") ? MR_CLAIM_ELSEWHERE : MR_CLAIM_STALE;
        return MR_OK;
    }
    int64_t limit = mr_rows_int64(rows, 0, "limit_reached");
    *ret_outcome = MR_CLAIM_EXHAUSTED;
    *ret_decided = false;
    if (limit > LIMIT_NONE && limit < LIMITS)
        return exhaust(db, params, mr_rows_text(rows, 0, "fence"), (enum limit)limit, ret_decided, err);
    return MR_OK;
}

static enum mr_status try_claim(struct mr_db *db, const char *const params[PARAMS], bool *ret_ours,
                                struct mr_claim *ret, struct mr_err *err)
{
    static const struct mr_statement claim = {
        "lease_claim",
        "UPDATE tasks SET status = 'processing', fence = fence + 1, progress = 0, claim_id = $3::uuid,"
        " started = false, interruptions = interruptions +" INTERRUPTED
        ", lease_expires_at = now() + make_interval(secs => $9::int)"
        " WHERE id = $1::bigint AND" IS_OPEN " AND" LIMIT " = 0"
        " RETURNING" MR_CLAIM_COLUMNS,
        PARAMS};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    MR_TRY(mr_db_exec_within(db, MR_DB_QUICK_MS, &claim, params, &rows, err));
    *ret_ours = mr_rows_count(rows) > 0;
    return *ret_ours ? mr_claim_of(rows, ret, err) : MR_OK;
}

enum mr_status mr_lease_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                              const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                              struct mr_claim *ret, struct mr_err *err)
{
    const int64_t numbers[] = {terms->max_attempts,    terms->max_interruptions, terms->max_stops,
                               terms->give_up_seconds, terms->max_task_seconds,  terms->seconds};
    char task[MR_INT64_TEXT_MAX], generation[MR_INT64_TEXT_MAX], texts[6][MR_INT64_TEXT_MAX];
    mr_int64_text(message->task_id, task);
    mr_int64_text(message->generation <= INT32_MAX ? message->generation : 0, generation);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        mr_int64_text(numbers[i], texts[i]);
    const char *const params[PARAMS] = {task,     generation, claim_id, texts[0], texts[1],
                                        texts[2], texts[3],   texts[4], texts[5]};
    /* The task may change between the statements, for example when its lease is given back. */
    for (int round = 0; round < ROUNDS; round++) {
        bool is_decided = false;
        MR_TRY(try_claim(db, params, &is_decided, ret, err));
        if (is_decided) {
            *ret_outcome = MR_CLAIM_OURS;
            return MR_OK;
        }
        MR_TRY(why_not(db, params, &is_decided, ret_outcome, err));
        if (is_decided)
            return MR_OK;
    }
    return mr_fail(err, MR_UNAVAILABLE, "task %s changes while it is claimed", task);
}
