#include "shared/base/quotas.h"

#include "shared/base/clock.h"

#include <inttypes.h>

enum { DAY_S = 86400 };

static const struct mr_quota_row rows[MR_QUOTA_COUNT] = {
#define MR_QUOTA(name, word, variable, fallback, of_a_guest, what, unit, code, wait_s, remedy)               \
    [MR_QUOTA_##name] = {word, variable, fallback, of_a_guest, what, unit, code, wait_s, remedy},
#include "shared/base/quotas.def"
#undef MR_QUOTA
};

const struct mr_quota_row *mr_quota_row(enum mr_quota quota)
{
    return quota > MR_QUOTA_NONE && quota < MR_QUOTA_COUNT ? &rows[quota] : NULL;
}

enum mr_quota mr_quota_find(const char *name)
{
    for (enum mr_quota quota = MR_QUOTA_NONE + 1; quota < MR_QUOTA_COUNT; quota++)
        if (strcmp(rows[quota].name, name) == 0)
            return quota;
    return MR_QUOTA_NONE;
}

static int64_t wait_of(const struct mr_quota_row *row)
{
    return row->wait_s == MR_QUOTA_WAIT_DAY ? DAY_S - mr_time_now_us() / 1000000 % DAY_S : row->wait_s;
}

enum mr_status mr_quota_refuse(const struct mr_quotas *quotas, enum mr_quota quota, bool is_guest,
                               struct mr_err *err)
{
    const struct mr_quota_row *row = mr_quota_row(quota);
    if (!row)
        return mr_fail(err, MR_INTERNAL, "unknown quota");
    enum mr_status status = mr_fail_code(err, row->code, "%s: at most %" PRId64 " %s for one %s; %s",
                                         row->what, (is_guest ? quotas->of_guest : quotas->limits)[quota],
                                         row->unit, is_guest ? "guest" : "user", row->remedy);
    return row->wait_s ? mr_retry_after(err, status, wait_of(row)) : status;
}

bool mr_quota_refused(const struct mr_err *err)
{
    for (enum mr_quota quota = MR_QUOTA_NONE + 1; quota < MR_QUOTA_COUNT; quota++)
        if (rows[quota].code == err->code)
            return true;
    return false;
}
