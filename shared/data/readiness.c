#include "shared/data/readiness.h"

enum mr_status mr_ready_database(struct mr_db *db, struct mr_err *err)
{
    return mr_wrap(err, mr_db_ping(db, err),
                   "check DATABASE_URL and that the server runs and accepts this account");
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
