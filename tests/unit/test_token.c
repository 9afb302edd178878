/* shared/gcp/token against a scripted metadata server and token endpoint, and shared/gcp/api's use of it. */
#include "shared/base/clock.h"
#include "shared/base/jwt.h"
#include "shared/gcp/authorized_call.h"
#include "shared/gcp/token.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/fake_keys.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FLAVOR "Metadata-Flavor: Google\r\n"
#define TOKEN(text, seconds)                                                                                 \
    "{\"access_token\":\"" text "\",\"expires_in\":" seconds ",\"token_type\":\"Bearer\"}"

struct fixture {
    struct mr_http_client *http;
    struct fake_http *fake;
    struct mr_token_source *source;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct mr_err err;
    assert_int_equal(mr_http_client_new("mediarun-test/1", &f->http, &err), MR_OK);
    f->fake = fake_http_start();
    char host[64];
    snprintf(host, sizeof host, "127.0.0.1:%d", fake_http_port(f->fake));
    struct mr_token_options options = {.metadata_host = host};
    assert_int_equal(mr_token_source_new(f->http, &options, &f->source, &err), MR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    mr_token_source_free(f->source);
    mr_http_client_free(f->http);
    fake_http_stop(f->fake);
    free(f);
    return 0;
}

static void expect_header(struct mr_token_source *source, const char *expected)
{
    MR_AUTO(mr_buf) struct mr_buf header = MR_BUF_INIT(1024);
    struct mr_err err = {0};
    if (mr_token_header(source, &header, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_string_equal(mr_buf_str(&header), expected);
}

static enum mr_status header_status(struct mr_token_source *source, struct mr_err *err)
{
    MR_AUTO(mr_buf) struct mr_buf header = MR_BUF_INIT(1024);
    return mr_token_header(source, &header, err);
}

static void asks_the_metadata_server_once(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .headers = FLAVOR, .body = TOKEN("t1", "3599")}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    for (int i = 0; i < 3; i++)
        expect_header(f->source, "Authorization: Bearer t1");
    assert_int_equal(fake_http_count(f->fake), 1);
    assert_true(fake_http_has_line(f->fake, 0, "Metadata-Flavor: Google"));
    assert_ptr_equal(
        strstr(fake_http_head(f->fake, 0), "GET /computeMetadata/v1/instance/service-accounts/default/token"),
        fake_http_head(f->fake, 0));
}

static void repeats_and_refuses(void **state)
{
    static const struct {
        const char *name;
        struct fake_step steps[2];
        size_t count;
        enum mr_status expected;
    } cases[] = {
        {"503, then an answer",
         {{.status = 503, .body = "<html>"}, {.status = 200, .headers = FLAVOR, .body = TOKEN("t", "99")}},
         2,
         MR_OK},
        {"reset, then an answer",
         {{.end = FAKE_RESET}, {.status = 200, .headers = FLAVOR, .body = TOKEN("t", "\"99\"")}},
         2,
         MR_OK},
        {"without Metadata-Flavor", {{.status = 200, .body = TOKEN("t", "99")}}, 1, MR_UNAVAILABLE},
        {"wrong Metadata-Flavor",
         {{.status = 200, .headers = "Metadata-Flavor: Other\r\n", .body = TOKEN("t", "99")}},
         1,
         MR_UNAVAILABLE},
        {"not JSON", {{.status = 200, .headers = FLAVOR, .body = "hello"}}, 1, MR_UNAVAILABLE},
        {"no token", {{.status = 200, .headers = FLAVOR, .body = "{\"expires_in\":9}"}}, 1, MR_UNAVAILABLE},
        {"no lifetime",
         {{.status = 200, .headers = FLAVOR, .body = "{\"access_token\":\"t\"}"}},
         1,
         MR_UNAVAILABLE},
        {"no such account", {{.status = 404, .headers = FLAVOR, .body = "no"}}, 1, MR_UNAVAILABLE},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, cases[i].steps, cases[i].count, false);
        mr_token_invalidate(f->source);
        struct mr_err err = {0};
        enum mr_status status = header_status(f->source, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(fake_http_count(f->fake), cases[i].count);
    }
}

static void *want_header(void *ctx)
{
    struct fixture *f = ctx;
    MR_AUTO(mr_buf) struct mr_buf header = MR_BUF_INIT(1024);
    bool good = mr_token_header(f->source, &header, NULL) == MR_OK &&
                strcmp(mr_buf_str(&header), "Authorization: Bearer t1") == 0;
    return good ? NULL : ctx;
}

static void *want_failure(void *ctx)
{
    struct fixture *f = ctx;
    struct mr_err err = {0};
    return header_status(f->source, &err) == MR_UNAVAILABLE && err.message[0] ? NULL : ctx;
}

static void run_threads(struct fixture *f, void *(*body)(void *))
{
    pthread_t threads[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, f), 0);
    for (size_t i = 0; i < 8; i++) {
        void *fault = NULL;
        pthread_join(threads[i], &fault);
        assert_null(fault);
    }
}

static void fetches_once_for_many_threads(void **state)
{
    /* The 503 keeps the fetch under way while the other threads arrive. */
    static const struct fake_step steps[] = {{.status = 503},
                                             {.status = 200, .headers = FLAVOR, .body = TOKEN("t1", "3599")}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    run_threads(f, want_header);
    assert_int_equal(fake_http_count(f->fake), 2);
}

static void fails_for_all_who_wait(void **state)
{
    static const struct fake_step steps[] = {{.status = 404, .headers = FLAVOR}};
    struct fixture *f = *state;
    fake_http_script(f->fake, steps, 1, true);
    run_threads(f, want_failure);
    assert_true(fake_http_count(f->fake) <= 8);
}

static void fetches_again_when_expired(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .headers = FLAVOR, .body = TOKEN("t1", "1")},
                                             {.status = 200, .headers = FLAVOR, .body = TOKEN("t2", "3599")}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    expect_header(f->source, "Authorization: Bearer t1");
    /* In its last 225 s already, but asking again at once would only give the same token. */
    expect_header(f->source, "Authorization: Bearer t1");
    int64_t deadline = mr_time_monotonic_us() + 5000000;
    while (fake_http_count(f->fake) < 2 && mr_time_monotonic_us() < deadline) {
        struct mr_err err;
        assert_int_equal(header_status(f->source, &err), MR_OK);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    expect_header(f->source, "Authorization: Bearer t2");
}

static void learns_the_project(void **state)
{
    static const struct fake_step steps[] = {{.status = 200, .headers = FLAVOR, .body = "my-project\n"},
                                             {.status = 200, .headers = FLAVOR, .body = ""}};
    struct fixture *f = *state;
    FAKE_SCRIPT(f->fake, steps);
    MR_AUTO_STR char *project = NULL;
    char *none = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_token_project(f->source, &project, &err), MR_OK);
    assert_string_equal(project, "my-project");
    assert_true(fake_http_has_line(f->fake, 0, "GET /computeMetadata/v1/project/project-id HTTP/1.1"));
    assert_int_equal(mr_token_project(f->source, &none, &err), MR_UNAVAILABLE);
}

static void learns_its_account(void **state)
{
    static const struct fake_step steps[] = {{.status = 503},
                                             {.status = 200, .headers = FLAVOR, .body = "me@example.com\n"}};
    static const struct fake_step unknown[] = {{.status = 404, .headers = FLAVOR}};
    struct fixture *f = *state;
    MR_AUTO_STR char *email = NULL;
    struct mr_err err = {0};
    FAKE_SCRIPT(f->fake, steps);
    assert_int_equal(mr_token_email(f->source, &email, &err), MR_OK);
    assert_string_equal(email, "me@example.com");
    assert_true(fake_http_has_line(
        f->fake, 1, "GET /computeMetadata/v1/instance/service-accounts/default/email HTTP/1.1"));
    assert_null(mr_token_key(f->source));
    FAKE_SCRIPT(f->fake, unknown);
    char *none = NULL;
    assert_int_equal(mr_token_email(f->source, &none, &err), MR_NOT_FOUND);
    assert_null(none);
}

static void renews_a_refused_token_once(void **state)
{
    static const struct {
        struct fake_step steps[4];
        enum mr_status expected;
        size_t requests;
        const char *used;
    } cases[] = {
        {{{.status = 200, .headers = FLAVOR, .body = TOKEN("t1", "3599")},
          {.status = 401},
          {.status = 200, .headers = FLAVOR, .body = TOKEN("t2", "3599")},
          {.status = 200, .body = "{}"}},
         MR_OK,
         4,
         "Authorization: Bearer t2"},
        {{{.status = 200, .headers = FLAVOR, .body = TOKEN("t3", "3599")},
          {.status = 401},
          {.status = 200, .headers = FLAVOR, .body = TOKEN("t4", "3599")},
          {.status = 401, .body = "{\"error\":{\"message\":\"still no\"}}"}},
         MR_DENIED,
         4,
         "Authorization: Bearer t4"},
    };
    struct fixture *f = *state;
    struct mr_caller caller = {.http = f->http, .tokens = f->source};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mr_token_invalidate(f->source);
        fake_http_script(f->fake, cases[i].steps, 4, false);
        struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake)};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        assert_int_equal(mr_authorized_once(&caller, NULL, &req, &res, &err), cases[i].expected);
        assert_int_equal(fake_http_count(f->fake), cases[i].requests);
        assert_true(fake_http_has_line(f->fake, 3, cases[i].used));
    }
}

static void reads_error_bodies(void **state)
{
    static const struct {
        struct fake_step step;
        enum mr_status expected;
        const char *text;
    } cases[] = {
        {{.status = 404, .body = "{\"error\":{\"code\":404,\"message\":\"No such object\"}}"},
         MR_NOT_FOUND,
         "HTTP 404: No such object"},
        {{.status = 400, .body = "{\"error\":\"invalid_grant\",\"error_description\":\"Bad JWT\"}"},
         MR_INVALID,
         "HTTP 400: Bad JWT"},
        {{.status = 400, .body = "{\"error\":\"invalid_grant\"}"}, MR_INVALID, "HTTP 400: invalid_grant"},
        {{.status = 403, .body = "<html>Forbidden</html>"}, MR_DENIED, "HTTP 403"},
        {{.status = 412}, MR_CONFLICT, "HTTP 412"},
        {{.status = 400, .body = "{\"error\":{\"message\":7}}"}, MR_INVALID, "HTTP 400"},
    };
    struct fixture *f = *state;
    struct mr_caller caller = {.http = f->http};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(f->fake, &cases[i].step, 1, false);
        struct mr_http_request req = {.method = "GET", .url = fake_http_url(f->fake)};
        MR_AUTO(mr_http_response) struct mr_http_response res = {0};
        struct mr_err err = {0};
        assert_int_equal(mr_authorized_once(&caller, NULL, &req, &res, &err), cases[i].expected);
        assert_string_equal(err.message, cases[i].text);
        assert_null(strstr(fake_http_head(f->fake, 0), "Authorization"));
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static enum mr_status find_key(void *ctx, const char *key_id, char **ret, struct mr_err *err)
{
    if (strcmp(key_id, "key-7") != 0)
        return mr_fail(err, MR_NOT_FOUND, "unknown key");
    *ret = strdup(ctx);
    return MR_OK;
}

static void expect_assertion(const char *form, char *public_key)
{
    const char *mark = strstr(form, "&assertion=");
    assert_non_null(mark);
    assert_ptr_equal(strstr(form, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&"), form);
    MR_AUTO_JSON json_t *claims = NULL;
    struct mr_err err = {0};
    if (mr_jwt_verify_rs256(mark + 11, find_key, public_key, &claims, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_string_equal(json_string_value(json_object_get(claims, "iss")), "me@example.com");
    assert_string_equal(json_string_value(json_object_get(claims, "aud")),
                        "https://oauth2.googleapis.com/token");
    assert_non_null(strstr(json_string_value(json_object_get(claims, "scope")), "cloud-platform"));
    assert_int_equal(json_integer_value(json_object_get(claims, "exp")) -
                         json_integer_value(json_object_get(claims, "iat")),
                     3600);
}

static void exchanges_a_key_file(void **state)
{
    static const struct fake_step steps[] = {
        {.status = 400, .body = "{\"error\":\"temporarily_unavailable\"}"},
        {.status = 200, .body = TOKEN("from-key", "\"3599\"")}};
    static const struct fake_step refusal[] = {
        {.status = 400, .body = "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid JWT\"}"}};
    struct fixture *f = *state;
    struct fake_key key = fake_key_new();
    MR_AUTO_JSON json_t *json =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s}", "type", "service_account", "client_email", "me@example.com",
                  "private_key", key.private_pem, "private_key_id", "key-7", "token_uri",
                  fake_http_url(f->fake), "project_id", "key-project");
    MR_AUTO_STR char *text = json_dumps(json, 0);
    char path[] = "key-XXXXXX";
    close(mkstemp(path));
    write_file(path, text);
    struct mr_token_options options = {.credentials_file = path};
    MR_AUTO(mr_token_source) struct mr_token_source *source = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_token_source_new(f->http, &options, &source, &err), MR_OK);
    unlink(path);
    FAKE_SCRIPT(f->fake, steps);
    expect_header(source, "Authorization: Bearer from-key");
    assert_int_equal(fake_http_count(f->fake), 2);
    expect_assertion(fake_http_body(f->fake, 1, NULL), key.public_pem);
    MR_AUTO_STR char *project = NULL;
    assert_int_equal(mr_token_project(source, &project, &err), MR_OK);
    assert_string_equal(project, "key-project");
    MR_AUTO_STR char *email = NULL;
    assert_int_equal(mr_token_email(source, &email, &err), MR_OK);
    assert_string_equal(email, "me@example.com");
    assert_string_equal(mr_token_key(source)->client_email, "me@example.com");

    FAKE_SCRIPT(f->fake, refusal);
    mr_token_invalidate(source);
    assert_int_equal(header_status(source, &err), MR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "Invalid JWT"));
    assert_int_equal(fake_http_count(f->fake), 1);
    fake_key_free(&key);
}

static void refuses_bad_key_files(void **state)
{
    static const struct {
        const char *text;
        enum mr_status expected;
    } cases[] = {
        {"", MR_INVALID},
        {"not json", MR_INVALID},
        {"{}", MR_UNSUPPORTED},
        {"{\"type\":\"authorized_user\"}", MR_UNSUPPORTED},
        {"{\"type\":\"service_account\",\"client_email\":\"a@b\"}", MR_INVALID},
    };
    struct fixture *f = *state;
    char path[] = "key-XXXXXX";
    close(mkstemp(path));
    struct mr_token_options options = {.credentials_file = path};
    struct mr_token_source *source = NULL;
    struct mr_err err = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(path, cases[i].text);
        assert_int_equal(mr_token_source_new(f->http, &options, &source, &err), cases[i].expected);
    }
    unlink(path);
    assert_int_equal(mr_token_source_new(f->http, &options, &source, &err), MR_INVALID);
    assert_null(source);
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(asks_the_metadata_server_once),
        WITH_SERVER(repeats_and_refuses),
        WITH_SERVER(fetches_once_for_many_threads),
        WITH_SERVER(fails_for_all_who_wait),
        WITH_SERVER(fetches_again_when_expired),
        WITH_SERVER(learns_the_project),
        WITH_SERVER(learns_its_account),
        WITH_SERVER(renews_a_refused_token_once),
        WITH_SERVER(reads_error_bodies),
        WITH_SERVER(exchanges_a_key_file),
        WITH_SERVER(refuses_bad_key_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
