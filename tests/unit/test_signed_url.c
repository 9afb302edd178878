/*
 * V4 signed URLs: Google's conformance vectors (googleapis/conformance-tests, storage/v1/v4_signatures.json)
 * for what is signed, an RSA key of our own for the signature, and signBlob by a script.
 */
#include "shared/base/json.h"
#include "shared/gcp/signed_url.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/fake_keys.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EMAIL  "test-iam-credentials@dummy-project-id.iam.gserviceaccount.com"
#define GOOGLE "https://storage.googleapis.com"
#define FEB    INT64_C(1549011600000000) /* 2019-02-01T09:00:00Z */
#define MARCH  INT64_C(1551430800000000) /* 2019-03-01T09:00:00Z */
#define QUERY                                                                                                \
    "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=test-iam-credentials%40dummy-project-id.iam."       \
    "gserviceaccount.com%2F"
#define OBJECT "test-object"
#define SIGNED(seconds)                                                                                      \
    "%2Fauto%2Fstorage%2Fgoog4_request&X-Goog-Date=20190201T090000Z&X-Goog-Expires=" seconds
#define HOST_ONLY          "&X-Goog-SignedHeaders=host"
#define TO_SIGN(day, hash) "GOOG4-RSA-SHA256\n" day "T090000Z\n" day "/auto/storage/goog4_request\n" hash

static void conformance(void **state)
{
    (void)state;
    static const char *const encoding[] = {"aA0é/=%-_.~", "~ ._-%=/é0Aa", NULL};
    static const char *const ordering[] = {"prefix", "/foo", "X-Goog-Meta-Foo", "bar", NULL};
    static const struct {
        const char *name;
        struct mr_signed_url wanted;
        int64_t now_us;
        const char *url; /* after its base, and without the signature; NULL: the string to sign suffices */
        const char *to_sign;
    } cases[] = {
        {"Simple GET",
         {"GET", GOOGLE, "test-bucket", OBJECT, 10, NULL},
         FEB,
         "/test-bucket/test-object?" QUERY "20190201" SIGNED("10") HOST_ONLY,
         TO_SIGN("20190201", "00e2fb794ea93d7adb703edaebdd509821fcc7d4f1a79ac5c8d2b394df109320")},
        {"Simple PUT",
         {"PUT", GOOGLE, "test-bucket", OBJECT, 10, NULL},
         FEB,
         NULL,
         TO_SIGN("20190201", "78742860705da91404222d5d66ff89850292471199c3c2808d116ad12e6177b4")},
        {"Vary expiration and timestamp",
         {"GET", GOOGLE, "test-bucket", OBJECT, 20, NULL},
         MARCH,
         NULL,
         TO_SIGN("20190301", "779f19fdb6fd381390e2d5af04947cf21750277ee3c20e0c97b7e46a1dff8907")},
        {"Vary bucket and object",
         {"GET", GOOGLE, "test-bucket2", "test-object2", 10, NULL},
         FEB,
         NULL,
         TO_SIGN("20190201", "a139afbf35ac30e9864f63197f79609731ab1b0ca166e2a456dba156fcd3f9ce")},
        {"Forward Slashes should not be stripped",
         {"GET", GOOGLE, "test-bucket", "/path/with/slashes/under_score/amper&sand/file.ext", 10, NULL},
         FEB,
         "/test-bucket//path/with/slashes/under_score/amper%26sand/file.ext?" QUERY "20190201" SIGNED("10")
             HOST_ONLY,
         TO_SIGN("20190201", "63c601ecd6ccfec84f1113fc906609cbdf7651395f4300cecd96ddd2c35164f8")},
        {"Query Parameter Encoding",
         {"GET", GOOGLE, "test-bucket", OBJECT, 10, encoding},
         FEB,
         "/test-bucket/test-object?" QUERY "20190201" SIGNED("10") HOST_ONLY
         "&aA0%C3%A9%2F%3D%25-_.~=~%20._-%25%3D%2F%C3%A90Aa",
         TO_SIGN("20190201", "448f96c23dafa8210900554e138b2b5fd55bc53ef53b8637cecc3edec45a8fcf")},
        {"Query Parameter Ordering",
         {"GET", GOOGLE, "test-bucket", OBJECT, 10, ordering},
         FEB,
         "/test-bucket/test-object?" QUERY "20190201" SIGNED("10") "&X-Goog-Meta-Foo=bar" HOST_ONLY
                                                                   "&prefix=%2Ffoo",
         TO_SIGN("20190201", "4dafe74ad142f32b7c25fc4e6b38fd3b8a6339d7f112247573fb0066f637db6c")},
        /* The vector's own string to sign contradicts its signature; this one is SHA-256 over
           "host:localhost". */
        {"Simple GET with non-default hostname: the port is not signed",
         {"GET", "http://localhost:8080", "test-bucket", OBJECT, 10, NULL},
         FEB,
         NULL,
         TO_SIGN("20190201", "e47446edb8eed4c1797dfd31ce30272be89659a6ef38e91b549740c8f875d27b")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_SIGNED_URL_MAX);
        MR_AUTO(mr_buf) struct mr_buf to_sign = MR_BUF_INIT(1024);
        struct mr_err err = {0};
        const struct mr_signed_url *wanted = &cases[i].wanted;
        if (mr_signed_url_prepare(wanted, EMAIL, cases[i].now_us, &url, &to_sign, &err) != MR_OK)
            fail_msg("%s: %s", cases[i].name, err.message);
        assert_string_equal(mr_buf_str(&to_sign), cases[i].to_sign);
        assert_int_equal(strncmp(mr_buf_str(&url), wanted->base_url, strlen(wanted->base_url)), 0);
        if (cases[i].url)
            assert_string_equal(mr_buf_str(&url) + strlen(wanted->base_url), cases[i].url);
    }
}

static void refuses(void **state)
{
    (void)state;
    static const char *const many[] = {"a", "", "b", "", "c", "", "d", "", "e", "",
                                       "f", "", "g", "", "h", "", "i", "", NULL};
    static const char *const empty[] = {"a", "", NULL};
    static const struct {
        struct mr_signed_url wanted;
        enum mr_status expected;
    } cases[] = {
        {{"GET", GOOGLE, "b", "o", 1, empty}, MR_OK},
        {{"GET", GOOGLE, "b", "o", 604800, NULL}, MR_OK},
        {{"GET", GOOGLE, "b", "o", 0, NULL}, MR_INVALID},
        {{"GET", GOOGLE, "b", "o", 604801, NULL}, MR_INVALID},
        {{"GET", "storage.googleapis.com", "b", "o", 1, NULL}, MR_INVALID},
        {{"GET", GOOGLE "/prefix", "b", "o", 1, NULL}, MR_INVALID},
        {{"GET", "https://", "b", "o", 1, NULL}, MR_INVALID},
        {{"GET", GOOGLE, "b", "o", 1, many}, MR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_SIGNED_URL_MAX);
        MR_AUTO(mr_buf) struct mr_buf to_sign = MR_BUF_INIT(1024);
        struct mr_err err = {0};
        assert_int_equal(mr_signed_url_prepare(&cases[i].wanted, EMAIL, FEB, &url, &to_sign, &err),
                         cases[i].expected);
    }
}

struct fixture {
    struct mr_http_client *http;
    struct fake_http *fake;
    struct fake_key key;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mr_err err;
    assert_int_equal(mr_http_client_new("mediarun-test/1", &f->http, &err), MR_OK);
    f->fake = fake_http_start();
    f->key = fake_key_new();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mr_http_client_free(f->http);
    fake_http_stop(f->fake);
    fake_key_free(&f->key);
    free(f);
    return 0;
}

/* A signer with a key file, or (path NULL) with the fake as metadata server and signBlob. */
struct signing {
    struct mr_token_source *tokens;
    struct mr_signer *signer;
};

static struct signing open_signing(const struct fixture *f, const char *key_file)
{
    struct signing signing = {0};
    struct mr_err err = {0};
    struct mr_token_options tokens = {.credentials_file = key_file,
                                      .metadata_host = fake_http_url(f->fake) + strlen("http://")};
    assert_int_equal(mr_token_source_new(f->http, &tokens, &signing.tokens, &err), MR_OK);
    char url[100];
    snprintf(url, sizeof url, "%s//", fake_http_url(f->fake)); /* slashes at its end do no harm */
    struct mr_signer_options options = {.tokens = signing.tokens, .iam_url = url};
    assert_int_equal(mr_signer_new(f->http, &options, &signing.signer, &err), MR_OK);
    return signing;
}

static void signing_free(struct signing *signing)
{
    mr_signer_free(signing->signer);
    mr_token_source_free(signing->tokens);
}
MR_DEFINE_VALUE_CLEANUP(signing, signing_free)

static void write_key_file(const struct fixture *f, const char *path, const char *pem)
{
    MR_AUTO_JSON json_t *json =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "type", "service_account", "client_email", "me@example.com",
                  "private_key", pem ? pem : f->key.private_pem, "private_key_id", "k1", "token_uri",
                  "http://127.0.0.1:1", "project_id", "p");
    assert_int_equal(json_dump_file(json, path, 0), 0);
}

static bool verifies(const char *public_pem, const char *text, const unsigned char *signature, size_t len)
{
    BIO *bio = BIO_new_mem_buf(public_pem, -1);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(digest, NULL, EVP_sha256(), NULL, key), 1);
    bool good = EVP_DigestVerify(digest, signature, len, (const unsigned char *)text, strlen(text)) == 1;
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return good;
}

static void a_key_file_signs(void **state)
{
    struct fixture *f = *state;
    struct mr_err err = {0};
    write_key_file(f, "key.json", NULL);
    MR_AUTO(signing) struct signing signing = open_signing(f, "key.json");
    unsigned char *signature = NULL;
    size_t len = 0;
    const char *email = NULL;
    assert_int_equal(mr_signer_email(signing.signer, &email, &err), MR_OK);
    assert_string_equal(email, "me@example.com");
    assert_int_equal(mr_signer_sign(signing.signer, "text", 4, &signature, &len, &err), MR_OK);
    assert_int_equal(len, 256);
    assert_true(verifies(f->key.public_pem, "text", signature, len));
    free(signature);
    assert_int_equal(fake_http_count(f->fake), 0);
}

static void a_url_carries_its_signature(void **state)
{
    struct fixture *f = *state;
    struct mr_err err = {0};
    write_key_file(f, "key.json", NULL);
    MR_AUTO(signing) struct signing signing = open_signing(f, "key.json");
    MR_AUTO(mr_buf) struct mr_buf url = MR_BUF_INIT(MR_SIGNED_URL_MAX);
    struct mr_signed_url wanted = {"GET", GOOGLE, "b", "o", 900, NULL};
    assert_int_equal(mr_signed_url_make(signing.signer, &wanted, &url, &err), MR_OK);
    const char *signature = strstr(mr_buf_str(&url), "&X-Goog-Signature=");
    assert_non_null(signature);
    signature += strlen("&X-Goog-Signature=");
    assert_int_equal(strlen(signature), 512);
    assert_int_equal(strspn(signature, "0123456789abcdef"), 512);
}

static void a_bad_key_is_our_fault(void **state)
{
    struct fixture *f = *state;
    struct mr_err err = {0};
    write_key_file(f, "bad.json", "no key at all");
    MR_AUTO(signing) struct signing signing = open_signing(f, "bad.json");
    unsigned char *signature = NULL;
    size_t len = 0;
    assert_int_equal(mr_signer_sign(signing.signer, "text", 4, &signature, &len, &err), MR_INTERNAL);
    assert_null(strstr(err.message, "no key at all"));
}

#define FLAVOR "Metadata-Flavor: Google\r\n"
#define ACCOUNT                                                                                              \
    {                                                                                                        \
        .status = 200, .headers = FLAVOR, .body = "me@example.com\n"                                         \
    }
#define TOKEN                                                                                                \
    {                                                                                                        \
        .status = 200, .headers = FLAVOR, .body = "{\"access_token\":\"T\",\"expires_in\":3600}"             \
    }
#define BLOB                                                                                                 \
    {                                                                                                        \
        .status = 200, .body = "{\"keyId\":\"k\",\"signedBlob\":\"AAEC\"}"                                   \
    }

static void sign_blob_signs(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct fake_step steps[5];
        size_t requests;
        enum mr_status expected;
    } cases[] = {
        {{ACCOUNT, TOKEN, BLOB}, 3, MR_OK},
        {{ACCOUNT, TOKEN, {.status = 503}, {.status = 429}, BLOB}, 5, MR_OK},
        {{ACCOUNT, TOKEN, {.status = 403, .body = "{\"error\":{\"message\":\"no role\"}}"}},
         3,
         MR_UNAVAILABLE},
        {{ACCOUNT, TOKEN, {.status = 200, .body = "{}"}}, 3, MR_UNAVAILABLE},
        {{ACCOUNT, TOKEN, {.status = 200, .body = "{\"signedBlob\":\"!\"}"}}, 3, MR_UNAVAILABLE},
        {{{.status = 404, .headers = FLAVOR}}, 1, MR_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        unsigned char *signature = NULL;
        size_t len = 0;
        MR_AUTO(signing) struct signing signing = open_signing(f, NULL);
        fake_http_script(f->fake, cases[i].steps, cases[i].requests, false);
        assert_int_equal(mr_signer_sign(signing.signer, "text", 4, &signature, &len, &err),
                         cases[i].expected);
        assert_int_equal(fake_http_count(f->fake), cases[i].requests);
        if (cases[i].expected != MR_OK)
            continue;
        assert_int_equal(len, 3);
        assert_memory_equal(signature, "\0\1\2", 3);
        free(signature);
        size_t last = cases[i].requests - 1, body_len;
        assert_true(fake_http_has_line(
            f->fake, last, "POST /v1/projects/-/serviceAccounts/me%40example.com:signBlob HTTP/1.1"));
        assert_true(fake_http_has_line(f->fake, last, "Authorization: Bearer T"));
        assert_string_equal(fake_http_body(f->fake, last, &body_len), "{\"payload\":\"dGV4dA==\"}");
    }
}

static void the_account_is_asked_for_once(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {ACCOUNT, TOKEN, BLOB, BLOB};
    FAKE_SCRIPT(f->fake, steps);
    MR_AUTO(signing) struct signing signing = open_signing(f, NULL);
    for (int i = 0; i < 2; i++) {
        struct mr_err err = {0};
        unsigned char *signature = NULL;
        size_t len = 0;
        assert_int_equal(mr_signer_sign(signing.signer, "text", 4, &signature, &len, &err), MR_OK);
        free(signature);
    }
    assert_int_equal(fake_http_count(f->fake), 4);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conformance),
        cmocka_unit_test(refuses),
        WITH_SERVER(a_key_file_signs),
        WITH_SERVER(a_url_carries_its_signature),
        WITH_SERVER(a_bad_key_is_our_fault),
        WITH_SERVER(sign_blob_signs),
        WITH_SERVER(the_account_is_asked_for_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
