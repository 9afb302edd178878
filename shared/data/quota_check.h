/*
 * Whether a request keeps the quotas of its user (shared/base/quotas.h). What a user has is one row of user_usage, which
 * triggers keep exact (infra/migrations/0005_usage.sql).
 *
 * mr_tasks_insert_within (tasks.h) checks in the statement that inserts. Statements that run at the same time do not see
 * each other: so N instances of web may together accept up to N - 1 batches (256 tasks each) more than a quota allows,
 * and mr_quota_check as many requests as run at once. Results and files fetched from URLs are counted when they are
 * stored; a user who is over a quota then can begin nothing new. Any thread may call.
 */
#ifndef MR_DATA_QUOTA_CHECK_H
#define MR_DATA_QUOTA_CHECK_H

#include "shared/base/quotas.h"
#include "shared/data/db.h"

/* What a request adds. */
struct mr_quota_need {
    int64_t tasks;   /* that will wait or run */
    int64_t bytes;   /* stored */
    int64_t uploads; /* open direct uploads */
    int64_t deliveries;
};

/* MR_OK, or the failure of mr_quota_refuse. */
MR_MUST_CHECK enum mr_status mr_quota_check(struct mr_db *db, const struct mr_quotas *quotas, int64_t user_id,
                                            const struct mr_quota_need *need, struct mr_err *err);

/* For statements of shared/data. */

enum { MR_QUOTA_LIMITS_MAX = 1024 };
/* The limits as JSON, the parameter of MR_QUOTA_LIMITS. */
MR_MUST_CHECK enum mr_status mr_quota_limits_text(const struct mr_quotas *quotas,
                                                  char out[MR_QUOTA_LIMITS_MAX], struct mr_err *err);

/* A CTE `q` with the limits: a row for users and one for guests, all NULL without a parameter: then nothing is refused. */
#define MR_QUOTA_LIMITS(parameter)                                                                           \
    " q AS (SELECT r.guest, r.tasks, r.minutes, r.stored_bytes, r.records_per_task, r.records, "             \
    "r.deliveries,"                                                                                          \
    "  r.uploads"                                                                                            \
    "  FROM jsonb_to_recordset(coalesce(" parameter "::jsonb, '[{\"guest\":false},{\"guest\":true}]'))"      \
    "  AS r (guest boolean, tasks bigint, minutes bigint, stored_bytes bigint, records_per_task bigint,"     \
    "  records bigint, deliveries bigint, uploads bigint))"

/*
 * The name of the quota that a row of the relation `w` (user_id, and what is added: tasks, bytes, records of one task and
 * of all, deliveries, uploads) is over, or NULL.
 */
#define MR_QUOTA_VERDICT                                                                                     \
    " CASE WHEN p.is_operator THEN NULL"                                                                     \
    "  WHEN w.records_of_task > q.records_per_task THEN 'records_per_task'"                                  \
    "  WHEN w.records_of_task > 0 AND coalesce(g.records, 0) + w.records > q.records THEN 'records'"         \
    "  WHEN coalesce(g.stored_bytes, 0) + w.bytes > q.stored_bytes THEN 'stored_bytes'"                      \
    "  WHEN w.tasks > 0 AND coalesce(g.tasks, 0) + w.tasks > q.tasks THEN 'tasks'"                           \
    "  WHEN w.tasks > 0 AND g.day = (now() AT TIME ZONE 'UTC')::date AND g.seconds >= q.minutes * 60"        \
    "   THEN 'minutes'"                                                                                      \
    "  WHEN w.has_delivery AND coalesce(g.deliveries, 0) + w.deliveries > q.deliveries THEN 'deliveries'"    \
    "  WHEN w.uploads > 0 AND coalesce(g.uploads, 0) + w.uploads > q.uploads THEN 'uploads' END"
#define MR_QUOTA_JOIN                                                                                        \
    " LEFT JOIN LATERAL (SELECT is_operator, guest_until IS NOT NULL AS is_guest FROM users WHERE id = "     \
    "w.user_id LIMIT 1) p ON true"                                                                           \
    " LEFT JOIN LATERAL (SELECT tasks, stored_bytes, records, uploads, deliveries, day, seconds"             \
    " FROM user_usage WHERE user_id = w.user_id LIMIT 1) g ON true"                                          \
    " JOIN q ON q.guest = coalesce(p.is_guest, false)"

#endif
