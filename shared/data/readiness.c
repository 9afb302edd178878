#include "shared/data/readiness.h"

enum mr_status mr_ready_database(struct mr_db *db, struct mr_err *err)
{
    enum mr_status status = mr_db_ping(db, err);
    return status == MR_OK
               ? MR_OK
               : mr_wrap(err, status, "check DATABASE_URL and that the server runs and lets this account in");
}

/* Settles an answer: what is no clear one is only warned of. */
static enum mr_status settle(enum mr_status status, const struct mr_err *cause, const char *advice,
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
    enum mr_status status = mr_storage_check_access(storage, &cause);
    status = settle(status, &cause, "check BUCKET, and grant roles/storage.objectUser on it", log, err);
    for (int lane = 0; status == MR_OK && lane < MR_LANES; lane++) {
        if (!(lanes & 1u << lane))
            continue;
        status = mr_pubsub_check_access(publisher->pubsub, publisher->topics[lane], &cause);
        status = settle(status, &cause, "check that the topic exists, and grant roles/pubsub.publisher on it",
                        log, err);
    }
    return status;
}
