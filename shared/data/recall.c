#include "shared/data/recall.h"

#include "shared/data/units.h"
#include "shared/data/waiting.h"

MR_DEFINE_CLEANUP(mr_message, free)

enum mr_status mr_recall(struct mr_db *db, const struct mr_publisher *publisher, bool high, size_t max,
                         int timeout_ms, size_t *ret_count, struct mr_err *err)
{
    MR_AUTO(mr_message) struct mr_message *messages = calloc(MR_RECALLED_MAX, sizeof *messages);
    if (!messages)
        return mr_fail_oom(err);
    if (max > MR_RECALLED_MAX)
        max = MR_RECALLED_MAX;
    MR_TRY(mr_waiting_recall(db, high, messages, max, ret_count, err));
    enum mr_status status = *ret_count ? mr_publish(publisher, messages, *ret_count, timeout_ms, err) : MR_OK;
    bool done = false; /* not: the task runs, which is as good */
    for (size_t i = 0; status != MR_OK && i < *ret_count; i++)
        if (mr_waiting_put_off(db, &messages[i], &done, NULL) != MR_OK)
            break;
    return status;
}

enum mr_status mr_recall_units(struct mr_db *db, const struct mr_publisher *publisher, bool high, size_t max,
                               int timeout_ms, struct mr_err *err)
{
    size_t count = 0;
    MR_AUTO(mr_message) struct mr_message *messages = calloc(MR_RECALLED_MAX, sizeof *messages);
    if (!messages)
        return mr_fail_oom(err);
    MR_TRY(mr_units_idle(db, high, messages, max < MR_RECALLED_MAX ? max : MR_RECALLED_MAX, &count, err));
    MR_TRY(mr_publish(publisher, messages, count, timeout_ms, err));
    return mr_units_mark(db, messages, count, err);
}
