/*
 * Units: a long task is cut into parts of a few minutes, each with a message, a lease and a fence of its own, and a
 * last one that joins what they made (docs/decisions/0010-units.md).
 *
 * The plan is written by one statement, under the task's lease; from then on the task stays `processing`, and its
 * lease lasts MR_UNITS_HOLD_S after the last progress. A plan belongs to the fence that the task had: whatever changes that
 * fence, or ends the task, drops the units and puts their objects into the ledger of orphaned objects (a trigger). So
 * a unit that is claimed, extended or finished proves that the task still runs by this plan.
 *
 * A new generation (PUT) keeps what was done for an hour, in kept_units and in the ledger, for the next plan.
 *
 * A unit is `waiting` until it is claimed, `running` while its lease lives, and `done`. The join is `blocked` until all
 * others are done. A run that ends without a result and was not given back counts as an attempt.
 *
 * Several units of audio with a wanted loudness look for the gain together. A unit `level`, behind them, hears all of the audio;
 * they are blocked until then. Each then encodes and measures its slice with the gain that is tried, and `level`, which waits for
 * them, sums that up: again, or once more with the gain that was found, or what they have made is right. What is known of the
 * search is in each of their rows, and never in a process.
 *
 * Claims of units are struct mr_claim with unit.n > 0; fence is that of the task. *ret_ours is false when the unit's lease
 * is no longer held. Each call is one statement, and gives up after MR_DB_QUICK_MS. Any thread may call.
 */
#ifndef MR_DATA_UNITS_H
#define MR_DATA_UNITS_H

#include "shared/data/leases.h"

enum {
    MR_UNITS_MAX = 500,      /* of a plan, without the join */
    MR_UNITS_HOLD_S = 21600, /* how long a plan may stand still before its task is claimed again */
};

/* The units but the join: those of video in the order of the clip, then those of audio. */
struct mr_unit_plan {
    enum mr_unit_kind kind;
    int64_t from_us, to_us; /* of the clip; INT64_MAX: to its end */
};
struct mr_units_plan {
    struct mr_unit_plan units[MR_UNITS_MAX];
    size_t count;   /* at least 2 */
    bool has_level; /* those of audio look for a gain together */
    /* By kind: all that the results of such units depend on, beside their ranges; NULL: they are not kept. */
    const char *basis[MR_UNIT_JOIN];
};

/* Writes the plan of a claimed task, whose units are owed as messages. Units that an earlier generation has done, with the same
 * range and basis, are done. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_units_make(struct mr_db *db, const struct mr_claim *claim,
                                           const struct mr_units_plan *plan, bool *ret_ours,
                                           struct mr_err *err);

/* Whether the unit of a message can be claimed, as struct mr_waiting says it; *ret_user: whose task it is. */
MR_MUST_CHECK enum mr_status mr_unit_look(struct mr_db *db, const struct mr_message *message,
                                          enum mr_claim_outcome *ret_outcome, int64_t *ret_user,
                                          struct mr_err *err);

/* The unit of a message that can be claimed is owed a message again, for when slots are idle, and *ret_done: the push can be
 * acknowledged. for_others: only if other tasks of the lane wait. */
MR_MUST_CHECK enum mr_status mr_units_put_off(struct mr_db *db, const struct mr_message *message,
                                              bool for_others, bool *ret_done, struct mr_err *err);
/* Takes up to max units that were put off, of all tasks with this priority, the oldest first, and fills recalled (room for max)
 * with their messages. They count as published, so that no other worker takes them: recall.h publishes them. */
MR_MUST_CHECK enum mr_status mr_units_recall(struct mr_db *db, bool high, struct mr_message *recalled,
                                             size_t max, size_t *ret_count, struct mr_err *err);

/* As mr_lease_claim. Of the terms seconds, max_interruptions, max_stops and max_task_seconds count. MR_CLAIM_EXHAUSTED: a
 * limit was reached, and the task has failed. */
MR_MUST_CHECK enum mr_status mr_unit_claim(struct mr_db *db, const struct mr_message *message,
                                           const char *claim_id, const struct mr_lease_terms *terms,
                                           enum mr_claim_outcome *ret_outcome, struct mr_claim *ret,
                                           struct mr_err *err);

/* Extends the lease of the unit; notes its progress (permille), and that of the task where it has risen. */
MR_MUST_CHECK enum mr_status mr_unit_heartbeat(struct mr_db *db, const struct mr_claim *claim,
                                               int64_t lease_seconds, int progress, bool *ret_ours,
                                               struct mr_err *err);

/* What a unit has made. */
struct mr_unit_result {
    const char *object; /* the intermediate object, which leaves the ledger */
    int64_t object_generation;
    int64_t object_size;
    const json_t *report;
};
/* Safe to repeat. *ret_join is the number of the join if it can be claimed now, else 0. */
MR_MUST_CHECK enum mr_status mr_unit_finish(struct mr_db *db, const struct mr_claim *claim,
                                            const struct mr_unit_result *result, bool *ret_ours,
                                            int64_t *ret_join, struct mr_err *err);

/* What a unit `level` has decided. */
enum mr_level_next {
    MR_LEVEL_AGAIN, /* the units of audio are to rehearse once more */
    MR_LEVEL_LAST,  /* they are to encode with the gain that was found */
    MR_LEVEL_MADE,  /* they have done so */
};
/* Ends a run of a unit `level`. search, an object with an array `heard`, is kept in its row, as its report too, and in those of
 * the units of audio that run again, whose objects are orphaned. Safe to repeat. */
MR_MUST_CHECK enum mr_status mr_unit_level(struct mr_db *db, const struct mr_claim *claim,
                                           enum mr_level_next next, const json_t *search, bool *ret_ours,
                                           struct mr_err *err);

/* Gives the lease back; MR_RELEASE_KILL and MR_RELEASE_KILL_FULL count as attempts. */
MR_MUST_CHECK enum mr_status mr_unit_release(struct mr_db *db, const struct mr_claim *claim,
                                             enum mr_release reason, bool *ret_ours, struct mr_err *err);

/* Ends the task as failed. */
MR_MUST_CHECK enum mr_status mr_unit_fail(struct mr_db *db, const struct mr_claim *claim, const char *code,
                                          const char *detail, bool *ret_ours, struct mr_err *err);

/* Drops the plan: the task waits as one job, and is not cut again in this generation. *ret_message is its message, which
 * is owed. */
MR_MUST_CHECK enum mr_status mr_units_give_up(struct mr_db *db, const struct mr_claim *claim,
                                              const char *reason, bool *ret_ours,
                                              struct mr_message *ret_message, struct mr_err *err);

/* What is to be joined. */
struct mr_unit_part {
    enum mr_unit_kind kind;
    char *object; /* "" of a unit `level`, which has none */
    int64_t object_generation;
    int64_t object_size;
    json_t *report;
};
struct mr_unit_parts {
    struct mr_unit_part *parts; /* in the order of the plan */
    size_t count;
    double wall_seconds; /* since the plan was made */
};
void mr_unit_parts_free(struct mr_unit_parts *parts);
MR_DEFINE_VALUE_CLEANUP(mr_unit_parts, mr_unit_parts_free)
/* What the join of this claim reads, or what `level` sums up: the units of audio that are done; free *ret in every case.
 * MR_NOT_FOUND if the plan was dropped. */
MR_MUST_CHECK enum mr_status mr_units_parts(struct mr_db *db, const struct mr_claim *claim,
                                            struct mr_unit_parts *ret, struct mr_err *err);

/* The messages of a task's units that are owed, at most max; and notes that they were published. */
MR_MUST_CHECK enum mr_status mr_units_owed(struct mr_db *db, const struct mr_claim *claim,
                                           struct mr_message *owed, size_t max, size_t *ret_count,
                                           struct mr_err *err);
/* For the sweep: those of all tasks that are owed for 5 s while no unit of their task runs (a worker that runs one recalls
 * others when it ends), were published republish_after_s ago (of one that waits, up to 5 times that), or whose lease has
 * expired. Of tasks with this priority. */
MR_MUST_CHECK enum mr_status mr_units_due(struct mr_db *db, bool high, int64_t republish_after_s,
                                          struct mr_message *due, size_t max, size_t *ret_count,
                                          struct mr_err *err);
MR_MUST_CHECK enum mr_status mr_units_mark(struct mr_db *db, const struct mr_message *messages, size_t count,
                                           struct mr_err *err);

/* The message of a unit. traceparent may be "". */
struct mr_message mr_unit_message(const struct mr_claim *claim, int64_t n, bool high);

/* The name of a kind in the database, and the kind of a name. */
const char *mr_unit_kind_name(enum mr_unit_kind kind);
enum mr_unit_kind mr_unit_kind_of(const char *name);

/* Where in the clip a unit has met what it fails for: "at 00:41:30", where a unit of video begins; "up to 00:41:30", where one of
 * audio ends, which decodes from the beginning. "" of a unit that takes all of it. */
enum { MR_UNIT_PLACE_SIZE = 24 };
void mr_unit_place(const struct mr_unit *unit, char out[MR_UNIT_PLACE_SIZE]);

#endif
