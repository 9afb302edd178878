/* Tasks in the database of fixture_db.h. Each function fails the running test when its call fails. */
#ifndef MR_TESTS_UNIT_FIXTURE_TASKS_H
#define MR_TESTS_UNIT_FIXTURE_TASKS_H

#include "shared/data/leases.h"
#include "shared/data/tasks.h"
#include "tests/unit/fixture_db.h"

/* A request to convert a WAV file to MP3, with a new file id. */
struct mr_task_draft task_draft(int64_t user_id);
/* The view of a draft that is inserted alone; NULL if it was left out. The caller owns it. */
json_t *task_insert(const struct mr_task_draft *draft);
/* Inserts a draft that must not be left out. */
void task_insert_new(const struct mr_task_draft *draft);
/* What test_owner sees of a task, by its id, file id or name. The caller owns it. */
json_t *task_view(const char *key);
json_t *task_view_of(int64_t id);

/* Claims a conversion for 60 s: three attempts, four interruptions, five stops, a day. MR_CLAIM_OURS fills the
 * claim. */
enum mr_claim_outcome task_claim(int64_t id, int64_t generation, struct mr_claim *claim);
extern const struct mr_lease_terms task_terms; /* its limits */
/* As the delivery with this claim id. */
enum mr_claim_outcome task_claim_as(const char *claim_id, int64_t id, int64_t generation,
                                    struct mr_claim *claim);
/* The calls of leases.h; false: the lease is lost. */
bool task_start(const struct mr_claim *claim);
bool task_release(const struct mr_claim *claim, enum mr_release reason);
bool task_defer(const struct mr_claim *claim);
bool task_fail(const struct mr_claim *claim, const char *code, const char *detail);
/* Changes columns of a task: "attempts = 3". */
void task_set(int64_t id, const char *assignments);
/* Ends the lease of a task as if its time were over. */
void task_expire_lease(int64_t id);
/* Commits one output of 456 bytes, "Canción.mp3"; false: the lease is lost. */
bool task_commit(const struct mr_claim *claim, const char *object);
/* A task's status, as test_owner sees it. */
void assert_state(int64_t id, const char *expected);

/* A task's attempts, interruptions, kills and stops: "1 0 0 0". */
void assert_counts(int64_t id, const char *expected);

/* Runs SELECT (format'argument') and compares the answer. */
void assert_answer(const char *expected, const char *format, const char *argument);
/* Runs SQL that must answer 1. */
void run_sql(const char *sql);
/* A view's text; expected NULL: the field is null. */
void assert_text(const json_t *view, const char *key, const char *expected);

#endif
