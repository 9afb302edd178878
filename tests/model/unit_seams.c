/* The calls of shared/data/units.h, watched: what a worker believes to hold of a unit. */
#include "shared/data/units.h"
#include "tests/model/model.h"

enum mr_status __real_mr_unit_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                    const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                    struct mr_claim *ret, struct mr_err *err);
enum mr_status __wrap_mr_unit_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                    const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                    struct mr_claim *ret, struct mr_err *err);
enum mr_status __real_mr_unit_heartbeat(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                        int progress, bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_unit_heartbeat(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                        int progress, bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_unit_finish(struct mr_db *db, const struct mr_claim *claim,
                                     const struct mr_unit_result *result, bool *ret_ours, int64_t *ret_join,
                                     struct mr_err *err);
enum mr_status __wrap_mr_unit_finish(struct mr_db *db, const struct mr_claim *claim,
                                     const struct mr_unit_result *result, bool *ret_ours, int64_t *ret_join,
                                     struct mr_err *err);
enum mr_status __real_mr_unit_level(struct mr_db *db, const struct mr_claim *claim, enum mr_level_next next,
                                    const json_t *search, bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_unit_level(struct mr_db *db, const struct mr_claim *claim, enum mr_level_next next,
                                    const json_t *search, bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_unit_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                      bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_unit_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                      bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_unit_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                   const char *detail, bool *ret_ours, struct mr_err *err);
enum mr_status __wrap_mr_unit_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                   const char *detail, bool *ret_ours, struct mr_err *err);
enum mr_status __real_mr_units_give_up(struct mr_db *db, const struct mr_claim *claim, const char *reason,
                                       bool *ret_ours, struct mr_message *ret_message, struct mr_err *err);
enum mr_status __wrap_mr_units_give_up(struct mr_db *db, const struct mr_claim *claim, const char *reason,
                                       bool *ret_ours, struct mr_message *ret_message, struct mr_err *err);

enum mr_status __wrap_mr_unit_claim(struct mr_db *db, const struct mr_message *message, const char *claim_id,
                                    const struct mr_lease_terms *terms, enum mr_claim_outcome *ret_outcome,
                                    struct mr_claim *ret, struct mr_err *err)
{
    struct actor *actor = model_actor();
    snprintf(actor->claim_id, sizeof actor->claim_id, "%s", claim_id);
    MR_TRY(__real_mr_unit_claim(db, message, claim_id, terms, ret_outcome, ret, err));
    if (*ret_outcome == MR_CLAIM_OURS)
        actor->job = model_job_new(the_model, ret);
    return MR_OK;
}

/* Two statements: the lease is that of the first. */
enum mr_status __wrap_mr_unit_heartbeat(struct mr_db *db, const struct mr_claim *claim, int64_t lease_seconds,
                                        int progress, bool *ret_ours, struct mr_err *err)
{
    const int64_t began_us = the_model->now_us;
    struct job *job = model_actor()->job;
    MR_TRY(__real_mr_unit_heartbeat(db, claim, lease_seconds, progress, ret_ours, err));
    job->told_lost |= !*ret_ours;
    job->over |= !*ret_ours;
    if (*ret_ours)
        job->held_until_us = began_us + lease_seconds * SECOND_US;
    return MR_OK;
}

enum mr_status __wrap_mr_unit_finish(struct mr_db *db, const struct mr_claim *claim,
                                     const struct mr_unit_result *result, bool *ret_ours, int64_t *ret_join,
                                     struct mr_err *err)
{
    model_job_end();
    return __real_mr_unit_finish(db, claim, result, ret_ours, ret_join, err);
}

enum mr_status __wrap_mr_unit_level(struct mr_db *db, const struct mr_claim *claim, enum mr_level_next next,
                                    const json_t *search, bool *ret_ours, struct mr_err *err)
{
    model_job_end();
    return __real_mr_unit_level(db, claim, next, search, ret_ours, err);
}

enum mr_status __wrap_mr_unit_release(struct mr_db *db, const struct mr_claim *claim, enum mr_release reason,
                                      bool *ret_ours, struct mr_err *err)
{
    model_job_end();
    return __real_mr_unit_release(db, claim, reason, ret_ours, err);
}

enum mr_status __wrap_mr_unit_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                   const char *detail, bool *ret_ours, struct mr_err *err)
{
    model_job_end();
    return __real_mr_unit_fail(db, claim, code, detail, ret_ours, err);
}

enum mr_status __wrap_mr_units_give_up(struct mr_db *db, const struct mr_claim *claim, const char *reason,
                                       bool *ret_ours, struct mr_message *ret_message, struct mr_err *err)
{
    model_job_end();
    return __real_mr_units_give_up(db, claim, reason, ret_ours, ret_message, err);
}
