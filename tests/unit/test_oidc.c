/* shared/gcp/oidc: tokens as Google's pushes carry them, and everything that only looks like one. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/jwt.h"
#include "shared/gcp/oidc.h"
#include "shared/gcp/oidc_verified.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/fake_keys.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define AUDIENCE "https://worker.example/"
#define EMAIL    "push@project.iam.gserviceaccount.com"
#define ISSUER   "https://accounts.google.com"

struct fixture {
    struct mr_http_client *http;
    struct fake_http *fake;
    struct fake_key key, other_key;
    char *certificates; /* {"k1": PEM} */
    struct fake_step steps[4];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mr_err err;
    assert_int_equal(mr_http_client_new("mediarun-test/1", &f->http, &err), MR_OK);
    f->fake = fake_http_start();
    f->key = fake_key_new();
    f->other_key = fake_key_new();
    MR_AUTO_JSON json_t *certificates =
        json_pack("{s:s,s:s}", "k1", f->key.certificate_pem, "broken", "not a certificate");
    f->certificates = json_dumps(certificates, 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mr_http_client_free(f->http);
    fake_http_stop(f->fake);
    fake_key_free(&f->key);
    fake_key_free(&f->other_key);
    free(f->certificates);
    free(f);
    return 0;
}

static struct mr_oidc *new_oidc(struct fixture *f, enum mr_oidc_mode mode)
{
    struct mr_oidc_options options = {
        .mode = mode, .certs_url = fake_http_url(f->fake), .audience = AUDIENCE, .email = EMAIL};
    struct mr_oidc *oidc = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_oidc_new(f->http, &options, &oidc, &err), MR_OK);
    return oidc;
}

static void serve_certificates(struct fixture *f)
{
    f->steps[0] = (struct fake_step){
        .status = 200, .headers = "Cache-Control: public, max-age=3600\r\n", .body = f->certificates};
    fake_http_script(f->fake, f->steps, 1, true);
}

struct claims {
    const char *iss, *aud, *email;
    bool verified;
    int expires_in;
};
static const struct claims good = {ISSUER, AUDIENCE, EMAIL, true, 3600};

static json_t *claims_json(const struct claims *c)
{
    json_int_t now = mr_time_now_us() / 1000000;
    json_t *json = json_pack("{s:s,s:s,s:s,s:b,s:I,s:I}", "iss", c->iss, "aud", c->aud, "email", c->email,
                             "email_verified", c->verified, "exp", now + c->expires_in, "iat",
                             now + c->expires_in - 3600);
    assert_non_null(json);
    return json;
}

static char *bearer(const char *token)
{
    MR_AUTO(mr_buf) struct mr_buf text = MR_BUF_INIT(16384);
    assert_int_equal(mr_buf_appendf(&text, NULL, "Bearer %s", token), MR_OK);
    return mr_buf_take(&text);
}

static char *authorization(const char *private_key, const char *key_id, const struct claims *claims)
{
    MR_AUTO_JSON json_t *json = claims_json(claims);
    MR_AUTO_STR char *token = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_jwt_sign_rs256(private_key, key_id, json, &token, &err), MR_OK);
    return bearer(token);
}

static void judges_claims(void **state)
{
    static const struct {
        const char *name;
        struct claims claims;
        enum mr_status expected;
    } cases[] = {
        {"good", {ISSUER, AUDIENCE, EMAIL, true, 3600}, MR_OK},
        {"issuer without scheme", {"accounts.google.com", AUDIENCE, EMAIL, true, 3600}, MR_OK},
        {"another issuer", {"https://evil.example", AUDIENCE, EMAIL, true, 3600}, MR_UNAUTHENTICATED},
        {"expired", {ISSUER, AUDIENCE, EMAIL, true, -60}, MR_UNAUTHENTICATED},
        {"issued in the future", {ISSUER, AUDIENCE, EMAIL, true, 7200}, MR_UNAUTHENTICATED},
        {"another audience", {ISSUER, "https://worker.example", EMAIL, true, 3600}, MR_DENIED},
        {"another account", {ISSUER, AUDIENCE, "x" EMAIL, true, 3600}, MR_DENIED},
        {"unverified account", {ISSUER, AUDIENCE, EMAIL, false, 3600}, MR_DENIED},
    };
    struct fixture *f = *state;
    serve_certificates(f);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &cases[i].claims);
        struct mr_err err = {0};
        enum mr_status status = mr_oidc_check(oidc, header, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
    }
    assert_int_equal(fake_http_count(f->fake), 1);
}

static void refuses_forgeries(void **state)
{
    struct fixture *f = *state;
    serve_certificates(f);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    MR_AUTO_JSON json_t *json = claims_json(&good);
    MR_AUTO_STR char *text = json_dumps(json, JSON_COMPACT);
    MR_AUTO_STR char *body = NULL, *hs_public = NULL, *hs_certificate = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_base64_encode(text, strlen(text), &body, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_hs256(f->key.public_pem, json, &hs_public, &err), MR_OK);
    assert_int_equal(mr_jwt_sign_hs256(f->key.certificate_pem, json, &hs_certificate, &err), MR_OK);
    MR_AUTO(mr_buf) struct mr_buf none = MR_BUF_INIT(4096); /* {"alg":"none"} */
    assert_int_equal(
        mr_buf_appendf(&none, &err, "Bearer eyJhbGciOiJub25lIn0.%.*s.", (int)strcspn(body, "="), body),
        MR_OK);
    MR_AUTO_STR char *with_public = bearer(hs_public);
    MR_AUTO_STR char *with_certificate = bearer(hs_certificate);
    MR_AUTO_STR char *with_other = authorization(f->other_key.private_pem, "k1", &good);
    MR_AUTO_STR char *with_broken = authorization(f->key.private_pem, "broken", &good);
    const char *const headers[] = {NULL,           "",        "Bearer",    "Bearer ",        "Basic abc",
                                   "Bearer a.b.c", none.data, with_public, with_certificate, with_other,
                                   with_broken};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (mr_oidc_check(oidc, headers[i], &err) != MR_UNAUTHENTICATED)
            fail_msg("%zu: %s", i, err.message);
}

static void fetches_once_for_unknown_keys(void **state)
{
    struct fixture *f = *state;
    MR_AUTO_JSON json_t *rotated =
        json_pack("{s:s,s:s}", "k1", f->key.certificate_pem, "k2", f->other_key.certificate_pem);
    MR_AUTO_STR char *rotated_text = json_dumps(rotated, 0);
    f->steps[0] = (struct fake_step){
        .status = 200, .headers = "Cache-Control: max-age=3600\r\n", .body = f->certificates};
    f->steps[1] =
        (struct fake_step){.status = 200, .headers = "Cache-Control: max-age=3600\r\n", .body = rotated_text};
    fake_http_script(f->fake, f->steps, 2, true);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    MR_AUTO_STR char *known = authorization(f->key.private_pem, "k1", &good);
    MR_AUTO_STR char *rolled = authorization(f->other_key.private_pem, "k2", &good);
    MR_AUTO_STR char *unknown = authorization(f->key.private_pem, "k3", &good);
    const struct {
        const char *header;
        enum mr_status expected;
        size_t fetches;
    } calls[] = {
        {known, MR_OK, 1},
        {rolled, MR_OK, 2},               /* the signer has rotated */
        {unknown, MR_UNAUTHENTICATED, 2}, /* not again within the minute */
        {unknown, MR_UNAUTHENTICATED, 2},
        {known, MR_OK, 2},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct mr_err err = {0};
        if (mr_oidc_check(oidc, calls[i].header, &err) != calls[i].expected)
            fail_msg("call %zu: %s", i, err.message);
        assert_int_equal(fake_http_count(f->fake), calls[i].fetches);
    }
}

static void fetches_again_after_max_age(void **state)
{
    struct fixture *f = *state;
    f->steps[0] =
        (struct fake_step){.status = 200, .headers = "Cache-Control: max-age=0\r\n", .body = f->certificates};
    fake_http_script(f->fake, f->steps, 1, true);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &good);
    struct mr_err err = {0};
    assert_int_equal(mr_oidc_check(oidc, header, &err), MR_OK);
    assert_int_equal(mr_oidc_check(oidc, header, &err), MR_OK);
    assert_int_equal(fake_http_count(f->fake), 2);
}

/* A token that was verified is known by all of its bytes. */
static void knows_a_verified_token(void **state)
{
    struct fixture *f = *state;
    serve_certificates(f);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &good);
    const size_t len = strlen(header), places[] = {len / 2, len - 100, len - 3};
    struct mr_err err = {0};
    for (int round = 0; round < 2; round++) {
        assert_int_equal(mr_oidc_check(oidc, header, &err), MR_OK);
        for (size_t n = 0; n < sizeof places / sizeof *places; n++) {
            const char kept = header[places[n]];
            header[places[n]] = kept == 'A' ? 'B' : 'A';
            assert_int_equal(mr_oidc_check(oidc, header, &err), MR_UNAUTHENTICATED);
            header[places[n]] = kept;
        }
    }
}

static void forgets_a_token_that_or_whose_key_has_expired(void **state)
{
    (void)state;
    static const struct {
        int expires_s, until_s; /* from now on */
        bool known;
    } table[] = {{60, 60, true}, {-1, 60, false}, {0, 60, false}, {60, -1, false}, {60, 0, false}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_oidc_verified verified;
        mr_oidc_verified_init(&verified);
        assert_false(mr_oidc_verified_has(&verified, "token"));
        mr_oidc_verified_note(&verified, "token", time(NULL) + table[i].expires_s,
                              mr_time_monotonic_us() + table[i].until_s * INT64_C(1000000));
        assert_int_equal(mr_oidc_verified_has(&verified, "token"), table[i].known);
        assert_false(mr_oidc_verified_has(&verified, "tokens"));
        for (int n = 0; n < MR_OIDC_VERIFIED_MAX; n++)
            mr_oidc_verified_note(&verified, "other", time(NULL) + 60, mr_time_monotonic_us() + 60000000);
        assert_false(mr_oidc_verified_has(&verified, "token"));
        mr_oidc_verified_destroy(&verified);
    }
}

static void is_transient_without_certificates(void **state)
{
    static const struct fake_step answers[] = {
        {.status = 503},
        {.status = 404},
        {.status = 200, .body = "<html>"},
        {.status = 200, .body = "{}"},
        {.end = FAKE_CLOSE},
    };
    struct fixture *f = *state;
    MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &good);
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        fake_http_script(f->fake, &answers[i], 1, true);
        MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
        struct mr_err err = {0};
        enum mr_status status = mr_oidc_check(oidc, header, &err);
        if (!mr_status_is_transient(status))
            fail_msg("answer %zu: %s: %s", i, mr_status_name(status), err.message);
        size_t fetches = fake_http_count(f->fake);
        assert_int_equal(mr_oidc_check(oidc, header, &err), status); /* at once: the same failure */
        assert_int_equal(fake_http_count(f->fake), fetches);
    }
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", fake_closed_port());
    struct mr_oidc_options options = {
        .mode = MR_OIDC_VERIFY, .certs_url = url, .audience = AUDIENCE, .email = EMAIL};
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_oidc_new(f->http, &options, &oidc, &err), MR_OK);
    assert_int_equal(mr_oidc_check(oidc, header, &err), MR_UNAVAILABLE);
}

static void recovers_after_a_failed_fetch(void **state)
{
    struct fixture *f = *state;
    f->steps[0] = (struct fake_step){.status = 404};
    f->steps[1] = (struct fake_step){.status = 200, .body = f->certificates};
    fake_http_script(f->fake, f->steps, 2, true);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &good);
    struct mr_err err = {0};
    assert_int_equal(mr_oidc_check(oidc, header, &err), MR_UNAVAILABLE);
    int64_t deadline = mr_time_monotonic_us() + 5000000;
    while (mr_oidc_check(oidc, header, &err) != MR_OK) {
        assert_true(mr_time_monotonic_us() < deadline);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    assert_int_equal(fake_http_count(f->fake), 2);
}

struct shared_check {
    struct mr_oidc *oidc;
    const char *header;
};
static void *check_good(void *ctx)
{
    const struct shared_check *shared = ctx;
    return mr_oidc_check(shared->oidc, shared->header, NULL) == MR_OK ? NULL : ctx;
}

static void fetches_once_for_many_threads(void **state)
{
    struct fixture *f = *state;
    serve_certificates(f);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_VERIFY);
    MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &good);
    struct shared_check shared = {oidc, header};
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, check_good, &shared), 0);
    for (size_t i = 0; i < 8; i++) {
        void *fault = NULL;
        pthread_join(threads[i], &fault);
        assert_null(fault);
    }
    assert_int_equal(fake_http_count(f->fake), 1);
}

static void compares_what_the_platform_verified(void **state)
{
    static const struct {
        struct claims claims;
        enum mr_status expected;
    } cases[] = {
        {{ISSUER, AUDIENCE, EMAIL, true, 3600}, MR_OK},
        {{ISSUER, "other", EMAIL, true, 3600}, MR_DENIED},
        {{ISSUER, AUDIENCE, "other@example.com", true, 3600}, MR_DENIED},
        {{ISSUER, AUDIENCE, EMAIL, true, -60}, MR_UNAUTHENTICATED},
    };
    struct fixture *f = *state;
    fake_http_script(f->fake, f->steps, 0, false);
    MR_AUTO(mr_oidc) struct mr_oidc *oidc = new_oidc(f, MR_OIDC_IAM);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_STR char *header = authorization(f->key.private_pem, "k1", &cases[i].claims);
        *strrchr(header, '.') = '\0';
        MR_AUTO(mr_buf) struct mr_buf stripped = MR_BUF_INIT(4096);
        assert_int_equal(mr_buf_appendf(&stripped, NULL, "%s.SIGNATURE_REMOVED_BY_GOOGLE", header), MR_OK);
        struct mr_err err = {0};
        assert_int_equal(mr_oidc_check(oidc, stripped.data, &err), cases[i].expected);
    }
    struct mr_err err = {0};
    assert_int_equal(mr_oidc_check(oidc, NULL, &err), MR_UNAUTHENTICATED);
    assert_int_equal(fake_http_count(f->fake), 0);
}

static void needs_its_options(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct mr_oidc_options options;
        enum mr_status expected;
    } cases[] = {
        {{.mode = MR_OIDC_NONE}, MR_OK},
        {{.mode = MR_OIDC_VERIFY, .certs_url = "x", .audience = "", .email = "e"}, MR_INVALID},
        {{.mode = MR_OIDC_VERIFY, .certs_url = "x", .audience = "a"}, MR_INVALID},
        {{.mode = MR_OIDC_VERIFY, .audience = "a", .email = "e"}, MR_INVALID},
        {{.mode = MR_OIDC_IAM, .audience = "a", .email = ""}, MR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO(mr_oidc) struct mr_oidc *oidc = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_oidc_new(f->http, &cases[i].options, &oidc, &err), cases[i].expected);
        if (oidc)
            assert_int_equal(mr_oidc_check(oidc, NULL, &err), MR_OK);
    }
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(judges_claims),
        WITH_SERVER(refuses_forgeries),
        WITH_SERVER(fetches_once_for_unknown_keys),
        WITH_SERVER(fetches_again_after_max_age),
        WITH_SERVER(knows_a_verified_token),
        cmocka_unit_test(forgets_a_token_that_or_whose_key_has_expired),
        WITH_SERVER(is_transient_without_certificates),
        WITH_SERVER(recovers_after_a_failed_fetch),
        WITH_SERVER(fetches_once_for_many_threads),
        WITH_SERVER(compares_what_the_platform_verified),
        WITH_SERVER(needs_its_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
