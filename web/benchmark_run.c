#include "web/benchmark_run.h"

#include "shared/base/encoding.h"
#include "shared/base/random.h"
#include "shared/data/outbox.h"
#include "shared/data/quota_check.h"
#include "web/users.h"

enum { BATCH = 250, INSERT_ATTEMPTS = 3, PASSWORD_BYTES = 32 };

/* The space makes the name impossible as a username, the missing @ the other as a mail address. */
static const char username[] = "capacity test", email[] = "nobody at all";

enum mr_status mr_benchmark_check_enabled(const struct mr_web *web, struct mr_err *err)
{
    if (strcmp(web->config->enable_benchmark, "1") != 0)
        return mr_fail(err, MR_NOT_FOUND, "nothing is served under this path");
    return MR_OK;
}

enum mr_status mr_benchmark_find_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err)
{
    char hash[MR_PASSWORD_HASH_MAX];
    return mr_user_find(web->db, username, ret_id, hash, err);
}

static enum mr_status hash_random_password(struct mr_web *web, char hash[MR_PASSWORD_HASH_MAX],
                                           struct mr_err *err)
{
    unsigned char bytes[PASSWORD_BYTES];
    char password[2 * PASSWORD_BYTES + 1];
    MR_TRY(mr_random_bytes(bytes, sizeof bytes, err));
    mr_hex_encode(bytes, sizeof bytes, password);
    enum mr_status status = mr_password_hash(web->passwords, "benchmark", password, hash, err);
    explicit_bzero(password, sizeof password);
    explicit_bzero(bytes, sizeof bytes);
    return status;
}

static enum mr_status make_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err)
{
    char hash[MR_PASSWORD_HASH_MAX];
    MR_TRY(hash_random_password(web, hash, err));
    return mr_user_create(web->db, username, email, hash, ret_id, err);
}

enum mr_status mr_benchmark_make_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err)
{
    MR_TRY(mr_benchmark_find_user(web, ret_id, err));
    if (*ret_id)
        return MR_OK;
    enum mr_status status = make_user(web, ret_id, err);
    if (status == MR_CONFLICT) /* another request has just created it */
        return mr_benchmark_find_user(web, ret_id, err);
    return status;
}

enum mr_status mr_benchmark_check_room(struct mr_web *web, int64_t user_id, int64_t count, struct mr_err *err)
{
    struct mr_quotas queue_alone = web->config->quotas;
    for (int i = 0; i < MR_QUOTA_COUNT; i++)
        queue_alone.limits[i] = MR_QUOTA_LIMIT_MAX;
    queue_alone.limits[MR_QUOTA_TASKS] = web->config->quotas.limits[MR_QUOTA_TASKS];
    return mr_quota_check(web->db, &queue_alone, user_id, &(struct mr_quota_need){.tasks = count}, err);
}

struct batch {
    size_t count;
    struct mr_task_draft drafts[BATCH];
    const struct mr_task_draft *pointers[BATCH]; /* to the drafts */
    json_t *views[BATCH];
    struct mr_message messages[BATCH];
};
MR_DEFINE_CLEANUP(batch, free)

static enum mr_status fill_drafts(struct batch *batch, const struct mr_task_draft *model, struct mr_err *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        batch->drafts[i] = *model;
        batch->pointers[i] = &batch->drafts[i];
        MR_TRY(mr_uuid_generate(batch->drafts[i].file_id, err));
    }
    return MR_OK;
}

/* Repeated when its answer is lost, which is safe (tasks.h). */
static enum mr_status insert(struct mr_web *web, struct batch *batch, struct mr_err *err)
{
    struct mr_err failure = {0}; /* kept from err until the last attempt has failed */
    enum mr_status status = MR_UNAVAILABLE;
    for (int i = 0; i < INSERT_ATTEMPTS && status == MR_UNAVAILABLE; i++)
        status = mr_tasks_insert(web->db, batch->pointers, batch->count, batch->views, &failure);
    if (status != MR_OK)
        return mr_fail_from(err, &failure);
    for (size_t i = 0; i < batch->count; i++) {
        batch->messages[i] =
            (struct mr_message){.kind = MR_KIND_CONVERT,
                                .task_id = json_integer_value(json_object_get(batch->views[i], "id")),
                                .generation = 1};
        json_decref(MR_TAKE(batch->views[i]));
    }
    return MR_OK;
}

static enum mr_status publish(struct mr_web *web, const struct batch *batch, struct mr_err *err)
{
    MR_TRY(mr_publish(&web->publisher, batch->messages, batch->count, MR_PUBLISH_BULK_MS, err));
    return mr_outbox_mark(web->db, batch->messages, batch->count, err);
}

enum mr_status mr_benchmark_make_tasks(struct mr_web *web, const struct mr_log *log,
                                       const struct mr_task_draft *model, int64_t count, int64_t *ret_made,
                                       struct mr_err *err)
{
    *ret_made = 0;
    MR_AUTO(batch) struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return mr_fail_oom(err);
    struct mr_err cause = {0}; /* of the first failure to publish; then the sweep does the rest */
    while (*ret_made < count) {
        batch->count = (size_t)(count - *ret_made < BATCH ? count - *ret_made : BATCH);
        MR_TRY(fill_drafts(batch, model, err));
        MR_TRY(insert(web, batch, err));
        *ret_made += (int64_t)batch->count;
        if (cause.status == MR_OK && publish(web, batch, &cause) != MR_OK)
            mr_log_err(log, MR_LOG_WARNING, "cannot publish the tasks of the capacity test: the sweep will",
                       &cause, NULL);
    }
    return MR_OK;
}
