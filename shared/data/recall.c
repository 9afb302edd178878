#include "shared/data/recall.h"

#include "shared/data/units.h"
#include "shared/data/waiting.h"

MR_DEFINE_CLEANUP(mr_message, free)

typedef enum mr_status take(struct mr_db *db, bool high, struct mr_message *recalled, size_t max,
                            size_t *ret_count, struct mr_err *err);
typedef enum mr_status put_off(struct mr_db *db, const struct mr_message *message, bool *ret_done,
                               struct mr_err *err);

static enum mr_status put_unit_off(struct mr_db *db, const struct mr_message *message, bool *ret_done,
                                   struct mr_err *err)
{
    return mr_units_put_off(db, message, false, ret_done, err);
}

static enum mr_status recall(struct mr_db *db, const struct mr_publisher *publisher, bool high, size_t max,
                             int timeout_ms, take *take_some, put_off *put_back, size_t *ret_count,
                             struct mr_err *err)
{
    MR_AUTO(mr_message) struct mr_message *messages = calloc(MR_RECALLED_MAX, sizeof *messages);
    if (!messages)
        return mr_fail_oom(err);
    if (max > MR_RECALLED_MAX)
        max = MR_RECALLED_MAX;
    MR_TRY(take_some(db, high, messages, max, ret_count, err));
    enum mr_status status = *ret_count ? mr_publish(publisher, messages, *ret_count, timeout_ms, err) : MR_OK;
    bool done = false; /* not: it runs, which is as good */
    for (size_t i = 0; status != MR_OK && i < *ret_count; i++)
        if (put_back(db, &messages[i], &done, NULL) != MR_OK)
            break;
    return status;
}

enum mr_status mr_recall(struct mr_db *db, const struct mr_publisher *publisher, bool high, size_t max,
                         int timeout_ms, size_t *ret_count, struct mr_err *err)
{
    return recall(db, publisher, high, max, timeout_ms, mr_waiting_recall, mr_waiting_put_off, ret_count,
                  err);
}

enum mr_status mr_recall_units(struct mr_db *db, const struct mr_publisher *publisher, bool high, size_t max,
                               int timeout_ms, size_t *ret_count, struct mr_err *err)
{
    return recall(db, publisher, high, max, timeout_ms, mr_units_recall, put_unit_off, ret_count, err);
}
