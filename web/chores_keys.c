#include "shared/data/idempotency.h"
#include "web/chores.h"

enum { KEYS_BATCH = 1000, KEYS_ROUNDS = 20 };

enum mr_status mr_chore_forget_keys(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    int64_t count = KEYS_BATCH;
    for (int round = 0; round < KEYS_ROUNDS && count == KEYS_BATCH; round++) {
        enum mr_status status = mr_idempotency_purge(web->db, KEYS_BATCH, &count, err);
        if (status != MR_OK)
            return mr_wrap(err, status, "forget idempotency keys");
        *total += count;
    }
    return MR_OK;
}
