/*
 * Events of tasks: every change that an owner can see gives the task a new number (tasks.event_id, from one
 * sequence) and sends a notification (infra/migrations/0002_whole_api.sql). Only the newest state of a task is
 * kept, so reading events means reading the tasks that changed after number N, as they are now.
 *
 * Numbers become visible in the order of the commits, which is not numeric order: mr_events_overlap returns how
 * far back to begin so that no event is missed. Any thread may call.
 */
#ifndef MR_DATA_EVENTS_H
#define MR_DATA_EVENTS_H

#include "shared/base/cleanup.h"
#include "shared/base/json.h"
#include "shared/data/db.h"

#define MR_EVENTS_CHANNEL "task_events"

/* What changed, the weakest first: if two changes are reported as one, the stronger one is. MR_CHANGED_ACCESS is of no
 * task: the user has revoked a permission. */
enum mr_event_change { MR_CHANGED_PROGRESS, MR_CHANGED_STATE, MR_CHANGED_DELETED, MR_CHANGED_ACCESS };

/* A notification. */
struct mr_event_notice {
    int64_t user_id;
    int64_t task_id;
    int64_t event_id;
    enum mr_event_change change;
};
/* MR_INVALID for any other payload. */
MR_MUST_CHECK enum mr_status mr_event_notice_parse(const char *payload, struct mr_event_notice *ret,
                                                   struct mr_err *err);

/* A task as it was when its newest event had this number. */
struct mr_task_event {
    int64_t task_id;
    int64_t event_id;
    json_t *view;  /* as mr_tasks_get; of a very long one only id, file_id, status and progress */
    bool is_brief; /* the latter */
    bool is_final; /* the task's state */
};
struct mr_task_events {
    struct mr_task_event *items;
    size_t count;
};
void mr_task_events_free(struct mr_task_events *events);
MR_DEFINE_VALUE_CLEANUP(mr_task_events, mr_task_events_free)

/* The newest event of each of these tasks, of any owner; deleted tasks are left out. Ordered by number, like all
 * lists here; the caller frees *ret. */
MR_MUST_CHECK enum mr_status mr_events_read(struct mr_db *db, const int64_t *task_ids, size_t count,
                                            struct mr_task_events *ret, struct mr_err *err);

/* The newest event of one task, by number or file_id: exactly one item, or MR_NOT_FOUND. */
MR_MUST_CHECK enum mr_status mr_events_find(struct mr_db *db, int64_t user_id, const char *key,
                                            struct mr_task_events *ret, struct mr_err *err);

/* The user's newest events with numbers above `after`, without the number `except`, at most max. */
MR_MUST_CHECK enum mr_status mr_events_after(struct mr_db *db, int64_t user_id, int64_t after, int64_t except,
                                             size_t max, struct mr_task_events *ret, struct mr_err *err);

/* The newest number assigned so far, 0 before the first. */
MR_MUST_CHECK enum mr_status mr_events_last(struct mr_db *db, int64_t *ret, struct mr_err *err);

/* The number to read after for a client that has seen the user's events up to `last`: events whose number was
 * assigned up to 10 s earlier may have become visible later. At most `last`. */
MR_MUST_CHECK enum mr_status mr_events_overlap(struct mr_db *db, int64_t user_id, int64_t last,
                                               int64_t *ret_after, struct mr_err *err);

#endif
