/* shared/base/jwt: what it signs it accepts, and each forgery known to the field it refuses. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"
#include "tests/unit/fake_keys.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SECRET "a secret of at least thirty-two bytes"

static struct fake_key key, other_key; /* made once for all tests: RSA keys cost time */

static int setup(void **state)
{
    (void)state;
    key = fake_key_new();
    other_key = fake_key_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_key_free(&key);
    fake_key_free(&other_key);
    return 0;
}

static json_int_t now(void)
{
    return mr_time_now_us() / 1000000;
}

static json_t *claims_until(json_int_t exp)
{
    return json_pack("{s:s,s:I}", "sub", "7", "exp", exp);
}

static enum mr_status find_key(void *ctx, const char *key_id, char **ret, struct mr_err *err)
{
    const enum mr_status *failure = ctx;
    if (failure && *failure != MR_OK)
        return mr_fail(err, *failure, "no key today");
    if (strcmp(key_id, "k1") != 0)
        return mr_fail(err, MR_NOT_FOUND, "unknown key");
    *ret = strdup(key.public_pem);
    return MR_OK;
}

/* base64url without padding */
static char *base64url(const char *text)
{
    char *encoded = NULL;
    assert_int_equal(mr_base64_encode(text, strlen(text), &encoded, NULL), MR_OK);
    for (char *c = encoded; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
    encoded[strcspn(encoded, "=")] = '\0';
    return encoded;
}

static char *unsigned_token(const char *header, const char *claims, const char *signature)
{
    MR_AUTO_STR char *head = base64url(header);
    MR_AUTO_STR char *body = base64url(claims);
    MR_AUTO(mr_buf) struct mr_buf token = MR_BUF_INIT(4096);
    assert_int_equal(mr_buf_appendf(&token, NULL, "%s.%s.%s", head, body, signature), MR_OK);
    return mr_buf_take(&token);
}

static void signs_and_verifies(void **state)
{
    (void)state;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *claims = claims_until(now() + 3600);
    MR_AUTO_STR char *hs = NULL, *rs = NULL;
    assert_int_equal(mr_jwt_sign_hs256(SECRET, claims, &hs, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_rs256(key.private_pem, "k1", claims, &rs, &err), MR_OK);
    MR_AUTO_JSON json_t *read_hs = NULL, *read_rs = NULL, *read_plain = NULL;
    assert_int_equal(mr_jwt_verify_hs256(SECRET, hs, &read_hs, &err), MR_OK);
    assert_true(json_equal(claims, read_hs));
    assert_int_equal(mr_jwt_verify_rs256(rs, find_key, NULL, &read_rs, &err), MR_OK);
    assert_true(json_equal(claims, read_rs));
    assert_int_equal(mr_jwt_read_unverified(rs, &read_plain, &err), MR_OK);
    assert_true(json_equal(claims, read_plain));
}

static void checks_times(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *claims; /* %lld: now + offset */
        int offset;
        enum mr_status expected;
    } cases[] = {
        {"valid", "{\"exp\":%lld}", 100, MR_OK},
        {"within the leeway", "{\"exp\":%lld}", -20, MR_OK},
        {"expired", "{\"exp\":%lld}", -40, MR_UNAUTHENTICATED},
        {"no exp", "{\"sub\":\"%lld\"}", 0, MR_UNAUTHENTICATED},
        {"exp as text", "{\"exp\":\"%lld\"}", 100, MR_UNAUTHENTICATED},
        {"exp as real", "{\"exp\":%lld.5}", 100, MR_UNAUTHENTICATED},
        {"exp null", "{\"exp\":null,\"x\":%lld}", 100, MR_UNAUTHENTICATED},
        {"smallest exp", "{\"exp\":-9223372036854775808,\"x\":%lld}", 0, MR_UNAUTHENTICATED},
        {"largest exp", "{\"exp\":9223372036854775807,\"x\":%lld}", 0, MR_OK},
        {"nbf now", "{\"exp\":99999999999,\"nbf\":%lld}", 20, MR_OK},
        {"nbf later", "{\"exp\":99999999999,\"nbf\":%lld}", 40, MR_UNAUTHENTICATED},
        {"iat later", "{\"exp\":99999999999,\"iat\":%lld}", 40, MR_UNAUTHENTICATED},
        {"iat as text", "{\"exp\":99999999999,\"iat\":\"%lld\"}", 0, MR_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        const char *mark = strstr(cases[i].claims, "%lld");
        snprintf(text, sizeof text, "%.*s%lld%s", (int)(mark - cases[i].claims), cases[i].claims,
                 (long long)now() + cases[i].offset, mark + 4);
        MR_AUTO_JSON json_t *claims = json_loads(text, 0, NULL);
        assert_non_null(claims);
        MR_AUTO_STR char *token = NULL;
        MR_AUTO_JSON json_t *read = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_jwt_sign_hs256(SECRET, claims, &token, &err), MR_OK);
        enum mr_status status = mr_jwt_verify_hs256(SECRET, token, &read, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(read != NULL, status == MR_OK);
    }
}

/* Each token is refused by both verifiers. */
static void refuses_forgeries(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *claims = claims_until(now() + 3600);
    MR_AUTO_STR char *claims_text = json_dumps(claims, JSON_COMPACT);
    MR_AUTO_STR char *with_public = NULL, *with_certificate = NULL, *with_other = NULL, *unknown = NULL,
                     *wrong_secret = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_jwt_sign_hs256(key.public_pem, claims, &with_public, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_hs256(key.certificate_pem, claims, &with_certificate, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_hs256("another secret", claims, &wrong_secret, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_rs256(other_key.private_pem, "k1", claims, &with_other, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_rs256(key.private_pem, "k2", claims, &unknown, &err), MR_OK);
    MR_AUTO_STR char *none = unsigned_token("{\"alg\":\"none\"}", claims_text, "");
    MR_AUTO_STR char *none_signed = unsigned_token("{\"alg\":\"none\",\"kid\":\"k1\"}", claims_text, "AAAA");
    MR_AUTO_STR char *none_upper = unsigned_token("{\"alg\":\"NONE\"}", claims_text, "");
    MR_AUTO_STR char *no_alg = unsigned_token("{\"typ\":\"JWT\",\"kid\":\"k1\"}", claims_text, "");
    MR_AUTO_STR char *null_alg = unsigned_token("{\"alg\":null,\"kid\":\"k1\"}", claims_text, "");
    MR_AUTO_STR char *hs_empty = unsigned_token("{\"alg\":\"HS256\"}", claims_text, "");
    MR_AUTO_STR char *rs_empty = unsigned_token("{\"alg\":\"RS256\",\"kid\":\"k1\"}", claims_text, "");
    MR_AUTO_STR char *hs512 = unsigned_token("{\"alg\":\"HS512\"}", claims_text, "AAAA");
    MR_AUTO_STR char *es256 = unsigned_token("{\"alg\":\"ES256\",\"kid\":\"k1\"}", claims_text, "AAAA");
    MR_AUTO_STR char *no_kid = unsigned_token("{\"alg\":\"RS256\"}", claims_text, "AAAA");
    MR_AUTO_STR char *array = unsigned_token("[1]", claims_text, "AAAA");
    MR_AUTO_STR char *long_one = malloc(20001);
    memset(long_one, 'a', 20000);
    long_one[20000] = '\0';
    const char *const tokens[] = {
        "",       ".",      "..",         "a.b",      "a.b.c",     "not a token",
        "....",   none,     none_signed,  none_upper, no_alg,      null_alg,
        hs_empty, rs_empty, hs512,        es256,      no_kid,      array,
        long_one, unknown,  wrong_secret, with_other, with_public, with_certificate};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        json_t *read = NULL;
        if (mr_jwt_verify_hs256(SECRET, tokens[i], &read, &err) != MR_UNAUTHENTICATED)
            fail_msg("HS256 accepted %s", tokens[i]);
        if (mr_jwt_verify_rs256(tokens[i], find_key, NULL, &read, &err) != MR_UNAUTHENTICATED)
            fail_msg("RS256 accepted %s", tokens[i]);
        assert_null(read);
        assert_true(err.message[0] != '\0');
    }
}

static void refuses_changed_claims(void **state)
{
    (void)state;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *claims = claims_until(now() + 3600);
    MR_AUTO_STR char *token = NULL;
    assert_int_equal(mr_jwt_sign_hs256(SECRET, claims, &token, &err), MR_OK);
    MR_AUTO_JSON json_t *forged = json_pack("{s:s,s:I}", "sub", "8", "exp", now() + 3600);
    MR_AUTO_STR char *forged_text = json_dumps(forged, JSON_COMPACT);
    MR_AUTO_STR char *body = base64url(forged_text);
    MR_AUTO(mr_buf) struct mr_buf mixed = MR_BUF_INIT(4096);
    size_t head_len = strcspn(token, ".");
    assert_int_equal(
        mr_buf_appendf(&mixed, NULL, "%.*s.%s%s", (int)head_len, token, body, strrchr(token, '.')), MR_OK);
    MR_AUTO_JSON json_t *read = NULL;
    assert_int_equal(mr_jwt_verify_hs256(SECRET, mr_buf_str(&mixed), &read, &err), MR_UNAUTHENTICATED);
}

static void passes_on_a_failed_lookup(void **state)
{
    (void)state;
    static const struct {
        enum mr_status failure, expected;
    } cases[] = {
        {MR_UNAVAILABLE, MR_UNAVAILABLE}, {MR_TIMEOUT, MR_TIMEOUT}, {MR_NOT_FOUND, MR_UNAUTHENTICATED}};
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *claims = claims_until(now() + 3600);
    MR_AUTO_STR char *token = NULL;
    assert_int_equal(mr_jwt_sign_rs256(key.private_pem, "k1", claims, &token, &err), MR_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum mr_status failure = cases[i].failure;
        json_t *read = NULL;
        assert_int_equal(mr_jwt_verify_rs256(token, find_key, &failure, &read, &err), cases[i].expected);
    }
}

static void reads_what_the_platform_verified(void **state)
{
    (void)state;
    MR_AUTO_JSON json_t *claims = claims_until(now() + 3600);
    MR_AUTO_JSON json_t *old = claims_until(now() - 3600);
    MR_AUTO_STR char *text = json_dumps(claims, JSON_COMPACT);
    MR_AUTO_STR char *old_text = json_dumps(old, JSON_COMPACT);
    MR_AUTO_STR char *stripped =
        unsigned_token("{\"alg\":\"RS256\",\"kid\":\"k\"}", text, "SIGNATURE_REMOVED_BY_GOOGLE");
    MR_AUTO_STR char *expired =
        unsigned_token("{\"alg\":\"RS256\",\"kid\":\"k\"}", old_text, "SIGNATURE_REMOVED_BY_GOOGLE");
    MR_AUTO_STR char *none = unsigned_token("{\"alg\":\"none\"}", text, "");
    MR_AUTO_JSON json_t *read = NULL;
    json_t *nothing = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_jwt_read_unverified(stripped, &read, &err), MR_OK);
    assert_true(json_equal(claims, read));
    assert_int_equal(mr_jwt_read_unverified(expired, &nothing, &err), MR_UNAUTHENTICATED);
    assert_int_equal(mr_jwt_read_unverified(none, &nothing, &err), MR_UNAUTHENTICATED);
}

static void reports_unusable_keys(void **state)
{
    (void)state;
    struct mr_err err = {0};
    MR_AUTO_JSON json_t *claims = claims_until(now() + 3600);
    char *token = NULL;
    json_t *read = NULL;
    assert_int_equal(mr_jwt_sign_rs256("not a key", NULL, claims, &token, &err), MR_INTERNAL);
    assert_int_equal(mr_jwt_sign_rs256("", NULL, claims, &token, &err), MR_INTERNAL);
    assert_int_equal(mr_jwt_sign_hs256("", claims, &token, &err), MR_INTERNAL);
    assert_null(token);
    MR_AUTO_STR char *good = NULL;
    assert_int_equal(mr_jwt_sign_hs256(SECRET, claims, &good, &err), MR_OK);
    assert_int_equal(mr_jwt_verify_hs256("", good, &read, &err), MR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_and_verifies),        cmocka_unit_test(checks_times),
        cmocka_unit_test(refuses_forgeries),         cmocka_unit_test(refuses_changed_claims),
        cmocka_unit_test(passes_on_a_failed_lookup), cmocka_unit_test(reads_what_the_platform_verified),
        cmocka_unit_test(reports_unusable_keys),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
