/*
 * The kind `insert_records`: inserts N users, products and order items in bounded transactions. Each
 * transaction stores how far the run has come, so the next attempt continues where the last one ended.
 */
#include "shared/data/records.h"
#include "worker/heartbeat.h"
#include "worker/job.h"

/* Records of one transaction, with three rows each. Measured on a local database (tests/bench): a transaction
 * takes a tenth of a second, after which a cancellation takes effect and others get their turn; larger ones
 * gain little. */
enum { BATCH = 10000, PROGRESS_MAX = 999 };

static enum mr_status read_count(const struct mr_claim *claim, int64_t *ret, struct mr_err *err)
{
    json_error_t fault;
    MR_AUTO_JSON json_t *options = json_loads(claim->options, 0, &fault);
    const json_t *records = json_object_get(options, "records");
    if (!json_is_integer(records) || json_integer_value(records) < 1)
        return mr_fail_code(err, MR_CODE_BAD_OPTION, "records must be a whole number from 1");
    *ret = json_integer_value(records);
    return MR_OK;
}

static enum mr_status stopped(struct mr_err *err)
{
    return mr_fail(err, MR_CANCELED, "job stopped");
}

/* Deletes what an older generation has left, then finds where to continue. */
static enum mr_status begin(struct mr_job *job, enum mr_records_state *ret_state, int64_t *ret_done,
                            struct mr_err *err)
{
    do {
        if (mr_job_should_stop(job))
            return stopped(err);
        MR_TRY(mr_records_begin(job->worker->db, job->claim, ret_state, ret_done, err));
    } while (*ret_state == MR_RECORDS_OLD);
    return MR_OK;
}

static enum mr_status insert(struct mr_job *job, int64_t total, int64_t done,
                             enum mr_records_state *ret_state, struct mr_err *err)
{
    while (done < total && *ret_state == MR_RECORDS_OURS) {
        if (mr_job_should_stop(job))
            return stopped(err);
        int64_t count = total - done < BATCH ? total - done : BATCH;
        MR_TRY(mr_records_insert(job->worker->db, job->claim, done, count, ret_state, err));
        done += count;
        mr_heartbeat_progress(job->heartbeat, (int)((double)done / (double)total * PROGRESS_MAX));
    }
    return MR_OK;
}

/* After a failure the run itself says how far it has come: an answer that was lost may have been a success. */
static enum mr_status make_records(struct mr_job *job, int64_t total, enum mr_records_state *ret_state,
                                   struct mr_err *err)
{
    struct mr_err failure = {0}; /* kept from err until the last attempt has failed */
    struct mr_job_retries retries = {0};
    enum mr_status status;
    do {
        int64_t done = 0;
        status = begin(job, ret_state, &done, &failure);
        if (status == MR_OK)
            status = insert(job, total, done, ret_state, &failure);
    } while (mr_job_retry(job, status, &retries));
    return status == MR_OK ? MR_OK : mr_fail_from(err, &failure);
}

static enum mr_status commit(struct mr_job *job, int64_t total, bool *ret_committed, struct mr_err *err)
{
    const json_int_t n = total;
    MR_AUTO_JSON json_t *result =
        json_pack("{s:{s:I,s:I,s:I}}", "insertedRecords", "users", n, "products", n, "order_items", n);
    if (!result)
        return mr_fail_oom(err);
    const struct mr_commit commit = {.result = result};
    return mr_job_commit(job, &commit, ret_committed, err);
}

enum mr_status mr_kind_insert_records(struct mr_job *job, bool *ret_committed, struct mr_err *err)
{
    int64_t total = 0;
    enum mr_records_state state = MR_RECORDS_OLD;
    *ret_committed = false;
    MR_TRY(read_count(job->claim, &total, err));
    MR_TRY(mr_job_start(job, err));
    MR_TRY(make_records(job, total, &state, err));
    return state == MR_RECORDS_LOST ? MR_OK : commit(job, total, ret_committed, err);
}
