/* API keys, against a real PostgreSQL: made, used, listed, revoked, expired. */
#include "shared/data/api_keys.h"

#include "shared/base/encoding.h"
#include "tests/unit/fixture_tasks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static int64_t make_key(int64_t user, struct mr_api_key_order order, char key[MR_API_KEY_MAX])
{
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *view = NULL;
    if (mr_api_key_create(test_db, user, &order, key, &view, &err) != MR_OK)
        fail_msg("%s", err.message);
    return json_integer_value(json_object_get(view, "id"));
}

static enum mr_status use(const char *key, struct mr_api_key_use *ret)
{
    struct mr_err err = {0};
    enum mr_status status = mr_api_key_use(test_db, key, ret, &err);
    if (status != MR_OK)
        assert_int_equal(err.code, MR_CODE_BAD_API_KEY);
    return status;
}

static void a_key_names_its_user_and_scopes(void **state)
{
    (void)state;
    char key[MR_API_KEY_MAX], other[MR_API_KEY_MAX];
    struct mr_api_key_use found = {0};
    make_key(test_owner, (struct mr_api_key_order){.name = "a", .can_read = true}, key);
    make_key(test_other, (struct mr_api_key_order){.name = "a", .can_write = true, .seconds = 60}, other);
    assert_int_equal(strlen(key), MR_API_KEY_MAX - 1);
    assert_memory_equal(key, "mr_", 3);
    assert_int_equal(use(key, &found), MR_OK);
    assert_true(found.user_id == test_owner && found.can_read && !found.can_write && found.expires_s == 0);
    assert_int_equal(use(other, &found), MR_OK);
    assert_true(found.user_id == test_other && !found.can_read && found.can_write && found.expires_s > 0);
    assert_int_equal(use("mr_", &found), MR_UNAUTHENTICATED);
    key[10] = key[10] == 'A' ? 'B' : 'A';
    assert_int_equal(use(key, &found), MR_UNAUTHENTICATED);
}

static void the_key_itself_is_not_stored(void **state)
{
    (void)state;
    char key[MR_API_KEY_MAX];
    make_key(test_owner, (struct mr_api_key_order){.name = "secret", .can_read = true}, key);
    assert_answer("0", "SELECT count(*) FROM api_keys k WHERE k::text ~ ", key + 3);
    assert_answer("1", "SELECT count(*) FROM api_keys k WHERE k::text ~ ", "secret");
}

static void use_is_noted_to_the_minute(void **state)
{
    (void)state;
    static const char noted[] = "SELECT coalesce((now() - last_used_at < interval '30 s')::text, 'never') "
                                "FROM api_keys WHERE name = ";
    char key[MR_API_KEY_MAX];
    struct mr_api_key_use found = {0};
    make_key(test_owner, (struct mr_api_key_order){.name = "noted", .can_read = true}, key);
    assert_answer("never", noted, "noted");
    assert_int_equal(use(key, &found), MR_OK);
    assert_answer("true", noted, "noted");
    run_sql("UPDATE api_keys SET last_used_at = now() - interval '50 s' WHERE name = 'noted' RETURNING 1 AS "
            "answer");
    assert_int_equal(use(key, &found), MR_OK);
    assert_answer("false", noted, "noted");
    run_sql("UPDATE api_keys SET last_used_at = now() - interval '70 s' WHERE name = 'noted' RETURNING 1 AS "
            "answer");
    assert_int_equal(use(key, &found), MR_OK);
    assert_answer("true", noted, "noted");
}

static void a_revoked_or_expired_key_is_refused(void **state)
{
    (void)state;
    char key[MR_API_KEY_MAX], text[MR_INT64_TEXT_MAX];
    struct mr_api_key_use found = {0};
    struct mr_err err = {0};
    int64_t id =
        make_key(test_owner, (struct mr_api_key_order){.name = "ends", .can_read = true, .seconds = 60}, key);
    mr_int64_text(id, text);
    run_sql("UPDATE api_keys SET expires_at = now() WHERE name = 'ends' RETURNING 1 AS answer");
    assert_int_equal(use(key, &found), MR_UNAUTHENTICATED);
    run_sql("UPDATE api_keys SET expires_at = NULL WHERE name = 'ends' RETURNING 1 AS answer");
    assert_int_equal(use(key, &found), MR_OK);
    assert_int_equal(mr_api_key_delete(test_db, test_other, text, &err), MR_NOT_FOUND);
    assert_int_equal(mr_api_key_delete(test_db, test_owner, text, &err), MR_OK);
    assert_int_equal(use(key, &found), MR_UNAUTHENTICATED);
    assert_int_equal(mr_api_key_delete(test_db, test_owner, text, &err), MR_NOT_FOUND);
    assert_int_equal(mr_api_key_delete(test_db, test_owner, "x", &err), MR_NOT_FOUND);
}

static void keys_are_listed_and_limited(void **state)
{
    (void)state;
    int64_t user = fixture_db_user(test_db, "collector");
    const struct mr_api_key_order order = {.name = "n", .can_read = true, .can_write = true};
    char key[MR_API_KEY_MAX];
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *keys = NULL;
    json_t *view = NULL;
    for (int i = 0; i < MR_API_KEYS_OF_USER; i++)
        make_key(user, order, key);
    assert_int_equal(mr_api_key_create(test_db, user, &order, key, &view, &err), MR_CONFLICT);
    assert_int_equal(err.code, MR_CODE_TOO_MANY_KEYS);
    assert_int_equal(mr_api_keys_list(test_db, user, &keys, &err), MR_OK);
    assert_int_equal(json_array_size(keys), MR_API_KEYS_OF_USER);
    const json_t *first = json_array_get(keys, 0);
    assert_text(first, "name", "n");
    assert_int_equal(json_array_size(json_object_get(first, "scopes")), 2);
    assert_null(json_object_get(first, "key"));
    assert_true(json_is_null(json_object_get(first, "expires_at")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_names_its_user_and_scopes),
        cmocka_unit_test(the_key_itself_is_not_stored),
        cmocka_unit_test(use_is_noted_to_the_minute),
        cmocka_unit_test(a_revoked_or_expired_key_is_refused),
        cmocka_unit_test(keys_are_listed_and_limited),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
