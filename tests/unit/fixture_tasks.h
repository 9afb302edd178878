/* Tasks in the database of fixture_db.h. Each function fails the running test when its call fails. */
#ifndef MR_TESTS_UNIT_FIXTURE_TASKS_H
#define MR_TESTS_UNIT_FIXTURE_TASKS_H

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

/* Runs SELECT (format'argument') and compares the answer. */
void assert_answer(const char *expected, const char *format, const char *argument);
/* Runs SQL that must answer 1. */
void run_sql(const char *sql);
/* A view's text; expected NULL: the field is null. */
void assert_text(const json_t *view, const char *key, const char *expected);

#endif
