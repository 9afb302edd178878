#include "shared/data/readiness.h"

#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "shared/data/tasks.h"

enum mr_status mr_ready_database(struct mr_db *db, struct mr_err *err)
{
    return mr_wrap(err, mr_db_ping(db, err),
                   "check DATABASE_URL and that the server runs and accepts this account");
}

enum mr_status mr_ready_to_create(struct mr_db *db, struct mr_err *err)
{
    json_t *no_view = NULL;
    return mr_tasks_insert(db, NULL, 0, &no_view, err);
}

/* Ids begin with 1. */
static enum mr_status claim_nothing(struct mr_db *db, struct mr_err *err)
{
    static const struct mr_lease_terms terms = {.seconds = 1};
    const struct mr_message nothing = {.kind = MR_KIND_CONVERT};
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    char claim_id[MR_UUID_TEXT_MAX];
    MR_TRY(mr_uuid_generate(claim_id, err));
    return mr_lease_claim(db, &nothing, claim_id, &terms, &outcome, &claim, err);
}

enum mr_status mr_ready_to_convert(struct mr_db *db, struct mr_err *err)
{
    const struct mr_claim nothing = {0};
    bool ours = false;
    MR_TRY(claim_nothing(db, err));
    MR_TRY(mr_lease_start(db, &nothing, &ours, err));
    MR_TRY(mr_lease_heartbeat(db, &nothing, 1, 0, &ours, err));
    MR_TRY(mr_lease_commit(db, &nothing, &(struct mr_commit){0}, &ours, err));
    MR_TRY(mr_lease_fail(db, &nothing, "", "", &ours, err));
    MR_TRY(mr_lease_release(db, &nothing, MR_RELEASE_UNCOUNTED, &ours, err));
    return mr_orphans_forget(db, "", err);
}

/* Only a clear answer ends the start; any other is logged. */
static enum mr_status judge(enum mr_status status, const struct mr_err *cause, const char *advice,
                            const struct mr_log *log, struct mr_err *err)
{
    bool clear =
        status == MR_NOT_FOUND || status == MR_DENIED || status == MR_UNAUTHENTICATED || status == MR_INVALID;
    if (status == MR_OK)
        return MR_OK;
    if (clear)
        return mr_fail_as(err, status, cause->code, "%s: %s", advice, cause->message);
    mr_log_err(log, MR_LOG_WARNING, "not checked at the start", cause, NULL);
    return MR_OK;
}

enum mr_status mr_ready_cloud(struct mr_storage *storage, const struct mr_publisher *publisher,
                              unsigned lanes, const struct mr_log *log, struct mr_err *err)
{
    struct mr_err cause = {0};
    MR_TRY(judge(mr_storage_check_access(storage, &cause), &cause,
                 "check BUCKET, and grant roles/storage.objectUser on it", log, err));
    for (int lane = 0; lane < MR_LANES; lane++)
        if (lanes & 1u << lane)
            MR_TRY(judge(mr_pubsub_check_access(publisher->pubsub, publisher->topics[lane], &cause), &cause,
                         "check that the topic exists, and grant roles/pubsub.publisher on it", log, err));
    return MR_OK;
}
