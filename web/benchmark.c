#include "web/benchmark.h"

#include "shared/data/outbox.h"
#include "web/users.h"

enum { BATCH = 250, INSERT_TRIES = 3, PUBLISH_TIMEOUT_MS = 5000, PASSWORD_BYTES = 32 };

/* The blank keeps it from being anybody's name, the missing @ from being anybody's address. */
static const char username[] = "capacity test", email[] = "nobody at all";

enum mr_status mr_benchmark_check_enabled(const struct mr_web *web, struct mr_err *err)
{
    return strcmp(web->config->enable_benchmark, "1") == 0
               ? MR_OK
               : mr_fail(err, MR_NOT_FOUND, "nothing is served under this path");
}

/* ---- the user ------------------------------------------------------------------------- */

enum mr_status mr_benchmark_find_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err)
{
    char hash[MR_PASSWORD_HASH_MAX];
    return mr_user_find(web->db, username, ret_id, hash, err);
}

static enum mr_status make_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err)
{
    unsigned char bytes[PASSWORD_BYTES];
    char password[2 * PASSWORD_BYTES + 1], hash[MR_PASSWORD_HASH_MAX];
    enum mr_status status = mr_random_bytes(bytes, sizeof bytes, err);
    if (status != MR_OK)
        return status;
    mr_hex_encode(bytes, sizeof bytes, password);
    status = mr_password_hash(web->passwords, password, hash, err);
    explicit_bzero(password, sizeof password);
    explicit_bzero(bytes, sizeof bytes);
    return status == MR_OK ? mr_user_create(web->db, username, email, hash, ret_id, err) : status;
}

enum mr_status mr_benchmark_make_user(struct mr_web *web, int64_t *ret_id, struct mr_err *err)
{
    enum mr_status status = mr_benchmark_find_user(web, ret_id, err);
    if (status != MR_OK || *ret_id)
        return status;
    status = make_user(web, ret_id, err);
    return status == MR_CONFLICT ? mr_benchmark_find_user(web, ret_id, err) : status;
}

/* ---- the tasks ------------------------------------------------------------------------- */

struct batch {
    size_t count;
    struct mr_task_draft drafts[BATCH];
    const struct mr_task_draft *order[BATCH];
    json_t *views[BATCH];
    struct mr_message messages[BATCH];
};

static enum mr_status draw_up(struct batch *batch, const struct mr_task_draft *model, struct mr_err *err)
{
    enum mr_status status = MR_OK;
    for (size_t i = 0; status == MR_OK && i < batch->count; i++) {
        batch->drafts[i] = *model;
        batch->order[i] = &batch->drafts[i];
        status = mr_uuid_generate(batch->drafts[i].file_id, err);
    }
    return status;
}

/* An answer that was lost is asked for again: tasks.h says that this is safe. */
static enum mr_status insert(struct mr_web *web, struct batch *batch, struct mr_err *err)
{
    struct mr_err failure = {0}; /* of a try that another one made good: nobody's business */
    enum mr_status status = MR_UNAVAILABLE;
    for (int i = 0; i < INSERT_TRIES && status == MR_UNAVAILABLE; i++)
        status = mr_tasks_insert(web->db, batch->order, batch->count, batch->views, &failure);
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

/* False when the queue does not take them: they wait in the outbox. */
static bool publish(struct mr_web *web, const struct mr_log *log, const struct batch *batch)
{
    struct mr_err err;
    enum mr_status status =
        mr_publish(&web->publisher, batch->messages, batch->count, PUBLISH_TIMEOUT_MS, &err);
    if (status == MR_OK)
        status = mr_outbox_mark(web->db, batch->messages, batch->count, &err);
    if (status != MR_OK)
        mr_log_err(log, MR_LOG_WARNING, "the capacity test's tasks are left to the sweep", &err, NULL);
    return status == MR_OK;
}

enum mr_status mr_benchmark_make_tasks(struct mr_web *web, const struct mr_log *log,
                                       const struct mr_task_draft *model, int64_t count, int64_t *ret_made,
                                       struct mr_err *err)
{
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return mr_fail_oom(err);
    enum mr_status status = MR_OK;
    bool is_queue_up = true;
    for (*ret_made = 0; status == MR_OK && *ret_made < count;) {
        batch->count = (size_t)(count - *ret_made < BATCH ? count - *ret_made : BATCH);
        status = draw_up(batch, model, err);
        if (status == MR_OK)
            status = insert(web, batch, err);
        if (status != MR_OK)
            break;
        *ret_made += (int64_t)batch->count;
        is_queue_up = is_queue_up && publish(web, log, batch);
    }
    free(batch);
    return status;
}
