/* What pings and the kind insert_records leave behind. */
#include "shared/data/pings.h"
#include "shared/data/records.h"
#include "web/chores.h"

/* Portions of one sweep, each of MR_RECORDS_PURGE_MAX records; the next sweep goes on. */
enum { PORTIONS = 50 };

enum mr_status mr_chore_delete_records(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    bool any = true;
    for (int i = 0; any && i < PORTIONS; i++) {
        int64_t count = 0;
        enum mr_status status = mr_records_purge_orphan(web->db, &any, &count, err);
        if (status != MR_OK)
            return status;
        *total += count;
    }
    return MR_OK;
}

enum mr_status mr_chore_expire_pings(struct mr_web *web, int64_t *total, struct mr_err *err)
{
    enum mr_status status = mr_pings_expire(web->db, total, err);
    return status == MR_OK ? MR_OK : mr_wrap(err, status, "delete old pings");
}
