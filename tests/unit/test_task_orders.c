/* How tasks are ordered, against a real PostgreSQL: once per idempotency key and upload, from an URL, without
 * a file, and anew. */
#include "shared/data/idempotency.h"
#include "shared/data/leases.h"
#include "shared/data/orphans.h"
#include "shared/data/tasks.h"
#include "shared/media/presets.h"
#include "tests/unit/fixture_db.h"

#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_task_draft draft_of(int64_t user_id)
{
    struct mr_task_draft draft = {.user_id = user_id,
                                  .kind = MR_KIND_CONVERT,
                                  .priority = "normal",
                                  .new_format = "mp3",
                                  .original_file = "a.wav",
                                  .original_format = "wav",
                                  .original_size = 123,
                                  .input_object = "inputs/a",
                                  .input_generation = 77};
    struct mr_err err = {0};
    assert_int_equal(mr_uuid_generate(draft.file_id, &err), MR_OK);
    return draft;
}

static struct mr_task_draft keyed(int64_t user_id, const char *key, const char *hash)
{
    struct mr_task_draft draft = draft_of(user_id);
    draft.idempotency_key = key;
    draft.request_hash = hash;
    return draft;
}

/* The view of a draft that is inserted alone; NULL if it was left out. */
static json_t *insert(const struct mr_task_draft *draft)
{
    json_t *view = NULL;
    struct mr_err err = {0};
    if (mr_tasks_insert(test_db, &draft, 1, &view, &err) != MR_OK)
        fail_msg("%s", err.message);
    return view;
}

static void insert_new(const struct mr_task_draft *draft)
{
    MR_AUTO_JSON json_t *view = insert(draft);
    assert_non_null(view);
}

static void assert_left_out(const struct mr_task_draft *draft)
{
    MR_AUTO_JSON json_t *view = insert(draft);
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

static void ask(const char *expected, const char *format, const char *argument)
{
    char sql[500];
    snprintf(sql, sizeof sql, "SELECT (%s'%s') AS answer", format, argument);
    MR_AUTO_STR char *answer = fixture_db_ask(test_db, sql);
    assert_string_equal(answer, expected);
}

static void run(const char *sql)
{
    MR_AUTO_STR char *answer = fixture_db_ask(test_db, sql);
    assert_string_equal(answer, "1");
}

static json_t *view_of(const char *key)
{
    json_t *view = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_tasks_get(test_db, test_owner, key, &view, &err), MR_OK);
    return view;
}

static void assert_text(const json_t *view, const char *key, const char *expected)
{
    const json_t *value = json_object_get(view, key);
    if (!expected)
        assert_true(json_is_null(value));
    else
        assert_string_equal(json_is_string(value) ? json_string_value(value) : "(none)", expected);
}

static void a_task_from_an_url(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(test_owner);
    draft.original_size = -1;
    draft.input_object = NULL;
    draft.input_generation = 0;
    draft.url = "https://example.com/a.wav";
    draft.callback_url = "https://example.com/hook";
    draft.priority = "high";
    draft.notify_mail = true;
    snprintf(draft.traceparent, sizeof draft.traceparent,
             "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    MR_AUTO_JSON json_t *view = insert(&draft);
    assert_text(view, "url", draft.url);
    assert_text(view, "callback_url", draft.callback_url);
    assert_text(view, "priority", "high");
    assert_text(view, "status", "uploaded");
    assert_true(json_is_null(json_object_get(view, "original_size")));
    assert_true(json_is_string(json_object_get(view, "uploaded_at")));
    ask("t", "SELECT notify_mail AND input_object IS NULL FROM tasks WHERE file_id = ", draft.file_id);
    ask(draft.traceparent, "SELECT traceparent FROM tasks WHERE file_id = ", draft.file_id);

    struct mr_message message = {.kind = "convert", .generation = 1};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    enum mr_claim_outcome outcome;
    struct mr_err err = {0};
    assert_int_equal(mr_lease_claim(test_db, &message, 60, 3, &outcome, &claim, &err), MR_OK);
    assert_string_equal(claim.url, draft.url);
    assert_string_equal(claim.input_object, "");
    assert_true(claim.has_deliveries);
}

static void an_input_that_was_fetched_is_kept(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(test_owner);
    draft.original_size = -1;
    draft.input_object = NULL;
    draft.url = "https://example.com/b";
    MR_AUTO_JSON json_t *view = insert(&draft);
    struct mr_message message = {.kind = "convert", .generation = 1};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_claim) struct mr_claim again = {0};
    enum mr_claim_outcome outcome;
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_lease_claim(test_db, &message, 60, 3, &outcome, &claim, &err), MR_OK);
    assert_int_equal(mr_orphans_add(test_db, "inputs/fetched", 1000, &err), MR_OK);
    for (int i = 0; i < 2; i++) { /* it may be repeated */
        assert_int_equal(
            mr_lease_set_input(test_db, &claim, "inputs/fetched", 9, 4567, "b.ogg", "ogg", &ours, &err),
            MR_OK);
        assert_true(ours);
    }
    ask("0", "SELECT count(*) FROM stray_objects WHERE name = ", "inputs/fetched");
    assert_int_equal(mr_lease_defer(test_db, &claim, &err), MR_OK);
    MR_AUTO_JSON json_t *after = view_of(draft.file_id);
    assert_text(after, "status", "uploaded");
    assert_text(after, "original_file", "b.ogg");
    assert_int_equal(json_integer_value(json_object_get(after, "original_size")), 4567);
    assert_int_equal(json_integer_value(json_object_get(after, "attempts")), 1);
    ask("t", "SELECT published_at IS NULL FROM tasks WHERE file_id = ", draft.file_id);
    assert_int_equal(mr_lease_set_input(test_db, &claim, "inputs/late", 9, 1, "c", "", &ours, &err), MR_OK);
    assert_false(ours);
    assert_int_equal(mr_lease_claim(test_db, &message, 60, 3, &outcome, &again, &err), MR_OK);
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
    MR_AUTO_JSON json_t *view = insert(&draft);
    assert_text(view, "kind", "insert_records");
    assert_text(view, "new_format", NULL);
    assert_text(view, "original_file", NULL);
    assert_true(json_equal(json_object_get(view, "options"), options));
    struct mr_message message = {.kind = "insert_records", .generation = 1};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    enum mr_claim_outcome outcome;
    bool ours = false;
    const struct mr_commit commit = {.result = result};
    assert_int_equal(mr_lease_claim(test_db, &message, 60, 3, &outcome, &claim, &err), MR_OK);
    assert_int_equal(mr_lease_commit(test_db, &claim, &commit, &ours, &err), MR_OK);
    MR_AUTO_JSON json_t *after = view_of(draft.file_id);
    assert_true(json_equal(json_object_get(after, "result"), result));
    const struct mr_task_change change = {.new_format = "mp3"};
    json_t *objects = NULL, *anew = NULL;
    assert_int_equal(
        mr_tasks_redo(test_db, test_owner, draft.file_id, &change, &anew, &objects, &message, &err),
        MR_CONFLICT);
    assert_string_equal(mr_code_name(err.code), "not_convertible");
}

static void a_key_makes_one_task(void **state)
{
    (void)state;
    struct mr_task_draft first = keyed(test_owner, "k1", "aa"), second = keyed(test_owner, "k1", "aa");
    struct mr_task_draft other = keyed(test_owner, "k1", "bb"), strangers = keyed(test_other, "k1", "bb");
    insert_new(&first);
    insert_new(&first); /* repeated after a lost answer */
    assert_left_out(&second);
    assert_resolves(&second, first.file_id);
    assert_left_out(&other);
    assert_unresolved(&other, MR_CONFLICT, "idempotency_key_reused");
    insert_new(&strangers);
    ask("1", "SELECT count(*) FROM tasks WHERE file_id = ", first.file_id);
    ask("0", "SELECT count(*) FROM tasks WHERE file_id = ", second.file_id);
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
        drafts[i] = i == 3 ? draft_of(test_owner) : keyed(test_owner, i == 4 ? "k3" : "k2", "aa");
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
    ask("1", "SELECT count(*) FROM tasks JOIN idempotency_keys USING (file_id) WHERE key = ", "k2");
}

static void a_spent_key_and_an_old_one(void **state)
{
    (void)state;
    struct mr_task_draft first = keyed(test_owner, "k4", "aa"), late = keyed(test_owner, "k4", "cc");
    struct mr_err err = {0};
    insert_new(&first);
    MR_AUTO_JSON json_t *objects = NULL;
    assert_int_equal(mr_tasks_delete(test_db, test_owner, first.file_id, &objects, &err), MR_OK);
    struct mr_task_draft again = keyed(test_owner, "k4", "aa");
    assert_left_out(&again);
    assert_unresolved(&again, MR_CONFLICT, "idempotency_key_spent");
    run("UPDATE idempotency_keys SET created_at = now() - interval '23 hours 59 minutes' WHERE key = 'k4'"
        " RETURNING 1 AS answer");
    assert_left_out(&late);
    run("UPDATE idempotency_keys SET created_at = now() - interval '24 hours 1 second' WHERE key = 'k4'"
        " RETURNING 1 AS answer");
    insert_new(&late);
    struct mr_task_draft repeated = keyed(test_owner, "k4", "cc");
    assert_left_out(&repeated);
    assert_resolves(&repeated, late.file_id);
}

static void old_keys_are_purged_in_portions(void **state)
{
    (void)state;
    struct mr_err err = {0};
    run("WITH a AS (INSERT INTO idempotency_keys SELECT id, 'old' || n, 'x', gen_random_uuid(), now() - "
        "interval '25 hours' FROM users, generate_series(1, 5) n WHERE username = 'other' RETURNING 1)"
        " SELECT (count(*) = 5)::int AS answer FROM a");
    int64_t counts[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(mr_idempotency_purge(test_db, 3, &counts[i], &err), MR_OK);
    assert_int_equal(counts[0], 3);
    assert_int_equal(counts[1], 2);
    assert_int_equal(counts[2], 0);
    ask("t", "SELECT count(*) > 0 FROM idempotency_keys WHERE key = ", "k1");
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
    run(sql);
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
    insert_new(&first);
    insert_new(&first);
    ask("0", "SELECT count(*) FROM stray_objects WHERE name = ", "uploads/x");
    ask("0", "SELECT count(*) FROM uploads WHERE id = ", UPLOAD_A);
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
    ask(views[1] ? "1" : "0", "SELECT count(*) FROM idempotency_keys WHERE key = ", "k5");
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
    insert_new(&first);
    assert_left_out(&repeated);
    assert_resolves(&repeated, first.file_id);
    assert_left_out(&key_lost);
    ask("1", "SELECT count(*) FROM uploads WHERE id = ", UPLOAD_C); /* it can still become a task */
    assert_left_out(&upload_lost);
    assert_unresolved(&upload_lost, MR_NOT_FOUND, "unknown_upload");
    ask("0", "SELECT count(*) FROM idempotency_keys WHERE key = ", "k7");
}

struct anew {
    json_t *view, *objects;
    struct mr_message message;
};

static struct anew redo(const char *key, const struct mr_task_change *change)
{
    struct anew anew = {0};
    struct mr_err err = {0};
    if (mr_tasks_redo(test_db, test_owner, key, change, &anew.view, &anew.objects, &anew.message, &err) !=
        MR_OK)
        fail_msg("%s", err.message);
    return anew;
}

static void anew_free(struct anew *anew)
{
    json_decref(anew->view);
    json_decref(anew->objects);
}
MR_DEFINE_VALUE_CLEANUP(anew, anew_free)

static void claim_it(const json_t *view, int64_t generation, struct mr_claim *claim)
{
    struct mr_message message = {.kind = "convert", .generation = generation};
    message.task_id = json_integer_value(json_object_get(view, "id"));
    enum mr_claim_outcome outcome = MR_CLAIM_STALE;
    struct mr_err err = {0};
    assert_int_equal(mr_lease_claim(test_db, &message, 60, 3, &outcome, claim, &err), MR_OK);
    assert_int_equal(outcome, MR_CLAIM_OURS);
}

static bool commit(const struct mr_claim *claim, const char *object)
{
    MR_AUTO(mr_output)
    struct mr_output output = {strdup(object), 5, strdup("a.mp3"), strdup("mp3"), strdup("audio/mpeg"), 456};
    MR_AUTO_JSON json_t *receipt = json_pack("{s:b}", "copied", 0);
    const struct mr_commit one = {.outputs = &output, .count = 1, .receipt = receipt};
    struct mr_err err = {0};
    bool ours = false;
    assert_int_equal(mr_lease_commit(test_db, claim, &one, &ours, &err), MR_OK);
    return ours;
}

static void a_finished_task_is_ordered_anew(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(test_owner);
    draft.priority = "high";
    MR_AUTO_JSON json_t *view = insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    MR_AUTO(mr_claim) struct mr_claim second = {0};
    claim_it(view, 1, &claim);
    assert_true(commit(&claim, "results/anew1"));
    MR_AUTO_JSON json_t *options = json_pack("{s:i}", "sample_rate", 8000);
    MR_AUTO(anew)
    struct anew anew = redo(draft.file_id, &(struct mr_task_change){.new_format = "wav", .options = options});
    assert_text(anew.view, "status", "uploaded");
    assert_text(anew.view, "new_format", "wav");
    assert_true(json_equal(json_object_get(anew.view, "options"), options));
    static const char *const cleared[] = {"processed_file", "processed_at", "receipt", "result", "error"};
    for (size_t i = 0; i < sizeof cleared / sizeof *cleared; i++)
        assert_text(anew.view, cleared[i], NULL);
    assert_int_equal(json_array_size(json_object_get(anew.view, "outputs")), 0);
    assert_int_equal(json_integer_value(json_object_get(anew.view, "attempts")), 0);
    assert_int_equal(json_array_size(anew.objects), 1);
    assert_string_equal(json_string_value(json_array_get(anew.objects, 0)), "results/anew1");
    ask("t", "SELECT delete_after <= now() FROM stray_objects WHERE name = ", "results/anew1");
    ask("t", "SELECT published_at IS NULL FROM tasks WHERE file_id = ", draft.file_id);
    assert_int_equal(anew.message.generation, 2);
    assert_true(anew.message.high);
    assert_string_equal(anew.message.kind, "convert");
    claim_it(view, 2, &second);
    assert_int_equal(second.attempts, 1);
    assert_true(commit(&second, "results/anew2"));
}

static void running_work_loses_its_generation(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(test_owner);
    MR_AUTO_JSON json_t *view = insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    struct mr_err err = {0};
    bool ours = true;
    claim_it(view, 1, &claim);
    MR_AUTO(anew) struct anew anew = redo(draft.file_id, &(struct mr_task_change){.new_format = "ogg"});
    assert_int_equal(anew.message.generation, 2);
    assert_int_equal(mr_lease_heartbeat(test_db, &claim, 60, 500, &ours, &err), MR_OK);
    assert_false(ours);
    assert_false(commit(&claim, "results/late"));
    assert_int_equal(mr_lease_fail(test_db, &claim, "x", "y", &err), MR_OK);
    assert_int_equal(mr_lease_release(test_db, &claim, &err), MR_OK);
    assert_int_equal(mr_lease_defer(test_db, &claim, &err), MR_OK);
    MR_AUTO_JSON json_t *after = view_of(draft.file_id);
    assert_text(after, "status", "uploaded");
    assert_int_equal(json_integer_value(json_object_get(after, "attempts")), 0);
}

/* The change may speak of a part only; the rest is what the task was. */
static const struct {
    const char *preset, *format, *options; /* of the task: a preset or options */
    struct {
        const char *preset, *format, *options;
    } change;
    const char *kind, *new_preset, *new_format, *new_options; /* kind NULL: refused with the next two */
    const char *code, *field;
} changes[] = {
    {NULL, "mp4", "{\"fps\":25}", {NULL, "webm", NULL}, "convert", NULL, "webm", "{\"fps\":25}", NULL, NULL},
    {NULL, "mp4", "{\"fps\":25}", {NULL, NULL, "{}"}, "convert", NULL, "mp4", "{}", NULL, NULL},
    {NULL, "mp4", "{\"fps\":25}", {NULL, "mp3", "{}"}, "convert", NULL, "mp3", "{}", NULL, NULL},
    {NULL, "mp4", "{\"fps\":25}", {NULL, "mp3", NULL}, NULL, NULL, NULL, NULL, "bad_option", "options.fps"},
    {NULL, "mp3", NULL, {NULL, NULL, "{\"fps\":25}"}, NULL, NULL, NULL, NULL, "bad_option", "options.fps"},
    {NULL, "mp4", "{\"fps\":25}", {"fpv", NULL, NULL}, "edit", "fpv", "mp4", NULL, NULL, NULL},
    {NULL, "mp3", NULL, {"idrl", NULL, NULL}, "edit", "idrl", "mp4", NULL, NULL, NULL},
    {NULL, "mp3", NULL, {"fpv", "webm", NULL}, "edit", "fpv", "webm", NULL, NULL, NULL},
    {NULL, "mp4", NULL, {"fpv", "mp3", NULL}, NULL, NULL, NULL, NULL, "wrong_format", "newFormat"},
    {"fpv", "mp4", NULL, {"idrl", NULL, NULL}, "edit", "idrl", "mp4", NULL, NULL, NULL},
    {"fpv", "mp4", NULL, {NULL, "mkv", NULL}, "edit", "fpv", "mkv", NULL, NULL, NULL},
    {"fpv", "mp4", NULL, {NULL, "wav", NULL}, NULL, NULL, NULL, NULL, "wrong_format", "newFormat"},
    {"fpv", "mp4", NULL, {NULL, "wav", "{}"}, "convert", NULL, "wav", "{}", NULL, NULL},
    {"fpv",
     "mov",
     NULL,
     {NULL, NULL, "{\"mute\":true}"},
     "convert",
     NULL,
     "mov",
     "{\"mute\":true}",
     NULL,
     NULL},
};

static json_t *options_of(const char *preset, const char *text)
{
    const struct mr_preset *found = mr_preset_find(preset);
    return found || text ? json_loads(found ? found->options : text, 0, NULL) : NULL;
}

static void check_change(size_t i)
{
    struct mr_task_draft draft = draft_of(test_owner);
    MR_AUTO_JSON json_t *before = options_of(changes[i].preset, changes[i].options);
    MR_AUTO_JSON json_t *options = options_of(NULL, changes[i].change.options);
    const struct mr_task_change change = {changes[i].change.format, changes[i].change.preset, options};
    draft.kind = changes[i].preset ? MR_KIND_EDIT : MR_KIND_CONVERT;
    draft.preset = changes[i].preset;
    draft.new_format = changes[i].format;
    draft.options = before;
    insert_new(&draft);
    if (!changes[i].kind) {
        json_t *view = NULL, *objects = NULL;
        struct mr_message message;
        struct mr_err err = {0};
        assert_int_equal(
            mr_tasks_redo(test_db, test_owner, draft.file_id, &change, &view, &objects, &message, &err),
            MR_INVALID);
        assert_string_equal(mr_code_name(err.code), changes[i].code);
        assert_ptr_equal(strstr(err.message, changes[i].field), err.message);
        ask("1", "SELECT generation FROM tasks WHERE file_id = ", draft.file_id);
        return;
    }
    MR_AUTO(anew) struct anew anew = redo(draft.file_id, &change);
    MR_AUTO_JSON json_t *after = options_of(changes[i].new_preset, changes[i].new_options);
    assert_text(anew.view, "kind", changes[i].kind);
    assert_text(anew.view, "preset", changes[i].new_preset);
    assert_text(anew.view, "new_format", changes[i].new_format);
    assert_true(json_equal(json_object_get(anew.view, "options"), after));
    assert_string_equal(anew.message.kind, changes[i].kind);
}

static void a_change_meets_what_was_ordered_before(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        check_change(i);
}

static void every_state_may_be_left(void **state)
{
    (void)state;
    static const char *const states[] = {
        "status = 'uploaded'",
        "status = 'processing', lease_expires_at = now() + interval '1 min'",
        "status = 'failed', error_code = 'x', error_detail = 'y'",
        "status = 'canceled'",
    };
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        struct mr_task_draft draft = draft_of(test_owner);
        insert_new(&draft);
        char sql[300];
        snprintf(sql, sizeof sql, "UPDATE tasks SET %s WHERE file_id = '%s' RETURNING 1 AS answer", states[i],
                 draft.file_id);
        run(sql);
        MR_AUTO(anew) struct anew anew = redo(draft.file_id, &(struct mr_task_change){0});
        assert_text(anew.view, "status", "uploaded");
        assert_text(anew.view, "new_format", "mp3");
        assert_int_equal(anew.message.generation, 2);
    }
}

static void what_cannot_be_ordered_anew(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(test_owner);
    const struct mr_task_change change = {.new_format = "wav"};
    insert_new(&draft);
    json_t *view = NULL, *objects = NULL;
    struct mr_message message;
    struct mr_err err = {0};
    const struct {
        int64_t user;
        const char *key;
    } table[] = {
        {test_other, draft.file_id}, {test_owner, "999999999"}, {test_owner, "a.wav"}, {test_owner, ""}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_int_equal(
            mr_tasks_redo(test_db, table[i].user, table[i].key, &change, &view, &objects, &message, &err),
            MR_NOT_FOUND);
    char sql[300];
    snprintf(sql, sizeof sql,
             "INSERT INTO tasks (file_id, user_id, status, new_format) SELECT gen_random_uuid(), user_id,"
             " 'awaiting_upload', 'mp3' FROM tasks WHERE file_id = '%s' RETURNING file_id AS answer",
             draft.file_id);
    MR_AUTO_STR char *awaiting = fixture_db_ask(test_db, sql);
    assert_int_equal(mr_tasks_redo(test_db, test_owner, awaiting, &change, &view, &objects, &message, &err),
                     MR_CONFLICT);
    assert_string_equal(mr_code_name(err.code), "awaiting_upload");
}

static void a_result_is_found_by_the_name_of_its_upload(void **state)
{
    (void)state;
    struct mr_task_draft drafts[3] = {draft_of(test_owner), draft_of(test_owner), draft_of(test_owner)};
    char number[MR_INT64_TEXT_MAX];
    struct mr_err err = {0};
    struct mr_output output;
    drafts[0].original_file = drafts[1].original_file = "Canción – uno.mp3";
    MR_AUTO_JSON json_t *first = insert(&drafts[0]);
    mr_int64_text(json_integer_value(json_object_get(first, "id")), number);
    drafts[2].original_file = number; /* a name that is another task's number */
    MR_AUTO_JSON json_t *second = insert(&drafts[1]);
    MR_AUTO_JSON json_t *third = insert(&drafts[2]);
    json_t *const views[] = {first, second, third};
    for (int i = 0; i < 3; i++) {
        MR_AUTO(mr_claim) struct mr_claim claim = {0};
        char object[32];
        snprintf(object, sizeof object, "results/named%d", i);
        if (i == 1) { /* the newest of that name decides, ready or not */
            assert_int_equal(mr_outputs_find(test_db, test_owner, drafts[0].original_file, 0, &output, &err),
                             MR_INVALID);
            assert_string_equal(mr_code_name(err.code), "not_ready");
        }
        claim_it(views[i], 1, &claim);
        assert_true(commit(&claim, object));
    }
    const struct {
        const char *key, *object;
    } table[] = {{drafts[0].original_file, "results/named1"},
                 {number, "results/named0"},
                 {drafts[2].file_id, "results/named2"}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_output) struct mr_output found = {0};
        assert_int_equal(mr_outputs_find(test_db, test_owner, table[i].key, 0, &found, &err), MR_OK);
        assert_string_equal(found.object, table[i].object);
    }
    assert_int_equal(mr_outputs_find(test_db, test_other, drafts[0].original_file, 0, &output, &err),
                     MR_NOT_FOUND);
    assert_int_equal(mr_outputs_find(test_db, test_owner, "no such name", 0, &output, &err), MR_NOT_FOUND);
    struct mr_task_draft last = draft_of(test_owner);
    last.original_file = "4000000000"; /* looks like a number, but no task has it */
    insert_new(&last);
    assert_int_equal(mr_outputs_find(test_db, test_owner, "4000000000", 0, &output, &err), MR_INVALID);
    assert_string_equal(mr_code_name(err.code), "not_ready");
}

static void everybodys_tasks_are_listed(void **state)
{
    (void)state;
    struct mr_task_draft a = draft_of(test_owner), b = draft_of(test_other);
    insert_new(&a);
    insert_new(&b);
    for (int falling = 0; falling < 2; falling++) {
        struct mr_task_filter filter = {.max = 2, .falling = falling};
        MR_AUTO_JSON json_t *all = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_tasks_list(test_db, MR_EVERYBODY, &filter, &all, &err), MR_OK);
        assert_int_equal(json_array_size(all), 2);
        if (falling) {
            assert_text(json_array_get(all, 0), "file_id", b.file_id);
            assert_text(json_array_get(all, 1), "file_id", a.file_id);
        }
    }
}

static void deliveries_of_the_present_order_are_told(void **state)
{
    (void)state;
    struct mr_task_draft draft = draft_of(test_owner);
    draft.callback_url = "https://example.com/hook";
    draft.notify_mail = true;
    MR_AUTO_JSON json_t *view = insert(&draft);
    MR_AUTO(mr_claim) struct mr_claim claim = {0};
    claim_it(view, 1, &claim);
    assert_true(commit(&claim, "results/told"));
    MR_AUTO_JSON json_t *done = view_of(draft.file_id);
    const json_t *deliveries = json_object_get(done, "deliveries");
    assert_int_equal(json_array_size(deliveries), 2);
    assert_text(json_array_get(deliveries, 0), "status", "pending");
    assert_text(json_array_get(deliveries, 0), "error", NULL);
    MR_AUTO(anew) struct anew anew = redo(draft.file_id, &(struct mr_task_change){0});
    assert_int_equal(json_array_size(json_object_get(anew.view, "deliveries")), 0);
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
        cmocka_unit_test(a_finished_task_is_ordered_anew),
        cmocka_unit_test(running_work_loses_its_generation),
        cmocka_unit_test(a_change_meets_what_was_ordered_before),
        cmocka_unit_test(every_state_may_be_left),
        cmocka_unit_test(what_cannot_be_ordered_anew),
        cmocka_unit_test(a_result_is_found_by_the_name_of_its_upload),
        cmocka_unit_test(everybodys_tasks_are_listed),
        cmocka_unit_test(deliveries_of_the_present_order_are_told),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
