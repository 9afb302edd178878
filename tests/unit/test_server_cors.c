/* shared/http/server_cors: which pages of other origins may read which answers. */
#include "tests/unit/served_app.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define PAGE    "https://app.example.com"
#define ORIGIN  "Origin: " PAGE "\r\n"
#define FOREIGN "Origin: https://app.example.com.evil.example\r\n"
#define ASKS    "Access-Control-Request-Method: PUT\r\nAccess-Control-Request-Headers: authorization,x-a\r\n"

static int set_up(void **state)
{
    return served_start(state, (struct mr_server_options){
                                   .threads = 4,
                                   .client_timeout_ms = TIMEOUT_MS,
                                   .cors = {"https://other.example, " PAGE, "Location, ETag"},
                               });
}

static int set_up_all(void **state)
{
    return served_start(state, (struct mr_server_options){
                                   .threads = 4, .client_timeout_ms = TIMEOUT_MS, .cors = {"*", "ETag"}});
}

static bool mentions_cors(const struct answer *answer)
{
    return strstr(answer->text, "Access-Control-") != NULL;
}

static void test_answers(void **state)
{
    static const struct {
        const char *request;
        int status;
    } requests[] = {
        {"GET /items/7 HTTP/1.1\r\n" HOST ORIGIN "\r\n", 200},
        {"GET /chunks HTTP/1.1\r\n" HOST ORIGIN "\r\n", 200},
        {"HEAD /items/7 HTTP/1.1\r\n" HOST ORIGIN "\r\n", 200},
        {"GET /none HTTP/1.1\r\n" HOST ORIGIN "\r\n", 404},
        {"DELETE /items/7 HTTP/1.1\r\n" HOST ORIGIN "\r\n", 405},
        {"GET /items/%zz HTTP/1.1\r\n" HOST ORIGIN "\r\n", 400},
        {"GET /header?name=X%20A&value=b HTTP/1.1\r\n" HOST ORIGIN "\r\n", 400}, /* its headers are dropped */
        {"POST /small HTTP/1.1\r\n" HOST ORIGIN "Content-Length: 11\r\n\r\n0123456789a", 413},
        {"POST /ignore HTTP/1.1\r\n" HOST ORIGIN "Content-Length: 3\r\n\r\nabc", 204},
        {"POST /echo HTTP/1.1\r\n" HOST ORIGIN "Expect: x\r\n\r\n", 417}, /* refused before any handler */
        {"OPTIONS /items/7 HTTP/1.1\r\n" HOST ORIGIN "\r\n", 405},        /* no preflight */
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        MR_AUTO(answer) struct answer answer = exchange(*state, requests[i].request);
        assert_int_equal(answer.status, requests[i].status);
        assert_true(has_line(&answer, "Access-Control-Allow-Origin: " PAGE));
        assert_true(has_line(&answer, "Access-Control-Expose-Headers: Location, ETag"));
        assert_true(has_line(&answer, "Vary: Origin"));
        assert_null(strstr(answer.text, "Access-Control-Allow-Credentials"));
    }
}

static void test_preflight_of_any_path(void **state)
{
    static const char *const paths[] = {"/items/7", "/small", "/none", "/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char request[400];
        snprintf(request, sizeof request, "OPTIONS %s HTTP/1.1\r\n" HOST ORIGIN ASKS "\r\n", paths[i]);
        MR_AUTO(answer) struct answer answer = exchange(*state, request);
        assert_int_equal(answer.status, 204);
        assert_true(has_line(&answer, "Access-Control-Allow-Origin: " PAGE));
        assert_true(has_line(&answer, "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE"));
        assert_true(has_line(&answer, "Access-Control-Allow-Headers: authorization,x-a"));
        assert_true(has_line(&answer, "Connection: keep-alive"));
    }
}

static void test_other_origins_get_nothing(void **state)
{
    static const char *const requests[] = {
        "GET /items/7 HTTP/1.1\r\n" HOST "\r\n",
        "GET /items/7 HTTP/1.1\r\n" HOST FOREIGN "\r\n",
        "GET /items/7 HTTP/1.1\r\n" HOST "Origin: null\r\n\r\n",
        "GET /items/7 HTTP/1.1\r\n" HOST "Origin: http://app.example.com\r\n\r\n",
        "GET /items/7 HTTP/1.1\r\n" HOST "Origin: \r\n\r\n",
        "OPTIONS /items/7 HTTP/1.1\r\n" HOST FOREIGN ASKS "\r\n",
        "OPTIONS /none HTTP/1.1\r\n" HOST FOREIGN ASKS "\r\n",
    };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        MR_AUTO(answer) struct answer answer = exchange(*state, requests[i]);
        assert_false(mentions_cors(&answer));
        assert_true(has_line(&answer, "Vary: Origin"));
        assert_int_equal(answer.status, i < 5 ? 200 : i == 5 ? 405 : 404);
    }
}

static void test_all_origins(void **state)
{
    MR_AUTO(answer)
    struct answer answer = exchange(*state, "GET /items/7 HTTP/1.1\r\n" HOST FOREIGN "\r\n");
    assert_true(has_line(&answer, "Access-Control-Allow-Origin: *"));
    assert_null(strstr(answer.text, "Vary"));
    MR_AUTO(answer)
    struct answer own = exchange(
        *state, "GET /header?name=Access-Control-Allow-Origin&value=b HTTP/1.1\r\n" HOST FOREIGN "\r\n");
    assert_true(has_line(&own, "Access-Control-Allow-Origin: b"));
    assert_false(has_line(&own, "Access-Control-Allow-Origin: *"));
}

static void test_none_unless_configured(void **state)
{
    MR_AUTO(answer)
    struct answer answer = exchange(*state, "OPTIONS /items/7 HTTP/1.1\r\n" HOST ORIGIN ASKS "\r\n");
    assert_int_equal(answer.status, 405);
    assert_false(mentions_cors(&answer));
    assert_null(strstr(answer.text, "Vary"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_answers, set_up, served_tear_down),
        cmocka_unit_test_setup_teardown(test_preflight_of_any_path, set_up, served_tear_down),
        cmocka_unit_test_setup_teardown(test_other_origins_get_nothing, set_up, served_tear_down),
        cmocka_unit_test_setup_teardown(test_all_origins, set_up_all, served_tear_down),
        cmocka_unit_test_setup_teardown(test_none_unless_configured, served_set_up, served_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
