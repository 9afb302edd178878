/* What the SQL about units has in common. Private to shared/data. */
#ifndef MR_DATA_UNIT_SQL_H
#define MR_DATA_UNIT_SQL_H

#include "shared/data/lease_sql.h"
#include "shared/data/units.h"

/* The parameters that every statement about a held unit begins with: $1 task, $2 generation, $3 plan (the task's fence), $4 n,
 * $5 the unit's fence. */
struct mr_held_unit {
    struct mr_held task;
    char n[MR_INT64_TEXT_MAX], fence[MR_INT64_TEXT_MAX];
};

static inline struct mr_held_unit mr_held_unit_of(const struct mr_claim *claim)
{
    struct mr_held_unit held = {.task = mr_held_of(claim)};
    mr_int64_text(claim->unit.n, held.n);
    mr_int64_text(claim->unit.fence, held.fence);
    return held;
}

#define MR_HELD_UNIT_PARAMS(held)                                                                            \
    (held).task.task, (held).task.generation, (held).task.fence, (held).n, (held).fence

/* The task t runs by the plan. It is read, not locked: the trigger that drops the units has to wait for theirs. */
#define MR_PLAN_HOLDS                                                                                        \
    " t.id = $1::bigint AND t.generation = $2::int AND t.fence = $3::bigint AND t.status = 'processing'"
#define MR_UNIT_IS_HELD                                                                                      \
    " u.task_id = $1::bigint AND u.n = $4::int AND u.plan = $3::bigint AND u.fence = $5::bigint"             \
    " AND u.state = 'running'"
#define MR_UNIT_IS_CLAIMABLE " (u.state = 'waiting' OR (u.state = 'running' AND u.lease_expires_at < now()))"

#endif
