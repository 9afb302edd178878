/* The calls of shared/data/leases.h and deliveries.h, watched: what a worker believes to hold. */
#include "shared/gcp/storage.h"
#include "tests/model/faults.h"
#include "tests/model/model.h"

#include <inttypes.h>

enum mr_status __real_mr_lease_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                     const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                     struct mr_claim *ret, struct mr_err *err);
enum mr_status __wrap_mr_lease_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                     const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                     struct mr_claim *ret, struct mr_err *err);
enum mr_status __real_mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                         int64_t lease_seconds, int progress, bool *ret_ours,
                                         struct mr_err *err);
enum mr_status __wrap_mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                         int64_t lease_seconds, int progress, bool *ret_ours,
                                         struct mr_err *err);
enum mr_status __real_mr_lease_commit(struct mr_db *db, const struct mr_claim *claim,
                                      const struct mr_commit *commit, bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_lease_commit(struct mr_db *db, const struct mr_claim *claim,
                                      const struct mr_commit *commit, bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                    const char *detail, bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                    const char *detail, bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_lease_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                       bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_lease_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                       bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_lease_defer(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                                     struct mr_err *err);
enum mr_status __wrap_mr_lease_defer(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                                     struct mr_err *err);
enum mr_status __real_mr_delivery_claim(struct mr_db *db, int64_t id, int64_t lease_seconds,
                                        int64_t max_attempts, enum mr_delivery_claim *ret_claim,
                                        struct mr_delivery *ret, struct mr_err *err);
enum mr_status __wrap_mr_delivery_claim(struct mr_db *db, int64_t id, int64_t lease_seconds,
                                        int64_t max_attempts, enum mr_delivery_claim *ret_claim,
                                        struct mr_delivery *ret, struct mr_err *err);

struct job *model_job_new(struct model *model, const struct mr_claim *claim)
{
    if (model->job_count == JOBS_MAX)
        abort();
    struct job *job = &model->jobs[model->job_count++];
    *job = (struct job){.task = claim->task_id,
                        .generation = claim->generation,
                        .fence = claim->fence,
                        .unit = claim->unit.n,
                        .unit_fence = claim->unit.fence,
                        .held_until_us = model->now_us + LEASE_S * INT64_C(1000000)};
    return job;
}

static bool holds(const struct model *model, int64_t task, const char *claim_id)
{
    const struct task_row *row = snapshot_task(&model->now, task);
    return row && task_is(row, "processing") && strcmp(row->claim_id, claim_id) == 0;
}

enum mr_status __wrap_mr_lease_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                     const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                     struct mr_claim *ret, struct mr_err *err)
{
    struct model *model = the_model;
    struct actor *actor = model_actor();
    if (!actor)
        return __real_mr_lease_claim(db, message, claim_id, terms, ret_outcome, ret, err);
    bool repeats = strcmp(actor->claim_id, claim_id) == 0;
    char other[MR_UUID_TEXT_MAX];
    snprintf(actor->claim_id, sizeof actor->claim_id, "%s", claim_id);
    if (repeats && model->fault && model->fault->act == ACT_CLAIM_WITH_NEW_ID) {
        model->acted++;
        MR_TRY(mr_uuid_generate(other, err));
        claim_id = other;
    }
    MR_TRY(__real_mr_lease_claim(db, message, claim_id, terms, ret_outcome, ret, err));
    if (*ret_outcome == MR_CLAIM_ELSEWHERE && holds(model, message->task_id, actor->claim_id))
        model_violate(model, "a repeated claim gets its lease", "task %" PRId64 " is taken by this very push",
                      message->task_id);
    if (*ret_outcome != MR_CLAIM_OURS)
        return MR_OK;
    actor->job = model_job_new(model, ret);
    if (model->fault && model->fault->act == ACT_ACK_AT_CLAIM) {
        model->acted++;
        queue_answer(model, actor, 204);
    }
    return MR_OK;
}

enum mr_status __wrap_mr_lease_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                         int64_t lease_seconds, int progress, bool *ret_ours,
                                         struct mr_err *err)
{
    enum mr_status status = __real_mr_lease_heartbeat(db, claim, lease_seconds, progress, ret_ours, err);
    struct actor *actor = model_actor();
    if (status == MR_OK && actor) {
        actor->job->told_lost |= !*ret_ours;
        actor->job->over |= !*ret_ours;
        if (*ret_ours)
            actor->job->held_until_us = the_model->now_us + lease_seconds * INT64_C(1000000);
    }
    return status;
}

void model_job_end(void)
{
    if (model_actor() && model_actor()->job)
        model_actor()->job->over = true;
}

enum mr_status __wrap_mr_lease_commit(struct mr_db *db, const struct mr_claim *claim,
                                      const struct mr_commit *commit, bool *ret_ours, struct mr_err *err)
{
    struct model *model = the_model;
    model_job_end();
    enum mr_status status = __real_mr_lease_commit(db, claim, commit, ret_ours, err);
    if (status == MR_UNAVAILABLE && model->fault && model->fault->act == ACT_DROP_AFTER_LOST_ANSWER) {
        model->acted++;
        (void)!mr_storage_delete(NULL, commit->outputs[0].object, NULL);
    }
    return status;
}

enum mr_status __wrap_mr_lease_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                    const char *detail, bool *ret_ours, struct mr_err *err)
{
    model_job_end();
    return __real_mr_lease_fail(db, claim, code, detail, ret_ours, err);
}

enum mr_status __wrap_mr_lease_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                       bool *ret_ours, struct mr_err *err)
{
    model_job_end();
    if (model_actor() && model_actor()->job)
        model_actor()->job->reason = reason;
    return __real_mr_lease_release(db, claim, reason, ret_ours, err);
}

enum mr_status __wrap_mr_lease_defer(struct mr_db *db, const struct mr_claim *claim, bool *ret_ours,
                                     struct mr_err *err)
{
    model_job_end();
    if (model_actor() && model_actor()->job)
        model_actor()->job->owed_us = the_model->now_us;
    return __real_mr_lease_defer(db, claim, ret_ours, err);
}

enum mr_status __wrap_mr_delivery_claim(struct mr_db *db, int64_t id, int64_t lease_seconds,
                                        int64_t max_attempts, enum mr_delivery_claim *ret_claim,
                                        struct mr_delivery *ret, struct mr_err *err)
{
    MR_TRY(__real_mr_delivery_claim(db, id, lease_seconds, max_attempts, ret_claim, ret, err));
    if (*ret_claim == MR_DELIVERY_OURS && model_actor()) {
        model_actor()->delivery_id = id;
        model_actor()->delivery_fence = ret->fence;
    }
    return MR_OK;
}
