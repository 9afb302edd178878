/* Quotas, against a real PostgreSQL: what a user has is counted exactly, and what is over a limit is refused. */
#include "shared/data/quota_check.h"

#include "shared/base/encoding.h"
#include "shared/data/deliveries.h"
#include "shared/data/uploads.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 1000000, THREADS = 8, ROUNDS = 12 };

static struct mr_quotas generous(void)
{
    struct mr_quotas quotas;
    for (int i = 0; i < MR_QUOTA_COUNT; i++)
        quotas.limits[i] = MANY;
    return quotas;
}

static int64_t new_user(void)
{
    static int count;
    char name[32];
    snprintf(name, sizeof name, "user%d", ++count);
    return fixture_db_user(test_db, name);
}

static const struct mr_statement statements[] = {
    {"t_usage",
     "SELECT format('%s tasks, %s bytes, %s records, %s uploads, %s deliveries', tasks, stored_bytes, "
     "records,"
     " uploads, deliveries) AS answer FROM user_usage WHERE user_id = $1::bigint",
     1},
    {"t_seconds", "SELECT round(seconds)::text AS answer FROM user_usage WHERE user_id = $1::bigint", 1},
    {"t_aged",
     "UPDATE tasks SET claimed_at = now() - interval '90 s' WHERE user_id = $1::bigint RETURNING '' AS "
     "answer",
     1},
    {"t_yesterday", "UPDATE user_usage SET day = day - 1 WHERE user_id = $1::bigint RETURNING '' AS answer",
     1},
    {"t_operator", "UPDATE users SET is_operator = true WHERE id = $1::bigint RETURNING '' AS answer", 1},
    {"t_delete", "WITH gone AS (DELETE FROM tasks WHERE user_id = $1::bigint) SELECT '' AS answer", 1},
};
enum { USAGE, SECONDS, AGED, YESTERDAY, OPERATOR, DELETE_ALL };

static char *ask(int which, int64_t user_id)
{
    char user[MR_INT64_TEXT_MAX];
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(user_id, user);
    if (mr_db_exec(test_db, &statements[which], (const char *const[]){user}, &rows, &err) != MR_OK)
        fail_msg("%s", err.message);
    return strdup(mr_rows_count(rows) ? mr_rows_text(rows, 0, "answer") : "");
}

static void expect_answer(int which, int64_t user_id, const char *expected)
{
    MR_AUTO_STR char *answer = ask(which, user_id);
    assert_string_equal(answer, expected);
}

/* What the triggers have counted is what is there. */
static void assert_exact(void)
{
    run_sql("SELECT (count(*) = 0)::int AS answer FROM user_usage g JOIN users u ON u.id = g.user_id WHERE"
            " (tasks, stored_bytes, records, uploads, deliveries) IS DISTINCT FROM ("
            "(SELECT count(*) FROM tasks t WHERE user_id = u.id AND status IN ('uploaded', 'processing')),"
            "(SELECT coalesce(sum(original_size), 0) + coalesce(sum((SELECT sum(size) FROM outputs WHERE "
            "task_id = t.id)), 0)"
            " + (SELECT coalesce(sum(size), 0) FROM uploads WHERE user_id = u.id) FROM tasks t WHERE user_id "
            "= u.id),"
            "g.records, (SELECT count(*) FROM uploads WHERE user_id = u.id), g.deliveries)");
}

static void remove_task(int64_t user_id, const char *key)
{
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_err err = {0};
    if (mr_tasks_delete(test_db, user_id, key, &objects, &err) != MR_OK)
        fail_msg("%s", err.message);
}

static int64_t insert(const struct mr_task_draft *draft)
{
    MR_AUTO_JSON json_t *view = task_insert(draft);
    assert_non_null(view);
    return json_integer_value(json_object_get(view, "id"));
}

static void a_task_is_counted_from_first_to_last(void **state)
{
    (void)state;
    int64_t user = new_user();
    struct mr_task_draft draft = task_draft(user);
    draft.callback_url = "https://example.com/hook";
    int64_t id = insert(&draft);
    expect_answer(USAGE, user, "1 tasks, 123 bytes, 0 records, 0 uploads, 0 deliveries");
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    free(ask(AGED, user));
    assert_true(task_commit(&claim, "outputs/1"));
    expect_answer(USAGE, user, "0 tasks, 579 bytes, 0 records, 0 uploads, 1 deliveries");
    expect_answer(SECONDS, user, "90");
    MR_AUTO_JSON json_t *view = NULL;
    MR_AUTO_JSON json_t *objects = NULL;
    struct mr_message message;
    struct mr_err err = {0};
    struct mr_task_change change = {.new_format = "ogg"};
    assert_int_equal(mr_tasks_redo(test_db, user, draft.file_id, &change, &view, &objects, &message, &err),
                     MR_OK);
    expect_answer(USAGE, user, "1 tasks, 123 bytes, 0 records, 0 uploads, 1 deliveries");
    mr_claim_free(&claim);
    assert_int_equal(task_claim(id, 2, &claim), MR_CLAIM_OURS);
    free(ask(AGED, user));
    remove_task(user, draft.file_id); /* the time counts also for who deletes a running task */
    expect_answer(USAGE, user, "0 tasks, 0 bytes, 0 records, 0 uploads, 0 deliveries");
    expect_answer(SECONDS, user, "180");
    assert_exact();
}

static void a_lease_that_nobody_keeps_counts_to_its_end(void **state)
{
    (void)state;
    int64_t user = new_user();
    struct mr_task_draft draft = task_draft(user);
    int64_t id = insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim first = {0};
    MR_AUTO(mr_claim) struct mr_claim second = {0};
    assert_int_equal(task_claim(id, 1, &first), MR_CLAIM_OURS);
    free(ask(AGED, user));
    task_expire_lease(id);
    assert_int_equal(task_claim(id, 1, &second), MR_CLAIM_OURS);
    expect_answer(SECONDS, user, "89");
    free(ask(YESTERDAY, user));
    free(ask(AGED, user));
    assert_true(task_release(&second, MR_RELEASE_UNCOUNTED));
    expect_answer(SECONDS, user, "90"); /* of today alone */
}

static void other_kinds_and_uploads_are_counted(void **state)
{
    (void)state;
    int64_t user = new_user();
    MR_AUTO_JSON json_t *options = json_pack("{s:i}", "records", 250);
    struct mr_task_draft records = task_draft(user);
    records.kind = MR_KIND_INSERT_RECORDS;
    records.options = options;
    records.new_format = records.original_file = records.input_object = NULL;
    records.original_size = -1;
    insert(&records);
    expect_answer(USAGE, user, "1 tasks, 0 bytes, 250 records, 0 uploads, 0 deliveries");
    struct mr_upload_record upload = {.user_id = user,
                                      .object = (char[]){"inputs/direct"},
                                      .session_uri = (char[]){"https://storage/session"},
                                      .file_name = (char[]){"a.wav"},
                                      .content_type = (char[]){"audio/wav"},
                                      .size = 5000};
    char expires_at[MR_TIME_TEXT_MAX];
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(upload.id, &err), MR_OK);
    assert_int_equal(mr_uploads_insert(test_db, &upload, 3600, expires_at, &err), MR_OK);
    expect_answer(USAGE, user, "1 tasks, 5000 bytes, 250 records, 1 uploads, 0 deliveries");
    struct mr_task_draft taking = task_draft(user);
    taking.upload_id = upload.id;
    taking.input_object = upload.object;
    taking.original_size = 5000;
    /* An open upload is stored already: taking it needs no more room. */
    struct mr_quotas quotas = generous();
    quotas.limits[MR_QUOTA_STORED_BYTES] = 5000;
    const struct mr_task_draft *drafts[] = {&taking};
    json_t *view = NULL;
    enum mr_quota over = MR_QUOTA_NONE;
    assert_int_equal(mr_tasks_insert_within(test_db, &quotas, NULL, drafts, 1, &view, &over, &err), MR_OK);
    assert_int_equal(over, MR_QUOTA_NONE);
    json_decref(view);
    expect_answer(USAGE, user, "2 tasks, 5000 bytes, 250 records, 0 uploads, 0 deliveries");
    assert_exact();
    free(ask(DELETE_ALL, user));
    expect_answer(USAGE, user, "0 tasks, 0 bytes, 0 records, 0 uploads, 0 deliveries");
}

/* Inserts drafts within the quotas; returns which were refused, by index, as a text like "2:tasks 3:tasks". */
static char *refused(const struct mr_quotas *quotas, const struct mr_task_draft *drafts, size_t count)
{
    const struct mr_task_draft *pointers[16] = {0};
    json_t *views[16];
    enum mr_quota over[16];
    struct mr_err err = {0};
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(1000);
    for (size_t i = 0; i < count; i++)
        pointers[i] = &drafts[i];
    if (mr_tasks_insert_within(test_db, quotas, NULL, pointers, count, views, over, &err) != MR_OK)
        fail_msg("%s", err.message);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(views[i] == NULL, over[i] != MR_QUOTA_NONE);
        json_decref(views[i]);
        if (over[i])
            assert_int_equal(
                mr_buf_appendf(&text, &err, "%s%zu:%s", text.len ? " " : "", i, mr_quota_row(over[i])->name),
                MR_OK);
    }
    return strdup(mr_buf_str(&text));
}

static void expect_refused(const struct mr_quotas *quotas, const struct mr_task_draft *draft,
                           const char *name)
{
    MR_AUTO_STR char *text = refused(quotas, draft, 1);
    char expected[64];
    snprintf(expected, sizeof expected, name ? "0:%s" : "", name);
    assert_string_equal(text, expected);
}

static void each_quota_is_kept_to_the_last_unit(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *options = json_pack("{s:i}", "records", 100);
    int64_t user = new_user(), other = new_user();
    struct mr_task_draft file = task_draft(user), records = task_draft(user), hooked = task_draft(user);
    records.kind = MR_KIND_INSERT_RECORDS;
    records.options = options;
    records.original_size = -1;
    hooked.callback_url = "https://example.com/hook";
    const struct {
        enum mr_quota quota;
        struct mr_task_draft *draft;
        int64_t full, enough;
    } table[] = {
        {MR_QUOTA_TASKS, &file, 1, 2},
        {MR_QUOTA_STORED_BYTES, &file, 2 * 123 - 1, 2 * 123},
        {MR_QUOTA_RECORDS_PER_TASK, &records, 99, 100},
        {MR_QUOTA_RECORDS, &records, 199, 200},
        {MR_QUOTA_DELIVERIES, &hooked, 0, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_quotas quotas = generous();
        free(ask(DELETE_ALL, user));
        assert_int_equal(mr_uuid_generate(table[i].draft->file_id, NULL), MR_OK);
        insert(table[i].draft);
        assert_int_equal(mr_uuid_generate(table[i].draft->file_id, NULL), MR_OK);
        quotas.limits[table[i].quota] = table[i].full;
        expect_refused(&quotas, table[i].draft, mr_quota_row(table[i].quota)->name);
        struct mr_task_draft of_other = task_draft(other);
        if (table[i].full > 123)
            expect_refused(&quotas, &of_other, NULL); /* one user's quota is nothing to another */
        quotas.limits[table[i].quota] = table[i].enough;
        expect_refused(&quotas, table[i].draft, NULL);
        quotas.limits[table[i].quota] = 0;
        expect_refused(&quotas, table[i].draft, NULL); /* a repeated statement: the task is there */
    }
    free(ask(OPERATOR, user));
    struct mr_quotas none = {.limits = {0}};
    assert_int_equal(mr_uuid_generate(hooked.file_id, NULL), MR_OK);
    expect_refused(&none, &hooked, NULL);
    assert_exact();
}

static void a_batch_counts_like_single_requests(void **state)
{
    (void)state;
    int64_t user = new_user(), other = new_user();
    struct mr_task_draft drafts[8];
    struct mr_quotas quotas = generous();
    quotas.limits[MR_QUOTA_TASKS] = 3;
    for (size_t i = 0; i < 8; i++)
        drafts[i] = task_draft(i % 4 == 3 ? other : user); /* six of one user, two of another */
    drafts[0].idempotency_key = "key";
    drafts[0].request_hash = "hash";
    free(refused(&quotas, drafts, 8));
    expect_answer(USAGE, user, "3 tasks, 369 bytes, 0 records, 0 uploads, 0 deliveries");
    expect_answer(USAGE, other, "2 tasks, 246 bytes, 0 records, 0 uploads, 0 deliveries");
    MR_AUTO_STR char *again = refused(&quotas, drafts, 8);
    assert_int_equal(strlen(again), strlen("0:tasks 1:tasks 2:tasks"));
}

static void the_time_of_the_day_is_kept(void **state)
{
    (void)state;
    int64_t user = new_user();
    struct mr_quotas quotas = generous();
    struct mr_task_draft first = task_draft(user), second = task_draft(user);
    int64_t id = insert(&first);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(id, 1, &claim), MR_CLAIM_OURS);
    free(ask(AGED, user));
    assert_true(task_fail(&claim, "invalid_media", "no"));
    quotas.limits[MR_QUOTA_MINUTES] = 1;
    expect_refused(&quotas, &second, "minutes");
    struct mr_err err = {0};
    const struct mr_quota_need again = {.tasks = 1};
    assert_int_equal(mr_quota_check(test_db, &quotas, user, &again, &err), MR_EXHAUSTED);
    assert_in_range(err.retry_after_s, 1, 86400);
    free(ask(YESTERDAY, user));
    assert_int_equal(mr_quota_check(test_db, &quotas, user, &again, &err), MR_OK);
    expect_refused(&quotas, &second, NULL);
}

static void a_single_check(void **state)
{
    (void)state;
    int64_t user = new_user();
    struct mr_quotas quotas = generous();
    struct mr_task_draft draft = task_draft(user);
    struct mr_err err = {0};
    insert(&draft);
    quotas.limits[MR_QUOTA_UPLOADS] = 1;
    quotas.limits[MR_QUOTA_TASKS] = 1;
    quotas.limits[MR_QUOTA_STORED_BYTES] = 200;
    static const struct {
        struct mr_quota_need need;
        const char *code;
    } table[] = {
        {{.uploads = 1, .bytes = 77}, NULL},
        {{.uploads = 1, .bytes = 78}, "quota_stored_bytes"},
        {{.uploads = 2}, "quota_uploads"},
        {{.tasks = 1}, "quota_tasks"},
        {{.tasks = 0}, NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        enum mr_status status = mr_quota_check(test_db, &quotas, user, &table[i].need, &err);
        assert_int_equal(status == MR_OK, table[i].code == NULL);
        if (table[i].code)
            assert_string_equal(mr_code_name(err.code), table[i].code);
    }
    assert_int_equal(mr_quota_check(test_db, &quotas, new_user(), &(struct mr_quota_need){.tasks = 1}, &err),
                     MR_OK);
}

static void every_refusal_says_what_to_do(void **state)
{
    (void)state;
    struct mr_quotas quotas = generous();
    for (enum mr_quota quota = MR_QUOTA_NONE + 1; quota < MR_QUOTA_COUNT; quota++) {
        const struct mr_quota_row *row = mr_quota_row(quota);
        struct mr_err err = {0};
        enum mr_status status = mr_quota_refuse(&quotas, quota, false, &err);
        assert_true(status == (row->wait_s ? MR_EXHAUSTED : MR_DENIED));
        assert_int_equal(err.retry_after_s > 0, row->wait_s != 0);
        assert_true(mr_quota_refused(&err));
        assert_non_null(strstr(err.message, "1000000 "));
        assert_true(strlen(err.message) <= 160);
        assert_int_equal(mr_quota_find(row->name), quota);
        quotas.limits[quota] = row->fallback;
    }
    struct mr_err other = {0};
    assert_false(mr_quota_refused(&other));
    mr_fail(&other, MR_EXHAUSTED, "out of memory");
    assert_false(mr_quota_refused(&other));
    assert_int_equal(mr_quota_refuse(&quotas, MR_QUOTA_NONE, false, &other), MR_INTERNAL);
    assert_int_equal(mr_quota_find("nothing"), MR_QUOTA_NONE);
}

/* Batches of two users in both orders, and commits and deletions of their tasks, at the same time. */
static void *work(void *arg)
{
    const int64_t *users = arg;
    for (int round = 0; round < ROUNDS; round++) {
        struct mr_task_draft drafts[4];
        const struct mr_task_draft *pointers[4];
        json_t *views[4] = {NULL};
        struct mr_err err = {0};
        for (size_t i = 0; i < 4; i++) {
            drafts[i] = task_draft(users[(i + (size_t)round) % 2]);
            pointers[i] = &drafts[i];
        }
        if (mr_tasks_insert(test_db, pointers, 4, views, &err) != MR_OK)
            return strdup(err.message);
        for (size_t i = 0; i < 4; i++) {
            MR_AUTO(mr_claim) struct mr_claim claim = {0};
            char object[64];
            snprintf(object, sizeof object, "outputs/%.40s", drafts[i].file_id);
            if (i % 2 == 0 && (task_claim(json_integer_value(json_object_get(views[i], "id")), 1, &claim) !=
                                   MR_CLAIM_OURS ||
                               !task_commit(&claim, object)))
                return strdup("no commit");
            json_decref(views[i]);
            if (i)
                remove_task(drafts[i].user_id, drafts[i].file_id);
        }
    }
    return NULL;
}

static void many_at_once_are_counted_exactly(void **state)
{
    (void)state;
    int64_t one = new_user(), two = new_user();
    int64_t orders[2][2] = {{one, two}, {two, one}};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, orders[i % 2]), 0);
    for (int i = 0; i < THREADS; i++) {
        void *fault = NULL;
        pthread_join(threads[i], &fault);
        if (fault)
            fail_msg("%s", (char *)fault);
    }
    expect_answer(USAGE, one, "0 tasks, 27792 bytes, 0 records, 0 uploads, 0 deliveries");
    assert_exact();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_is_counted_from_first_to_last),
        cmocka_unit_test(a_lease_that_nobody_keeps_counts_to_its_end),
        cmocka_unit_test(other_kinds_and_uploads_are_counted),
        cmocka_unit_test(each_quota_is_kept_to_the_last_unit),
        cmocka_unit_test(a_batch_counts_like_single_requests),
        cmocka_unit_test(the_time_of_the_day_is_kept),
        cmocka_unit_test(a_single_check),
        cmocka_unit_test(every_refusal_says_what_to_do),
        cmocka_unit_test(many_at_once_are_counted_exactly),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
