/* Users, against a real PostgreSQL: names by Unicode's rules, and the versions of login tokens, which are kept for a moment. */
#include "web/token_versions.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"
#include "shared/base/unicode.h"
#include "tests/unit/fixture_tasks.h"
#include "web/users.h"
#include "web/verified_logins.h"

#include <poll.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static enum mr_status check(struct mr_token_versions *versions, int64_t user, int64_t version)
{
    return mr_token_version_check(versions, user, version, NULL);
}

static void ended_tokens_are_refused(void **state)
{
    (void)state;
    MR_AUTO(mr_token_versions) struct mr_token_versions *versions = NULL;
    assert_int_equal(mr_token_versions_new(test_db, &versions, NULL), MR_OK);
    assert_int_equal(check(versions, test_owner, 0), MR_OK);
    assert_int_equal(check(versions, test_owner, 1), MR_UNAUTHENTICATED);
    assert_int_equal(mr_user_end_tokens(test_db, test_owner, NULL), MR_OK);
    mr_token_version_forget(versions, test_owner);
    assert_int_equal(check(versions, test_owner, 0), MR_UNAUTHENTICATED);
    assert_int_equal(check(versions, test_owner, 1), MR_OK);
    assert_int_equal(check(versions, test_other, 0), MR_OK);
    assert_int_equal(mr_user_set_password(test_db, test_owner, "x", NULL), MR_OK);
    mr_token_version_forget(versions, test_owner);
    assert_int_equal(check(versions, test_owner, 1), MR_UNAUTHENTICATED);
    assert_int_equal(check(versions, test_owner, 2), MR_OK);
}

static void users_who_are_gone_are_refused(void **state)
{
    (void)state;
    MR_AUTO(mr_token_versions) struct mr_token_versions *versions = NULL;
    assert_int_equal(mr_token_versions_new(test_db, &versions, NULL), MR_OK);
    assert_int_equal(check(versions, test_other, 0), MR_OK);
    assert_int_equal(check(versions, test_other + 4096, 0), MR_UNAUTHENTICATED); /* the same place */
    assert_int_equal(mr_user_delete(test_db, test_other, NULL), MR_OK);
    assert_int_equal(mr_user_delete(test_db, test_other, NULL), MR_UNAUTHENTICATED);
    mr_token_version_forget(versions, test_other);
    assert_int_equal(check(versions, test_other, 1), MR_UNAUTHENTICATED);
}

#define SECRET       "a secret of at least thirty-two bytes"
#define OTHER_SECRET "another secret of thirty-two bytes"

static char *login_until(int64_t user, int64_t expires_s)
{
    char subject[MR_INT64_TEXT_MAX];
    char *token = NULL;
    mr_int64_text(user, subject);
    MR_AUTO_JSON json_t *claims = json_pack("{s:s,s:s,s:I,s:I}", "iss", "mediarun", "sub", subject, "ver",
                                            (json_int_t)3, "exp", (json_int_t)expires_s);
    assert_int_equal(mr_jwt_sign_hs256(SECRET, claims, &token, NULL), MR_OK);
    return token;
}

/* Known without a look at its signature, as the secret is another one. */
static bool is_known(struct mr_verified_logins *logins, const char *token)
{
    struct mr_login_token login = {0};
    return mr_verified_login(logins, OTHER_SECRET, token, &login, NULL) == MR_OK;
}

static void a_verified_login_is_known_until_it_expires(void **state)
{
    (void)state;
    MR_AUTO(mr_verified_logins) struct mr_verified_logins *logins = NULL;
    assert_int_equal(mr_verified_logins_new(&logins, NULL), MR_OK);
    const int64_t now_s = mr_time_now_us() / 1000000;
    MR_AUTO_STR char *lasting = login_until(7, now_s + 3600);
    MR_AUTO_STR char *brief = login_until(8, now_s + 2);
    MR_AUTO_STR char *late = login_until(9, now_s - 1); /* within the leeway of clocks */
    struct mr_login_token login = {0};
    assert_false(is_known(logins, lasting));
    assert_int_equal(mr_verified_login(logins, SECRET, lasting, &login, NULL), MR_OK);
    assert_int_equal(mr_verified_login(logins, SECRET, brief, &login, NULL), MR_OK);
    assert_int_equal(mr_verified_login(logins, SECRET, late, &login, NULL), MR_OK);
    assert_false(is_known(logins, late));
    assert_true(is_known(logins, lasting));
    for (int tries = 0; is_known(logins, brief) && tries < 1000; tries++)
        poll(NULL, 0, 5);
    assert_false(is_known(logins, brief));
    assert_true(mr_time_now_us() / 1000000 >= now_s + 2);
    assert_int_equal(mr_verified_login(logins, SECRET, lasting, &login, NULL), MR_OK);
    assert_int_equal(login.user_id, 7);
    assert_int_equal(login.version, 3);
    assert_int_equal(login.expires_s, now_s + 3600);
}

/* More tokens than there are places: none takes another's. A forgery of a known one is another token. */
static void verified_logins_are_bounded(void **state)
{
    (void)state;
    MR_AUTO(mr_verified_logins) struct mr_verified_logins *logins = NULL;
    assert_int_equal(mr_verified_logins_new(&logins, NULL), MR_OK);
    const int64_t expires_s = mr_time_now_us() / 1000000 + 3600;
    int known = 0;
    for (int round = 0; round < 2; round++)
        for (int64_t user = 1; user <= MR_VERIFIED_LOGINS + 500; user++) {
            MR_AUTO_STR char *token = login_until(user, expires_s);
            struct mr_login_token login = {0};
            known += round && is_known(logins, token);
            assert_int_equal(mr_verified_login(logins, SECRET, token, &login, NULL), MR_OK);
            assert_int_equal(login.user_id, user);
            assert_true(is_known(logins, token));
            token[strlen(token) - 2] = token[strlen(token) - 2] == 'A' ? 'B' : 'A';
            assert_false(is_known(logins, token));
        }
    assert_in_range(known, 1, MR_VERIFIED_LOGINS);
}

static int64_t find(const char *login)
{
    char hash[MR_PASSWORD_HASH_MAX];
    int64_t id = 0;
    assert_int_equal(mr_user_find(test_db, login, &id, hash, NULL), MR_OK);
    return id;
}

static void names_are_folded_as_in_memory(void **state)
{
    (void)state;
    static const struct mr_statement fold = {"fold", "SELECT fold_name($1) AS answer", 1};
    static const char *const texts[] = {"Ana",
                                        "\xc3\x89LISE",
                                        "e\xcc\x81lise",
                                        "STRASSE",
                                        "stra\xc3\x9f"
                                        "e",
                                        "ΣΊΣΥΦΟΣ",
                                        "σίσυφος",
                                        "İstanbul",
                                        "音楽 🎵",
                                        "ǅ"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
        MR_AUTO_STR char *folded = NULL;
        MR_AUTO_STR char *again = NULL;
        assert_int_equal(mr_db_exec(test_db, &fold, &texts[i], &rows, NULL), MR_OK);
        assert_int_equal(mr_unicode_fold(texts[i], &folded, NULL), MR_OK);
        /* ς and σ differ after PostgreSQL's lower(), but are one name for both. */
        assert_int_equal(mr_unicode_fold(mr_rows_text(rows, 0, "answer"), &again, NULL), MR_OK);
        assert_string_equal(again, folded);
    }
}

/* Two users whose names had been let in before they were folded: each finds its own account. */
static void names_of_before_stay_apart(void **state)
{
    (void)state;
    int64_t first = 0, second = 0, third = 0;
    struct mr_err err = {0};
    assert_int_equal(mr_user_create(test_db, "maße", "a@b.example", "h", &first, &err), MR_OK);
    MR_AUTO_STR char *made = fixture_db_ask(test_db, "ALTER TABLE users DISABLE TRIGGER users_folded");
    MR_AUTO_STR char *id = fixture_db_ask(
        test_db, "INSERT INTO users (username, email, password_hash) VALUES ('MASSE', 'c@d.example', 'h')"
                 " RETURNING id AS answer");
    MR_AUTO_STR char *back = fixture_db_ask(test_db, "ALTER TABLE users ENABLE TRIGGER users_folded");
    assert_true(mr_parse_int64(id, 1, INT64_MAX, &second));
    assert_int_equal(find("maße"), first);
    assert_int_equal(find("masse"), second);
    assert_int_equal(find("MASSE"), second);
    assert_int_equal(find("c@D.example"), second);
    assert_int_equal(find("A@B.EXAMPLE"), first);
    assert_int_equal(mr_user_create(test_db, "Maße", "e@f.example", "h", &third, &err), MR_CONFLICT);
    assert_int_equal(err.code, MR_CODE_USERNAME_TAKEN);
    assert_int_equal(mr_user_rename(test_db, test_owner, "MAẞE", &err), MR_CONFLICT);
    assert_int_equal(err.code, MR_CODE_USERNAME_TAKEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ended_tokens_are_refused),
        cmocka_unit_test(users_who_are_gone_are_refused),
        cmocka_unit_test(a_verified_login_is_known_until_it_expires),
        cmocka_unit_test(verified_logins_are_bounded),
        cmocka_unit_test(names_are_folded_as_in_memory),
        cmocka_unit_test(names_of_before_stay_apart),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
