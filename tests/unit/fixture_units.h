/* Units of tasks in the database of fixture_db.h. Each function fails the running test when its call fails. */
#ifndef MR_TESTS_UNIT_FIXTURE_UNITS_H
#define MR_TESTS_UNIT_FIXTURE_UNITS_H

#include "shared/data/units.h"
#include "tests/unit/fixture_tasks.h"

/* A task that is claimed and started. */
void task_begin(struct mr_claim *ret);
/* A PUT, after which the task has this generation, and the claim and the start that follow. */
void task_run_again(const struct mr_claim *task, int64_t generation, struct mr_claim *ret);

/* Claims unit n of a task that was cut, by its terms (task_terms). MR_CLAIM_OURS fills *ret. */
enum mr_claim_outcome unit_claim(const struct mr_claim *task, int64_t n, struct mr_claim *ret);
/* As the delivery with this claim id. */
enum mr_claim_outcome unit_claim_as(const char *claim_id, const struct mr_claim *task, int64_t n,
                                    struct mr_claim *ret);
/* The calls of units.h; false: the lease is lost. */
bool unit_finish(const struct mr_claim *unit, const char *object, int64_t *ret_join);
bool unit_heartbeat(const struct mr_claim *unit, int progress);
bool unit_release(const struct mr_claim *unit, enum mr_release reason);
/* Ends the lease of a unit as if its time were over. */
void unit_expire(const struct mr_claim *task, int64_t n);

/* The states of a task's units in their order: "done waiting blocked". */
void assert_units(const struct mr_claim *task, const char *expected);
/* How many results of a task's units outlive a PUT. */
void assert_kept(const struct mr_claim *task, const char *expected);
/* Whether an object is due in the ledger: "1" or "0". */
void assert_orphaned(const char *object, const char *expected);

#endif
