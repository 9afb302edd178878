/* Direct uploads and links in the database; and the forms of names, types and origins that clients send. */
#include "shared/base/clock.h"
#include "shared/base/random.h"
#include "shared/data/links.h"
#include "shared/data/orphans.h"
#include "shared/data/tasks.h"
#include "shared/data/uploads.h"
#include "tests/unit/fixture_db.h"
#include "web/api/file_name.h"
#include "web/api/header_forms.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void expect_sql(const char *sql, const char *expected)
{
    MR_AUTO_STR char *answer = fixture_db_ask(test_db, sql);
    assert_string_equal(answer, expected);
}

/* An upload of test_owner that may be taken for expires_s seconds, with its entry in the ledger. */
static void begin_upload(int64_t expires_s, char id[MR_UUID_TEXT_MAX], char object[64])
{
    struct mr_err err = {0};
    char expires_at[MR_TIME_TEXT_MAX] = "";
    assert_int_equal(mr_uuid_generate(id, &err), MR_OK);
    snprintf(object, 64, "inputs/%s", id);
    struct mr_upload_record record = {.user_id = test_owner,
                                      .object = object,
                                      .session_uri = (char[]){"http://session"},
                                      .file_name = (char[]){"größe.wav"},
                                      .content_type = (char[]){"audio/wav"},
                                      .size = INT64_C(5) << 40};
    snprintf(record.id, sizeof record.id, "%s", id);
    assert_int_equal(mr_orphans_add(test_db, object, 86400, &err), MR_OK);
    assert_int_equal(mr_uploads_insert(test_db, &record, expires_s, expires_at, &err), MR_OK);
    assert_int_equal(strlen(expires_at), strlen("2026-01-31T23:59:59.123456Z"));
    assert_int_equal(mr_uploads_insert(test_db, &record, expires_s, expires_at, &err), MR_CONFLICT);
}

static void clear(void)
{
    free(fixture_db_ask(test_db,
                        "WITH a AS (DELETE FROM uploads) DELETE FROM stray_objects RETURNING '' AS answer"));
}

static void an_upload_is_its_users(void **state)
{
    (void)state;
    char id[MR_UUID_TEXT_MAX], over[MR_UUID_TEXT_MAX], object[64], other[64];
    struct mr_err err = {0};
    begin_upload(3600, id, object);
    begin_upload(0, over, other);
    MR_AUTO(mr_upload_record) struct mr_upload_record found = {0};
    assert_int_equal(mr_uploads_find(test_db, test_owner, id, &found, &err), MR_OK);
    assert_string_equal(found.id, id);
    assert_string_equal(found.object, object);
    assert_string_equal(found.session_uri, "http://session");
    assert_string_equal(found.file_name, "größe.wav");
    assert_string_equal(found.content_type, "audio/wav");
    assert_int_equal(found.size, INT64_C(5) << 40);
    const struct {
        int64_t user;
        const char *id;
    } unknown[] = {{test_other, id},
                   {test_owner, over},
                   {test_owner, "00000000-0000-4000-8000-000000000000"},
                   {test_owner, "nonsense"},
                   {test_owner, ""}};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        struct mr_upload_record none = {0};
        assert_int_equal(mr_uploads_find(test_db, unknown[i].user, unknown[i].id, &none, &err), MR_NOT_FOUND);
        assert_string_equal(mr_code_name(err.code), "unknown_upload");
        assert_null(none.object);
    }
    clear();
}

static size_t give_up(struct mr_upload_record *records, size_t max)
{
    struct mr_err err = {0};
    size_t count = 99;
    assert_int_equal(mr_uploads_give_up(test_db, records, max, &count, &err), MR_OK);
    return count;
}

static void free_all(struct mr_upload_record *records, size_t count)
{
    for (size_t i = 0; i < count; i++)
        mr_upload_record_free(&records[i]);
}

static void what_has_expired_is_given_up_until_forgotten(void **state)
{
    (void)state;
    char live[MR_UUID_TEXT_MAX], over[2][MR_UUID_TEXT_MAX], object[3][64];
    struct mr_upload_record records[3];
    struct mr_err err = {0};
    begin_upload(3600, live, object[0]);
    begin_upload(0, over[0], object[1]);
    begin_upload(0, over[1], object[2]);
    assert_int_equal(give_up(records, 1), 1); /* portions */
    free_all(records, 1);
    for (int again = 0; again < 2; again++) { /* until they are forgotten they come again */
        assert_int_equal(give_up(records, 3), 2);
        free_all(records, 2);
    }
    assert_int_equal(mr_uploads_forget(test_db, live, 0, &err), MR_OK); /* not given up: nothing happens */
    expect_sql("SELECT count(*) AS answer FROM uploads", "3");
    assert_int_equal(mr_uploads_forget(test_db, over[0], 0, &err), MR_OK);
    expect_sql("SELECT count(*) AS answer FROM stray_objects", "2");
    assert_int_equal(mr_uploads_forget(test_db, over[1], 700000, &err), MR_OK);
    expect_sql(
        "SELECT string_agg(CASE WHEN delete_after > now() + interval '8 days' THEN 'late' WHEN delete_after >"
        " now() + interval '2 days' THEN 'kept' ELSE 'live' END, ',' ORDER BY delete_after) AS answer"
        " FROM stray_objects",
        "live,late");
    assert_int_equal(mr_uploads_forget(test_db, over[1], 0, &err), MR_OK); /* again: no harm */
    assert_int_equal(give_up(records, 3), 0);
    clear();
}

static json_t *insert_task(const char *upload_id, const char *object, struct mr_err *err)
{
    struct mr_task_draft draft = {.user_id = test_owner,
                                  .kind = "convert",
                                  .priority = "normal",
                                  .new_format = "mp3",
                                  .original_file = "a.wav",
                                  .original_format = "wav",
                                  .original_size = 1,
                                  .input_object = object,
                                  .input_generation = 1,
                                  .upload_id = upload_id};
    const struct mr_task_draft *drafts[] = {&draft};
    json_t *view = NULL;
    assert_int_equal(mr_uuid_generate(draft.file_id, err), MR_OK);
    assert_int_equal(mr_tasks_insert(test_db, drafts, 1, &view, err), MR_OK);
    return view;
}

static void a_task_or_the_sweep_gets_it(void **state)
{
    (void)state;
    char id[MR_UUID_TEXT_MAX], object[64];
    struct mr_upload_record records[2];
    struct mr_err err = {0};
    begin_upload(3600, id, object);
    MR_AUTO_JSON json_t *view = insert_task(id, object, &err);
    assert_non_null(view);
    expect_sql("SELECT (SELECT count(*) FROM uploads) + (SELECT count(*) FROM stray_objects) AS answer", "0");
    assert_int_equal(give_up(records, 2), 0);

    begin_upload(0, id, object);
    assert_int_equal(give_up(records, 2), 1);
    free_all(records, 1);
    assert_null(insert_task(id, object, &err));
    expect_sql("SELECT count(*) AS answer FROM stray_objects", "1");
    clear();
}

static void what_a_task_has_in_hand_is_passed_over(void **state)
{
    (void)state;
    static const struct mr_statement lock = {"test_lock", "SELECT id FROM uploads FOR UPDATE", 0};
    char id[MR_UUID_TEXT_MAX], object[64];
    struct mr_upload_record records[2];
    struct mr_err err = {0};
    struct mr_db_tx *tx = NULL;
    begin_upload(0, id, object);
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    assert_int_equal(mr_db_tx_exec(tx, &lock, NULL, NULL, &err), MR_OK);
    assert_int_equal(give_up(records, 2), 0);
    mr_db_rollback(tx);
    assert_int_equal(give_up(records, 2), 1);
    free_all(records, 1);
    clear();
}

static void a_link_opens_one_task(void **state)
{
    (void)state;
    struct mr_err err = {0};
    json_t *views[] = {insert_task(NULL, "inputs/one", &err), insert_task(NULL, "inputs/two", &err)};
    int64_t id = json_integer_value(json_object_get(views[0], "id")), user = 0, total = 0;
    const char *file = json_string_value(json_object_get(views[0], "file_id"));
    const char *other_file = json_string_value(json_object_get(views[1], "file_id"));
    char token[MR_SECRET_TOKEN_MAX], over[MR_SECRET_TOKEN_MAX], sql[200];
    assert_int_equal(mr_link_create(test_db, id, MR_LINK_SECONDS, token, &err), MR_OK);
    assert_int_equal(mr_link_create(test_db, id, 0, over, &err), MR_OK);
    assert_int_equal(strlen(token), 43);
    assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
    assert_string_not_equal(token, over);
    snprintf(sql, sizeof sql, "SELECT count(*) AS answer FROM download_links WHERE token_hash LIKE '%%%s%%'",
             token);
    expect_sql(sql, "0");
    assert_int_equal(mr_link_owner(test_db, token, file, &user, &err), MR_OK);
    assert_int_equal(user, test_owner);
    const struct {
        const char *token, *file;
    } bad[] = {{over, file},
               {token, other_file},
               {token, "a.wav"},
               {"", file},
               {"x", file},
               {"' OR 1", file},
               {token, "00000000-0000-4000-8000-000000000000"}};
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(mr_link_owner(test_db, bad[i].token, bad[i].file, &user, &err), MR_UNAUTHENTICATED);
        assert_string_equal(mr_code_name(err.code), "bad_link");
    }
    assert_int_equal(mr_links_expire(test_db, 10, &total, &err), MR_OK);
    assert_int_equal(mr_links_expire(test_db, 10, &total, &err), MR_OK);
    assert_int_equal(total, 1);
    assert_int_equal(mr_link_owner(test_db, token, file, &user, &err), MR_OK);
    assert_int_equal(mr_link_create(test_db, INT64_C(1) << 40, 60, over, &err), MR_NOT_FOUND);
    json_decref(views[0]);
    json_decref(views[1]);
}

static void file_names(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'x', 250);
    snprintf(longest + 250, sizeof longest - 250, "ééé.wav"); /* with the extension, an é would be cut */
    static const struct {
        const char *given, *text, *extension;
    } cases[] = {
        {"song.MP3", "song.MP3", "mp3"},
        {"/etc/passwd.wav", "passwd.wav", "wav"},
        {"C:\\Music\\a b.Flac", "a b.Flac", "flac"},
        {"two.dots.ogg", "two.dots.ogg", "ogg"},
        {"none", "none", ""},
        {"dot.", "dot.", ""},
        {".hidden", ".hidden", "hidden"},
        {"odd.m p", "odd.m p", ""},
        {"long.abcdefghijk", "long.abcdefghijk", ""},
        {"音楽.wav", "音楽.wav", "wav"},
        {"directory/", "", ""},
        {"", "", ""},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct mr_file_name name = mr_file_name_of(cases[i].given);
        assert_string_equal(name.text, cases[i].text);
        assert_string_equal(name.extension, cases[i].extension);
    }
    struct mr_file_name cut = mr_file_name_of(longest);
    assert_int_equal(strlen(cut.text), 254);
    assert_string_equal(cut.text + 250, ".wav");
    assert_string_equal(cut.extension, "wav");
}

static void media_types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"audio/mpeg", true},
        {"application/octet-stream", true},
        {"a/b;c=d", true},
        {"audio/ogg; codecs=opus", true},
        {"a/b ;\tc=\"x y\\\"z\"; d=e", true},
        {"application/vnd.x+json", true},
        {"", false},
        {"audio", false},
        {"audio/", false},
        {"/mpeg", false},
        {"audio/mpeg/3", false},
        {"audio mpeg", false},
        {"audio/mpeg;", false},
        {"audio/mpeg; x", false},
        {"audio/mpeg; x=", false},
        {"audio/mpeg; x=\"open", false},
        {"audio/mpeg; x=\"a\\", false},
        {"audio/mpeg\r\nX: y", false},
        {"audio/mpég", false},
        {"a/b; c=\"\x01\"", false},
        {"a/12345678901234567890123456789012345678901234567890123456789012345678901234567890"
         "123456789012345678901234567890123456789012345",
         true},
        {"a/12345678901234567890123456789012345678901234567890123456789012345678901234567890"
         "1234567890123456789012345678901234567890123456",
         false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (mr_media_type_is_valid(cases[i].text) != cases[i].valid)
            fail_msg("%s", cases[i].text);
}

static void origins(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } cases[] = {
        {"https://app.example", true},
        {"http://localhost:8080", true},
        {"https://a-b.example:1", true},
        {"http://[::1]:8080", true},
        {"http://127.0.0.1", true},
        {"null", false},
        {"*", false},
        {"", false},
        {"https://", false},
        {"https://a/", false},
        {"https://a/path", false},
        {"ftp://a", false},
        {"https://user@a", false},
        {"https://a:0", false},
        {"https://a:65536", false},
        {"https://a:", false},
        {"https://a:8x", false},
        {"https://a b", false},
        {"https://a,https://b", false},
        {"http://[::1", false},
        {"http://[]", false},
        {"HTTPS://a", false},
        {"https://a\r\nX: y", false},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        if (mr_origin_is_valid(cases[i].text) != cases[i].valid)
            fail_msg("%s", cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_is_its_users),
        cmocka_unit_test(what_has_expired_is_given_up_until_forgotten),
        cmocka_unit_test(a_task_or_the_sweep_gets_it),
        cmocka_unit_test(what_a_task_has_in_hand_is_passed_over),
        cmocka_unit_test(a_link_opens_one_task),
        cmocka_unit_test(file_names),
        cmocka_unit_test(media_types),
        cmocka_unit_test(origins),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
