#include "web/chores.h"

#include "shared/data/outbox.h"
#include "shared/data/strays.h"

enum { SWEEP_BATCH = 500, SWEEP_ROUNDS = 20, STRAYS_BATCH = 200, PUBLISH_TIMEOUT_MS = 20000 };

/* One batch of owed messages; *ret_count is how many there were. */
static enum mr_status republish_batch(struct mr_web *web, size_t *ret_count, struct mr_err *err)
{
    struct mr_message *due = calloc(SWEEP_BATCH, sizeof *due);
    if (!due)
        return mr_fail_oom(err);
    enum mr_status status =
        mr_outbox_due(web->db, web->config->republish_after_s, due, SWEEP_BATCH, ret_count, err);
    if (status == MR_OK)
        status = mr_publish(&web->publisher, due, *ret_count, PUBLISH_TIMEOUT_MS, err);
    if (status == MR_OK)
        status = mr_outbox_mark(web->db, due, *ret_count, err);
    free(due);
    return status;
}

enum mr_status mr_chore_republish(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    size_t count = SWEEP_BATCH;
    for (int round = 0; round < SWEEP_ROUNDS && count == SWEEP_BATCH; round++) {
        enum mr_status status = republish_batch(web, &count, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "republish");
        *total += (int64_t)count;
    }
    return MR_OK;
}

enum mr_status mr_chore_delete_strays(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    MR_AUTO_JSON json_t *names = NULL;
    enum mr_status status = mr_strays_due(web->db, STRAYS_BATCH, &names, err);
    for (size_t i = 0; status == MR_OK && i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        status = mr_storage_delete(web->cloud.storage, name, err);
        if (status == MR_OK)
            status = mr_strays_forget(web->db, name, err);
        if (status == MR_OK)
            ++*total;
    }
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "delete stray objects");
}
