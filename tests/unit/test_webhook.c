/* Webhooks: the signature against the published vector, what is sent, and how answers are judged. */
#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "tests/unit/fake_http.h"
#include "worker/webhook.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char secret[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
static const char public_id[] = "5f1f7c0e-8a52-4d0d-9c55-0f4f0a1d2b3c";

static struct mr_http_client *http;
static struct fake_http *fake;
static struct mr_guard *guard, *strict;

static int setup(void **state)
{
    (void)state;
    struct mr_err err = {0};
    char allowed[200];
    fake = fake_http_start();
    snprintf(allowed, sizeof allowed, "127.0.0.1:%d", fake_http_port(fake));
    return mr_http_client_new("test", &http, &err) == MR_OK && mr_guard_new(allowed, &guard, &err) == MR_OK &&
                   mr_guard_new("", &strict, &err) == MR_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    mr_guard_free(guard);
    mr_guard_free(strict);
    mr_http_client_free(http);
    fake_http_stop(fake);
    return 0;
}

static struct mr_webhook webhook_to(const char *url)
{
    return (struct mr_webhook){.url = url,
                               .id = public_id,
                               .secret = secret,
                               .event = "task.processed",
                               .body = "{\"id\":1}",
                               .timeout_ms = 5000,
                               .guard = guard};
}

static enum mr_delivery_end send_to_fake(const struct fake_step *step, int *status, struct mr_err *reason)
{
    char url[200];
    snprintf(url, sizeof url, "%s/hook?key=s3cret", fake_http_url(fake));
    struct mr_webhook webhook = webhook_to(url);
    fake_http_script(fake, step, 1, false);
    return mr_webhook_send(http, &webhook, status, reason);
}

/* The vector that the reference libraries of Standard Webhooks test with: the secret is the base64 of
 * whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw. */
static void the_published_vector_is_met(void **state)
{
    (void)state;
    MR_AUTO_STR char *signature = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_webhook_sign("31f290f6bf06298aab4f08d43c3f082cf648a362da2da4b0",
                                     "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, "{\"test\": 2432232314}",
                                     &signature, &err),
                     MR_OK);
    assert_string_equal(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

static void a_secret_that_is_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const table[] = {"xyz", "0", "00 11"};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char *signature = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_webhook_sign(table[i], "id", 1, "{}", &signature, &err), MR_INTERNAL);
        assert_null(signature);
    }
}

/* The value of a recorded header; fails the test without it. */
static void header(const char *name, char *out, size_t size)
{
    char start[100];
    snprintf(start, sizeof start, "\r\n%s: ", name);
    const char *found = strcasestr(fake_http_head(fake, 0), start);
    if (!found)
        fail_msg("no %s in %s", name, fake_http_head(fake, 0));
    found += strlen(start);
    snprintf(out, size, "%.*s", (int)strcspn(found, "\r"), found);
}

static void the_receiver_can_check_what_it_gets(void **state)
{
    (void)state;
    static const struct fake_step ok = {.status = 200, .body = "thanks"};
    struct mr_err err = {0};
    int status = 0;
    char value[200];
    int64_t at = 0, now = mr_time_now_us() / 1000000;
    assert_int_equal(send_to_fake(&ok, &status, &err), MR_DELIVERY_SENT);
    assert_int_equal(status, 200);
    assert_int_equal(err.status, MR_OK);
    assert_true(fake_http_has_line(fake, 0, "POST /hook?key=s3cret HTTP/1.1"));
    assert_true(fake_http_has_line(fake, 0, "Content-Type: application/json"));
    assert_true(fake_http_has_line(fake, 0, "X-Mediarun-Event: task.processed"));
    header("webhook-id", value, sizeof value);
    assert_string_equal(value, public_id);
    header("webhook-timestamp", value, sizeof value);
    assert_true(mr_parse_int64(value, now - 1, now + 30, &at));
    MR_AUTO_STR char *expected = NULL;
    assert_int_equal(mr_webhook_sign(secret, public_id, at, fake_http_body(fake, 0, NULL), &expected, &err),
                     MR_OK);
    header("webhook-signature", value, sizeof value);
    assert_string_equal(value, expected);
    assert_string_equal(fake_http_body(fake, 0, NULL), "{\"id\":1}");
}

static void answers_are_judged(void **state)
{
    (void)state;
    char endless[100 << 10];
    memset(endless, 'x', sizeof endless);
    const struct {
        struct fake_step step;
        enum mr_delivery_end end;
        int status;
    } table[] = {
        {{.status = 200}, MR_DELIVERY_SENT, 200},
        {{.status = 204}, MR_DELIVERY_SENT, 204},
        {{.status = 202, .body = endless, .body_len = sizeof endless}, MR_DELIVERY_SENT, 202},
        {{.status = 200, .body = "x", .announced = 9, .end = FAKE_CLOSE}, MR_DELIVERY_SENT, 200},
        {{.status = 200, .body = "x", .announced = 9, .end = FAKE_RESET}, MR_DELIVERY_SENT, 200},
        {{.status = 302, .headers = "Location: http://169.254.169.254/\r\n"}, MR_DELIVERY_RETRY, 302},
        {{.status = 400}, MR_DELIVERY_RETRY, 400},
        {{.status = 401}, MR_DELIVERY_RETRY, 401},
        {{.status = 404}, MR_DELIVERY_RETRY, 404},
        {{.status = 410}, MR_DELIVERY_FAILED, 410},
        {{.status = 429}, MR_DELIVERY_RETRY, 429},
        {{.status = 500, .body = endless, .body_len = sizeof endless}, MR_DELIVERY_RETRY, 500},
        {{.status = 503}, MR_DELIVERY_RETRY, 503},
        {{.status = 0, .end = FAKE_CLOSE}, MR_DELIVERY_RETRY, 0},
        {{.status = 0, .end = FAKE_RESET}, MR_DELIVERY_RETRY, 0},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_err reason = {0};
        int status = -1;
        enum mr_delivery_end end = send_to_fake(&table[i].step, &status, &reason);
        if (end != table[i].end || status != table[i].status)
            fail_msg("case %zu: end %d, status %d: %s", i, end, status, reason.message);
        assert_int_equal(fake_http_count(fake), 1);
        assert_true((reason.message[0] != '\0') == (end != MR_DELIVERY_SENT));
        assert_null(strstr(reason.message, "s3cret"));
    }
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void a_receiver_that_is_silent_costs_the_timeout(void **state)
{
    (void)state;
    static const struct fake_step silent = {.status = 0};
    char url[200];
    snprintf(url, sizeof url, "%s/hook?key=s3cret", fake_http_url(fake));
    struct mr_webhook webhook = webhook_to(url);
    struct mr_err reason = {0};
    int status = -1;
    webhook.timeout_ms = 200;
    fake_http_script(fake, &silent, 1, false);
    int64_t began = mr_time_monotonic_us();
    assert_int_equal(mr_webhook_send(http, &webhook, &status, &reason), MR_DELIVERY_RETRY);
    assert_in_range((mr_time_monotonic_us() - began) / 1000, 150, 3000);
    assert_int_equal(reason.status, MR_TIMEOUT);
    assert_null(strstr(reason.message, "s3cret"));
    webhook.timeout_ms = 60000;
    webhook.canceled = at_once;
    fake_http_script(fake, &silent, 1, false);
    assert_int_equal(mr_webhook_send(http, &webhook, &status, &reason), MR_DELIVERY_RETRY);
    assert_int_equal(reason.status, MR_CANCELED);
}

static void urls_that_are_refused_stay_so(void **state)
{
    (void)state;
    char open[200], closed[200];
    snprintf(open, sizeof open, "%s/hook", fake_http_url(fake));
    snprintf(closed, sizeof closed, "http://127.0.0.1:%d/", fake_closed_port());
    const struct {
        const char *url;
        const struct mr_guard *guard;
        enum mr_delivery_end end;
        const char *code;
    } table[] = {
        {open, strict, MR_DELIVERY_FAILED, "url_scheme"},
        {closed, guard, MR_DELIVERY_FAILED, "url_scheme"},
        {"https://127.0.0.1/", strict, MR_DELIVERY_FAILED, "address_refused"},
        {"https://[::1]/", guard, MR_DELIVERY_FAILED, "address_refused"},
        {"https://localhost/", strict, MR_DELIVERY_FAILED, "address_refused"},
        {"https://user:pass@example.com/", guard, MR_DELIVERY_FAILED, "url_credentials"},
        {"ftp://example.com/", guard, MR_DELIVERY_FAILED, "url_scheme"},
        {"nonsense", guard, MR_DELIVERY_FAILED, NULL},
        {"https://no-such-host.invalid/", guard, MR_DELIVERY_RETRY, NULL},
    };
    fake_http_script(fake, NULL, 0, false);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_webhook webhook = webhook_to(table[i].url);
        struct mr_err reason = {0};
        int status = -1;
        webhook.guard = table[i].guard;
        enum mr_delivery_end end = mr_webhook_send(http, &webhook, &status, &reason);
        if (end != table[i].end || (table[i].code && strcmp(mr_code_name(reason.code), table[i].code) != 0))
            fail_msg("%s: end %d, %s: %s", table[i].url, end, mr_code_name(reason.code), reason.message);
        assert_int_equal(status, 0);
    }
    assert_int_equal(fake_http_count(fake), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector_is_met),
        cmocka_unit_test(a_secret_that_is_no_key_is_refused),
        cmocka_unit_test(the_receiver_can_check_what_it_gets),
        cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(a_receiver_that_is_silent_costs_the_timeout),
        cmocka_unit_test(urls_that_are_refused_stay_so),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
