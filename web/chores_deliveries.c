#include "shared/data/deliveries.h"
#include "web/chores.h"

enum { BATCH = 500, ROUNDS = 20, PUBLISH_TIMEOUT_MS = 20000 };

static enum mr_status publish_batch(struct mr_web *web, struct mr_message *due, size_t *ret_count,
                                    struct mr_err *err)
{
    enum mr_status status =
        mr_deliveries_due(web->db, web->config->republish_after_s, due, BATCH, ret_count, err);
    if (status == MR_OK && *ret_count)
        status = mr_publish(&web->publisher, due, *ret_count, PUBLISH_TIMEOUT_MS, err);
    if (status == MR_OK && *ret_count)
        status = mr_deliveries_mark(web->db, due, *ret_count, err);
    return status;
}

enum mr_status mr_chore_deliveries(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    struct mr_message *due = calloc(BATCH, sizeof *due);
    if (!due)
        return mr_fail_oom(err);
    enum mr_status status = MR_OK;
    size_t count = BATCH;
    for (int round = 0; status == MR_OK && round < ROUNDS && count == BATCH; round++) {
        status = publish_batch(web, due, &count, err);
        if (status == MR_OK)
            *total += (int64_t)count;
    }
    free(due);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "publish deliveries");
}
