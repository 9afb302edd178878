#include "web/sweep.h"

#include "shared/base/clock.h"
#include "shared/data/deliveries.h"
#include "shared/data/idempotency.h"
#include "shared/data/links.h"
#include "shared/data/orphans.h"
#include "shared/data/outbox.h"
#include "shared/data/pings.h"
#include "shared/data/recall.h"
#include "shared/data/records.h"
#include "shared/data/units.h"
#include "shared/data/uploads.h"
#include "web/account_removal.h"
#include "web/guests.h"
#include "web/upload_removal.h"

enum {
    ROUNDS = 20, /* of batches of messages or keys, in one sweep */
    MESSAGES_BATCH = 500,
    KEYS_BATCH = 1000,
    ORPHANS_BATCH = 200,
    ORPHAN_PAUSE_S = 3600,
    ORPHAN_FAILURES_MAX = 5,
    ORPHANS_PATIENCE_US = 20 * 1000000,
    UPLOADS_BATCH = 100,
    LINKS_BATCH = 1000,
    RECORDS_ROUNDS = 50, /* each of up to MR_RECORDS_PURGE_MAX records */
};

MR_DEFINE_CLEANUP(mr_message, free)

/* Messages that are owed: which are due, and how one notes that they were published. */
struct owed {
    enum mr_status (*due)(struct mr_db *db, int64_t republish_after_s, struct mr_message *due, size_t max,
                          size_t *ret_count, struct mr_err *err);
    enum mr_status (*mark)(struct mr_db *db, const struct mr_message *messages, size_t count,
                           struct mr_err *err);
};

static enum mr_status publish_batch(struct mr_web *web, const struct owed *owed, struct mr_message *due,
                                    size_t *ret_count, struct mr_err *err)
{
    MR_TRY(owed->due(web->db, web->config->republish_after_s, due, MESSAGES_BATCH, ret_count, err));
    if (*ret_count == 0)
        return MR_OK;
    MR_TRY(mr_publish(&web->publisher, due, *ret_count, MR_PUBLISH_SWEEP_MS, err));
    return owed->mark(web->db, due, *ret_count, err);
}

static enum mr_status publish_owed(struct mr_web *web, const struct owed *owed, int64_t *total,
                                   struct mr_err *err)
{
    MR_AUTO(mr_message) struct mr_message *due = calloc(MESSAGES_BATCH, sizeof *due);
    if (!due)
        return mr_fail_oom(err);
    size_t count = MESSAGES_BATCH;
    for (int round = 0; round < ROUNDS && count == MESSAGES_BATCH; round++) {
        MR_TRY(publish_batch(web, owed, due, &count, err));
        *total += (int64_t)count;
    }
    return MR_OK;
}

static enum mr_status normal_due(struct mr_db *db, int64_t republish_after_s, struct mr_message *due,
                                 size_t max, size_t *ret_count, struct mr_err *err)
{
    return mr_outbox_due(db, false, republish_after_s, due, max, ret_count, err);
}

static enum mr_status high_due(struct mr_db *db, int64_t republish_after_s, struct mr_message *due,
                               size_t max, size_t *ret_count, struct mr_err *err)
{
    return mr_outbox_due(db, true, republish_after_s, due, max, ret_count, err);
}

/* Workers with idle slots do this as well; but there may be no worker. */
static enum mr_status recall_tasks(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    for (int high = 0; high <= 1; high++) {
        size_t count = 0;
        MR_TRY(mr_recall(web->db, &web->publisher, high, MR_RECALLED_MAX, MR_PUBLISH_SWEEP_MS, &count, err));
        *total += (int64_t)count;
    }
    return MR_OK;
}

/* A lane whose topic fails does not keep the other's tasks waiting. */
static enum mr_status publish_tasks(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    static const struct owed normal = {normal_due, mr_outbox_mark}, high = {high_due, mr_outbox_mark};
    MR_TRY(mr_outbox_recover(web->db, err));
    enum mr_status of_normal = publish_owed(web, &normal, total, err);
    enum mr_status of_high = publish_owed(web, &high, total, of_normal == MR_OK ? err : NULL);
    enum mr_status of_lanes = of_normal == MR_OK ? of_high : of_normal;
    enum mr_status of_recall = recall_tasks(web, total, of_lanes == MR_OK ? err : NULL);
    return of_lanes == MR_OK ? of_recall : of_lanes;
}

static enum mr_status publish_deliveries(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    static const struct owed deliveries = {mr_deliveries_due, mr_deliveries_mark};
    return publish_owed(web, &deliveries, total, err);
}

static enum mr_status normal_units_due(struct mr_db *db, int64_t republish_after_s, struct mr_message *due,
                                       size_t max, size_t *ret_count, struct mr_err *err)
{
    return mr_units_due(db, false, republish_after_s, due, max, ret_count, err);
}

static enum mr_status high_units_due(struct mr_db *db, int64_t republish_after_s, struct mr_message *due,
                                     size_t max, size_t *ret_count, struct mr_err *err)
{
    return mr_units_due(db, true, republish_after_s, due, max, ret_count, err);
}

static enum mr_status publish_units(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    static const struct owed normal = {normal_units_due, mr_units_mark},
                             high = {high_units_due, mr_units_mark};
    enum mr_status of_normal = publish_owed(web, &normal, total, err);
    enum mr_status of_high = publish_owed(web, &high, total, of_normal == MR_OK ? err : NULL);
    return of_normal == MR_OK ? of_high : of_normal;
}

/* An object that cannot be deleted waits, so that it does not keep the others: it may be under a hold. */
static enum mr_status put_orphan_off(struct mr_web *web, const char *name, const struct mr_err *cause,
                                     struct mr_err *err)
{
    mr_log_err(web->log, MR_LOG_ERROR, "cannot delete an orphaned object: tried again later", cause,
               "{s:s,s:i}", "object", name, "seconds", ORPHAN_PAUSE_S);
    return mr_orphans_add(web->db, name, ORPHAN_PAUSE_S, err);
}

/* Gives up when storage fails as such. */
static enum mr_status delete_orphans(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    MR_AUTO_JSON json_t *names = NULL;
    struct mr_err cause = {0};
    int failures = 0;
    int64_t give_up_us = mr_time_monotonic_us() + ORPHANS_PATIENCE_US;
    MR_TRY(mr_orphans_due(web->db, ORPHANS_BATCH, &names, err));
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (mr_storage_delete(web->cloud.storage, name, &cause) == MR_OK) {
            MR_TRY(mr_orphans_forget(web->db, name, err));
            ++*total;
            continue;
        }
        MR_TRY(put_orphan_off(web, name, &cause, err));
        if (++failures == ORPHAN_FAILURES_MAX || mr_time_monotonic_us() > give_up_us)
            return mr_fail_from(err, &cause);
    }
    return MR_OK;
}

static enum mr_status delete_keys(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    int64_t count = KEYS_BATCH;
    for (int round = 0; round < ROUNDS && count == KEYS_BATCH; round++) {
        MR_TRY(mr_idempotency_purge(web->db, KEYS_BATCH, &count, err));
        *total += count;
    }
    return MR_OK;
}

struct expired_uploads {
    struct mr_upload_record records[UPLOADS_BATCH];
    size_t count;
};

static void expired_uploads_free(struct expired_uploads *expired)
{
    for (size_t i = 0; i < expired->count; i++)
        mr_upload_record_free(&expired->records[i]);
}
MR_DEFINE_VALUE_CLEANUP(expired_uploads, expired_uploads_free)

static enum mr_status delete_uploads(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    MR_AUTO(expired_uploads) struct expired_uploads expired = {.count = 0};
    MR_TRY(mr_uploads_give_up(web->db, expired.records, UPLOADS_BATCH, &expired.count, err));
    for (size_t i = 0; i < expired.count; i++) {
        MR_TRY(mr_upload_remove(web, &expired.records[i], err));
        ++*total;
    }
    return MR_OK;
}

static enum mr_status delete_links(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    return mr_links_expire(web->db, LINKS_BATCH, total, err);
}

static enum mr_status delete_records(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    bool any = true;
    for (int round = 0; any && round < RECORDS_ROUNDS; round++) {
        int64_t count = 0;
        MR_TRY(mr_records_purge_orphan(web->db, &any, &count, err));
        *total += count;
    }
    return MR_OK;
}

static enum mr_status delete_pings(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    return mr_pings_expire(web->db, total, err);
}

/* name is the key in the response; what begins the error. */
static const struct {
    const char *name, *what;
    enum mr_status (*run)(struct mr_web *web, int64_t *total, struct mr_err *err);
} jobs[] = {
    {"republished", "publish tasks", publish_tasks},
    {"units", "publish units of tasks", publish_units},
    {"guests_expired", "expire guests", mr_guests_expire},
    {"accounts_deleted", "delete accounts", mr_accounts_remove},
    {"deleted", "delete orphaned objects", delete_orphans},
    {"keys", "delete idempotency keys", delete_keys},
    {"uploads_expired", "delete expired uploads", delete_uploads},
    {"links_expired", "delete expired links", delete_links},
    {"deliveries", "publish deliveries", publish_deliveries},
    {"records_deleted", "delete records", delete_records},
    {"pings_expired", "delete pings", delete_pings},
};

enum mr_status mr_sweep_run(struct mr_web *web, const struct mr_log *log, json_t *counts, bool *ret_idle,
                            struct mr_err *err)
{
    struct mr_err first = {0};
    *ret_idle = true;
    for (size_t i = 0; i < sizeof jobs / sizeof *jobs; i++) {
        struct mr_err cause = {0};
        int64_t total = 0;
        enum mr_status status = jobs[i].run(web, &total, &cause);
        if (status != MR_OK) {
            (void)!mr_wrap(&cause, status, "%s", jobs[i].what);
            mr_log_err(log, MR_LOG_ERROR, "a sweep job failed: the next sweep runs it again", &cause, "{s:s}",
                       "sweep_job", jobs[i].name);
            if (first.status == MR_OK)
                first = cause;
        }
        *ret_idle = *ret_idle && total == 0;
        if (json_object_set_new(counts, jobs[i].name, json_integer(total)) != 0)
            return mr_fail_oom(err);
    }
    return first.status == MR_OK ? MR_OK : mr_fail_from(err, &first);
}
