/*
 * Quotas: what one user may have, or use at once. quotas.def is their one table, from which the settings, the error
 * texts and a table in docs/api.md are made; shared/data/quotas.h checks a request. Pure functions, any thread.
 */
#ifndef MR_BASE_QUOTAS_H
#define MR_BASE_QUOTAS_H

#include "shared/base/err.h"

enum mr_quota {
    MR_QUOTA_NONE,
#define MR_QUOTA(name, ...) MR_QUOTA_##name,
#include "shared/base/quotas.def"
#undef MR_QUOTA
    MR_QUOTA_COUNT
};

enum { MR_QUOTA_WAIT_DAY = -1 };
#define MR_QUOTA_LIMIT_MAX (INT64_C(1) << 50)

struct mr_quota_row {
    const char *name; /* the word in SQL */
    const char *variable;
    int64_t fallback, of_guest;
    const char *what, *unit;
    enum mr_code code;
    int wait_s;
    const char *remedy;
};

/* The limits that apply, by enum mr_quota; those of MR_QUOTA_NONE are not used. */
struct mr_quotas {
    int64_t limits[MR_QUOTA_COUNT], of_guest[MR_QUOTA_COUNT];
};

/* The row of a quota; NULL for MR_QUOTA_NONE and what is no quota. */
const struct mr_quota_row *mr_quota_row(enum mr_quota quota);

/* The quota of this name, MR_QUOTA_NONE for an unknown one. */
enum mr_quota mr_quota_find(const char *name);

/* Fails with the code, text and Retry-After of a quota that a request is over. */
enum mr_status mr_quota_refuse(const struct mr_quotas *quotas, enum mr_quota quota, bool is_guest,
                               struct mr_err *err);

/* True if a failure is the refusal of a quota: nothing was done. */
bool mr_quota_refused(const struct mr_err *err);

#endif
