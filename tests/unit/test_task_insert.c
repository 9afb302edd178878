/* Requests for tasks, against a real PostgreSQL: from a URL, without a file, and one task for each idempotency key
 * and upload. */
#include "shared/base/random.h"
#include "shared/data/idempotency.h"
#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_task_draft keyed(int64_t user_id, const char *key, const char *hash)
{
    struct mr_task_draft draft = task_draft(user_id);
    draft.idempotency_key = key;
    draft.request_hash = hash;
    return draft;
}

static void assert_left_out(const struct mr_task_draft *draft)
{
    MR_AUTO_JSON json_t *view = task_insert(draft);
    assert_null(view);
}

static void assert_resolves(const struct mr_task_draft *draft, const char *file_id)
{
    MR_AUTO_JSON json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_idempotency_resolve(test_db, draft, &view, &err), MR_OK);
    assert_string_equal(json_string_value(json_object_get(view, "file_id")), file_id);
}

static void assert_unresolved(const struct mr_task_draft *draft, enum mr_status status, const char *code)
{
    json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_idempotency_resolve(test_db, draft, &view, &err), status);
    assert_string_equal(mr_code_name(err.code), code);
    assert_null(view);
}

static void a_task_from_an_url(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    draft.original_size = -1;
    draft.input_object = NULL;
    draft.input_generation = 0;
    draft.url = "https://example.com/a.wav";
    draft.callback_url = "https://example.com/hook";
    draft.priority = "high";
    draft.notify_mail = true;
    snprintf(draft.traceparent, sizeof draft.traceparent,
             "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    assert_text(view, "url", draft.url);
    assert_text(view, "callback_url", draft.callback_url);
    assert_text(view, "priority", "high");
    assert_text(view, "status", "uploaded");
    assert_true(json_is_null(json_object_get(view, "original_size")));
    assert_true(json_is_string(json_object_get(view, "uploaded_at")));
    assert_answer("t",
                  "SELECT notify_mail AND input_object IS NULL FROM tasks WHERE file_id = ", draft.file_id);
    assert_answer(draft.traceparent, "SELECT traceparent FROM tasks WHERE file_id = ", draft.file_id);

    struct mr_message message = {.kind = "convert", .generation = 1};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    assert_int_equal(task_claim(message.task_id, 1, &claim), MR_CLAIM_OURS);
    assert_string_equal(claim.url, draft.url);
    assert_string_equal(claim.input_object, "");
    assert_true(claim.has_deliveries);
}

static void an_input_that_was_fetched_is_kept(void **state)
{
    (void)state;
    struct mr_task_draft draft = task_draft(test_owner);
    draft.original_size = -1;
    draft.input_object = NULL;
    draft.url = "https://example.com/b";
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    struct mr_message message = {.kind = "convert", .generation = 1};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_claim) struct mr_claim again = {0};
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(task_claim(message.task_id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(mr_orphans_add(test_db, "inputs/fetched", 1000, &err), MR_OK);
    for (int i = 0; i < 2; i++) { /* it may be repeated */
        assert_int_equal(
            mr_lease_set_input(test_db, &claim, "inputs/fetched", 9, 4567, "b.ogg", "ogg", &ours, &err),
            MR_OK);
        assert_true(ours);
    }
    assert_answer("0", "SELECT count(*) FROM stray_objects WHERE name = ", "inputs/fetched");
    assert_true(task_defer(&claim));
    MR_AUTO_JSON json_t *after = task_view(draft.file_id);
    assert_text(after, "status", "uploaded");
    assert_text(after, "original_file", "b.ogg");
    assert_int_equal(json_integer_value(json_object_get(after, "original_size")), 4567);
    assert_int_equal(json_integer_value(json_object_get(after, "attempts")), 1);
    assert_answer("t", "SELECT published_at IS NULL FROM tasks WHERE file_id = ", draft.file_id);
    assert_int_equal(mr_lease_set_input(test_db, &claim, "inputs/late", 9, 1, "c", "", &ours, &err), MR_OK);
    assert_false(ours);
    assert_int_equal(task_claim(message.task_id, 1, &again), MR_CLAIM_OURS);
    assert_string_equal(again.input_object, "inputs/fetched");
    assert_int_equal(again.attempts, 2);
}

static void a_task_without_a_file_ends_with_a_result(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *options = json_pack("{s:i}", "records", 5);
    MR_AUTO_JSON json_t *result = json_pack("{s:{s:i}}", "insertedRecords", "users", 5);
    struct mr_task_draft draft = {.user_id = test_owner,
                                  .kind = MR_KIND_INSERT_RECORDS,
                                  .priority = "normal",
                                  .options = options,
                                  .original_size = -1};
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(draft.file_id, &err), MR_OK);
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    assert_text(view, "kind", "insert_records");
    assert_text(view, "new_format", NULL);
    assert_text(view, "original_file", NULL);
    assert_true(json_equal(json_object_get(view, "options"), options));
    struct mr_message message = {.kind = "insert_records", .generation = 1};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    bool ours = false;
    const struct mr_commit commit = {.result = result};
    assert_int_equal(task_claim(message.task_id, 1, &claim), MR_CLAIM_OURS);
    assert_int_equal(mr_lease_commit(test_db, &claim, &commit, &ours, &err), MR_OK);
    MR_AUTO_JSON json_t *after = task_view(draft.file_id);
    assert_true(json_equal(json_object_get(after, "result"), result));
    const struct mr_task_change change = {.new_format = "mp3"};
    json_t *objects = NULL, *redone = NULL;
    assert_int_equal(
        mr_tasks_redo(test_db, test_owner, draft.file_id, &change, &redone, &objects, &message, &err),
        MR_CONFLICT);
    assert_string_equal(mr_code_name(err.code), "not_convertible");
}

static void a_key_makes_one_task(void **state)
{
    (void)state;
    struct mr_task_draft first = keyed(test_owner, "k1", "aa"), second = keyed(test_owner, "k1", "aa");
    struct mr_task_draft other = keyed(test_owner, "k1", "bb"), strangers = keyed(test_other, "k1", "bb");
    task_insert_new(&first);
    task_insert_new(&first); /* repeated after a lost answer */
    assert_left_out(&second);
    assert_resolves(&second, first.file_id);
    assert_left_out(&other);
    assert_unresolved(&other, MR_CONFLICT, "idempotency_key_reused");
    task_insert_new(&strangers);
    assert_answer("1", "SELECT count(*) FROM tasks WHERE file_id = ", first.file_id);
    assert_answer("0", "SELECT count(*) FROM tasks WHERE file_id = ", second.file_id);
}

static void one_batch_with_one_key(void **state)
{
    (void)state;
    enum { DRAFTS = 6 };
    struct mr_task_draft drafts[DRAFTS];
    const struct mr_task_draft *pointers[DRAFTS];
    json_t *views[DRAFTS];
    struct mr_err err = {0};
    for (int i = 0; i < DRAFTS; i++) {
        drafts[i] = i == 3 ? task_draft(test_owner) : keyed(test_owner, i == 4 ? "k3" : "k2", "aa");
        pointers[i] = &drafts[i];
    }
    assert_int_equal(mr_tasks_insert(test_db, pointers, DRAFTS, views, &err), MR_OK);
    assert_non_null(views[3]);
    assert_non_null(views[4]);
    int made = 0;
    for (int i = 0; i < DRAFTS; i++) {
        made += views[i] != NULL;
        json_decref(views[i]);
    }
    assert_int_equal(made, 3);
    assert_answer("1", "SELECT count(*) FROM tasks JOIN idempotency_keys USING (file_id) WHERE key = ", "k2");
}

static void a_spent_key_and_an_old_one(void **state)
{
    (void)state;
    struct mr_task_draft first = keyed(test_owner, "k4", "aa"), late = keyed(test_owner, "k4", "cc");
    struct mr_err err = {0};
    task_insert_new(&first);
    MR_AUTO_JSON json_t *objects = NULL;
    assert_int_equal(mr_tasks_delete(test_db, test_owner, first.file_id, &objects, &err), MR_OK);
    struct mr_task_draft again = keyed(test_owner, "k4", "aa");
    assert_left_out(&again);
    assert_unresolved(&again, MR_CONFLICT, "idempotency_key_spent");
    run_sql("UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes' WHERE key = 'k4'"
            " RETURNING 1 AS answer");
    assert_left_out(&late);
    run_sql("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key = 'k4'"
            " RETURNING 1 AS answer");
    task_insert_new(&late);
    struct mr_task_draft repeated = keyed(test_owner, "k4", "cc");
    assert_left_out(&repeated);
    assert_resolves(&repeated, late.file_id);
}

static void old_keys_are_purged_in_portions(void **state)
{
    (void)state;
    struct mr_err err = {0};
    run_sql("WITH a AS (INSERT INTO idempotency_keys SELECT id, 'old' || n, 'x', gen_random_uuid(), now() - "
            "interval '25 hours' FROM users, generate_series(1, 5) n WHERE username = 'other' RETURNING 1)"
            " SELECT (count(*) = 5)::int AS answer FROM a");
    int64_t counts[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_idempotency_purge(test_db, 3, &counts[i], &err), MR_OK);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 0);
    assert_answer("t", "SELECT count(*) > 0 FROM idempotency_keys WHERE key = ", "k1");
}

struct racer {
    struct mr_task_draft draft;
    char file_id[MR_UUID_TEXT_MAX];
    pthread_barrier_t *barrier;
};

/* As admission does it: insert, and resolve what is left out. */
static void *race(void *arg)
{
    struct racer *racer = arg;
    const struct mr_task_draft *draft = &racer->draft;
    MR_AUTO_JSON json_t *view = NULL;
    pthread_barrier_wait(racer->barrier);
    enum mr_status status = mr_tasks_insert(test_db, &draft, 1, &view, NULL);
    if (status == MR_OK && !view)
        status = mr_idempotency_resolve(test_db, draft, &view, NULL);
    if (status == MR_OK)
        snprintf(racer->file_id, sizeof racer->file_id, "%s",
                 json_string_value(json_object_get(view, "file_id")));
    return NULL;
}

static void one_key_at_once(void **state)
{
    (void)state;
    enum { RACERS = 4, ROUNDS = 10 };
    for (int round = 0; round < ROUNDS; round++) {
        char key[16];
        snprintf(key, sizeof key, "race%d", round);
        pthread_barrier_t barrier;
        pthread_barrier_init(&barrier, NULL, RACERS);
        struct racer racers[RACERS];
        pthread_t threads[RACERS];
        for (int i = 0; i < RACERS; i++) {
            racers[i] = (struct racer){.draft = keyed(test_owner, key, "aa"), .barrier = &barrier};
            assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
        }
        for (int i = 0; i < RACERS; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&barrier);
        int made = 0;
        for (int i = 0; i < RACERS; i++) {
            assert_string_equal(racers[i].file_id, racers[0].file_id);
            assert_int_equal(strlen(racers[i].file_id), MR_UUID_TEXT_MAX - 1);
            made += strcmp(racers[i].file_id, racers[i].draft.file_id) == 0;
        }
        assert_int_equal(made, 1);
    }
}

#define UPLOAD_A "00000000-0000-4000-8000-00000000000a"
#define UPLOAD_B "00000000-0000-4000-8000-00000000000b"
#define UPLOAD_C "00000000-0000-4000-8000-00000000000c"

static void make_upload(const char *id, int64_t user_id, const char *expires)
{
    char sql[400];
    snprintf(sql, sizeof sql,
             "INSERT INTO uploads VALUES ('%s', %" PRId64 ", 'uploads/%s', 'https://x', 'a.wav', 'audio/wav',"
             " 1, now(), now() + interval '%s') RETURNING 1 AS answer",
             id, user_id, id, expires);
    run_sql(sql);
}

static struct mr_task_draft uploaded(int64_t user_id, const char *upload_id, const char *key)
{
    struct mr_task_draft draft = keyed(user_id, key, key ? "aa" : NULL);
    draft.upload_id = upload_id;
    draft.input_object = "uploads/x";
    return draft;
}

static void an_upload_becomes_one_task(void **state)
{
    (void)state;
    struct mr_err err = {0};
    make_upload(UPLOAD_A, test_owner, "1 hour");
    make_upload(UPLOAD_B, test_owner, "-1 second");
    struct mr_task_draft strangers = uploaded(test_other, UPLOAD_A, NULL),
                         expired = uploaded(test_owner, UPLOAD_B, NULL);
    struct mr_task_draft first = uploaded(test_owner, UPLOAD_A, NULL),
                         second = uploaded(test_owner, UPLOAD_A, NULL);
    assert_left_out(&strangers);
    assert_unresolved(&strangers, MR_NOT_FOUND, "unknown_upload");
    assert_left_out(&expired);
    assert_int_equal(mr_orphans_add(test_db, "uploads/x", 1000, &err), MR_OK);
    task_insert_new(&first);
    task_insert_new(&first);
    assert_answer("0", "SELECT count(*) FROM stray_objects WHERE name = ", "uploads/x");
    assert_answer("0", "SELECT count(*) FROM uploads WHERE id = ", UPLOAD_A);
    assert_left_out(&second);
    assert_unresolved(&second, MR_NOT_FOUND, "unknown_upload");
    assert_resolves(&first, first.file_id);
}

static void one_batch_with_one_upload(void **state)
{
    (void)state;
    make_upload(UPLOAD_C, test_owner, "1 hour");
    struct mr_task_draft a = uploaded(test_owner, UPLOAD_C, NULL), b = uploaded(test_owner, UPLOAD_C, "k5");
    const struct mr_task_draft *drafts[] = {&a, &b};
    json_t *views[2];
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_insert(test_db, drafts, 2, views, &err), MR_OK);
    assert_int_equal((views[0] != NULL) + (views[1] != NULL), 1);
    /* The loser has not spent its key. */
    assert_answer(views[1] ? "1" : "0", "SELECT count(*) FROM idempotency_keys WHERE key = ", "k5");
    json_decref(views[0]);
    json_decref(views[1]);
}

static void keys_and_uploads_are_won_together(void **state)
{
    (void)state;
    make_upload(UPLOAD_A, test_owner, "1 hour");
    make_upload(UPLOAD_C, test_owner, "1 hour");
    struct mr_task_draft first = uploaded(test_owner, UPLOAD_A, "k6");
    struct mr_task_draft repeated = uploaded(test_owner, UPLOAD_A, "k6");
    struct mr_task_draft key_lost = uploaded(test_owner, UPLOAD_C, "k6");
    struct mr_task_draft upload_lost = uploaded(test_owner, UPLOAD_A, "k7");
    task_insert_new(&first);
    assert_left_out(&repeated);
    assert_resolves(&repeated, first.file_id);
    assert_left_out(&key_lost);
    assert_answer("1", "SELECT count(*) FROM uploads WHERE id = ", UPLOAD_C); /* it can still become a task */
    assert_left_out(&upload_lost);
    assert_unresolved(&upload_lost, MR_NOT_FOUND, "unknown_upload");
    assert_answer("0", "SELECT count(*) FROM idempotency_keys WHERE key = ", "k7");
}

static void assert_owed(const struct mr_task_draft *draft, const char *expected)
{
    assert_answer(
        expected,
        "SELECT CASE WHEN published_at IS NULL THEN 'itself' ELSE (SELECT 'batch' FROM outbox_batches"
        " WHERE t.id = ANY (tasks)) END FROM tasks t WHERE file_id = ",
        draft->file_id);
}

static int64_t insert_batch(const struct mr_task_draft *drafts, size_t count, int64_t id,
                            const int64_t *settled)
{
    const struct mr_outbox_batch batch = {id, settled, settled != NULL};
    const struct mr_task_draft *pointers[8] = {0};
    json_t *views[8];
    enum mr_quota over[8];
    struct mr_err err = {0};
    for (size_t i = 0; i < count; i++)
        pointers[i] = &drafts[i];
    assert_int_equal(mr_tasks_insert_within(test_db, NULL, &batch, pointers, count, views, over, &err),
                     MR_OK);
    const int64_t first = json_integer_value(json_object_get(views[0], "id"));
    for (size_t i = 0; i < count; i++)
        json_decref(views[i]);
    return first;
}

static void a_batch_owes_its_messages_until_it_is_settled(void **state)
{
    (void)state;
    struct mr_err err = {0};
    for (int is_keyed = 0; is_keyed < 2; is_keyed++) {
        struct mr_task_draft drafts[8];
        int64_t id = 0;
        for (size_t i = 0; i < 8; i++)
            drafts[i] = task_draft(test_owner);
        drafts[1].priority = "high";
        if (is_keyed)
            drafts[0].idempotency_key = drafts[0].file_id, drafts[0].request_hash = "x";
        assert_int_equal(mr_outbox_batch_new(&id, &err), MR_OK);
        insert_batch(drafts, 3, id, NULL);
        insert_batch(drafts, 3, id, NULL);                               /* its answer was lost */
        const int64_t of_redone = insert_batch(drafts + 3, 1, id, NULL); /* the batch is inserted in parts */
        const int64_t of_put_off = insert_batch(drafts + 4, 1, id, NULL);
        const int64_t of_canceled = insert_batch(drafts + 5, 1, id, NULL);
        for (size_t i = 0; i < 6; i++)
            assert_owed(&drafts[i], "batch");
        assert_answer("2", "SELECT count(*) FROM outbox_batches WHERE '' = ", "");
        assert_int_equal(mr_outbox_recover(test_db, &err), MR_OK); /* admission is about to publish them */
        assert_owed(&drafts[0], "batch");
        const int64_t of_high = mr_outbox_batch_of(id, true);
        assert_int_equal(mr_outbox_batch_new(&id, &err), MR_OK);
        insert_batch(drafts + 6, 1, id, &of_high);
        assert_owed(&drafts[1], "");
        task_set(of_redone, "generation = 2, published_at = now()");
        task_set(of_put_off, "published_at = 'epoch'");
        task_set(of_canceled, "status = 'canceled'");
        run_sql("WITH aged AS (UPDATE outbox_batches SET made_at = now() - interval '6 s' RETURNING 1)"
                " SELECT count(*) - 1 AS answer FROM aged");
        insert_batch(drafts + 7, 1, id + 2, NULL);
        assert_int_equal(mr_outbox_recover(test_db, &err), MR_OK);
        static const char *const expected[] = {"itself", "", "itself", "", "", "", "itself", "batch"};
        for (size_t i = 0; i < 8; i++)
            assert_owed(&drafts[i], expected[i]);
        id += 2;
        assert_int_equal(mr_outbox_settle(test_db, &id, 1, &err), MR_OK);
        assert_owed(&drafts[7], "");
        assert_answer("0", "SELECT count(*) FROM outbox_batches WHERE '' = ", "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_from_an_url),
        cmocka_unit_test(an_input_that_was_fetched_is_kept),
        cmocka_unit_test(a_task_without_a_file_ends_with_a_result),
        cmocka_unit_test(a_key_makes_one_task),
        cmocka_unit_test(one_batch_with_one_key),
        cmocka_unit_test(a_spent_key_and_an_old_one),
        cmocka_unit_test(old_keys_are_purged_in_portions),
        cmocka_unit_test(one_key_at_once),
        cmocka_unit_test(an_upload_becomes_one_task),
        cmocka_unit_test(one_batch_with_one_upload),
        cmocka_unit_test(keys_and_uploads_are_won_together),
        cmocka_unit_test(a_batch_owes_its_messages_until_it_is_settled),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
