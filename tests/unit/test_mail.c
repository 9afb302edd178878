/* Mails: the dialogue with a scripted relay, what a refusal means, and that no name breaks out of its place.
 */
#include "shared/base/clock.h"
#include "shared/http/client.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/fake_smtp.h"
#include "worker/mail.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_http_client *http;
static struct fake_smtp *starttls, *implicit;

static int setup(void **state)
{
    (void)state;
    struct mr_err err = {0};
    signal(SIGPIPE, SIG_IGN); /* as mr_process_prepare does */
    starttls = fake_smtp_start(false);
    implicit = fake_smtp_start(true);
    return mr_http_client_new("test", &http, &err) == MR_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fake_smtp_stop(starttls);
    fake_smtp_stop(implicit);
    mr_http_client_free(http);
    return 0;
}

static struct mr_mail_relay relay_at(const struct fake_smtp *fake)
{
    return (struct mr_mail_relay){.url = fake_smtp_url(fake),
                                  .user = "apikey",
                                  .password = "pass word",
                                  .ca_file = fake_smtp_ca_file(fake),
                                  .timeout_ms = 5000};
}

static const struct mr_mail mail = {.from = "mediarun@example.com",
                                    .to = "ana+x@example.org",
                                    .subject = "Your file is ready",
                                    .message_id = "5f1f7c0e",
                                    .text = "Hello Añá,\r\n\r\n.a line with a dot\r\nend=\r\n"};

static void assert_has(const char *said, const char *part)
{
    if (!strstr(said, part))
        fail_msg("no \"%s\" in:\n%s", part, said);
}

static void a_mail_is_handed_over(void **state)
{
    (void)state;
    struct fake_smtp *const fakes[] = {starttls, implicit};
    for (size_t i = 0; i < 2; i++) {
        static const struct fake_smtp_script good = {0};
        struct mr_mail_relay relay = relay_at(fakes[i]);
        struct mr_err err = {0};
        int reply = 0;
        fake_smtp_script(fakes[i], &good);
        if (mr_mail_send(&relay, &mail, &reply, &err) != MR_OK)
            fail_msg("%s", err.message);
        assert_int_equal(reply, 250);
        MR_AUTO_STR char *said = fake_smtp_said(fakes[i]);
        static const char *const parts[] = {"MAIL FROM:<mediarun@example.com>",
                                            "RCPT TO:<ana+x@example.org>",
                                            "\nFrom: mediarun@example.com\n",
                                            "\nTo: ana+x@example.org\n",
                                            "\nSubject: Your file is ready\n",
                                            " +0000\n",
                                            "\nMessage-ID: <5f1f7c0e@example.com>\n",
                                            "\nAuto-Submitted: auto-generated\n",
                                            "Content-Type: text/plain; charset=utf-8\n",
                                            "Content-Transfer-Encoding: quoted-printable\n",
                                            "\nHello A=C3=B1=C3=A1,\n\n",
                                            "..a line with a dot\nend=3D\n",
                                            "QUIT"};
        for (size_t part = 0; part < sizeof parts / sizeof *parts; part++)
            assert_has(said, parts[part]);
        const char *tls = strstr(said, "(tls)"), *login = strstr(said, "AUTH");
        assert_true(tls && login && tls < login);
    }
}

static void without_a_user_nobody_logs_in(void **state)
{
    (void)state;
    static const struct fake_smtp_script good = {0};
    struct mr_mail_relay relay = relay_at(starttls);
    struct mr_err err = {0};
    int reply = 0;
    relay.user = relay.password = "";
    fake_smtp_script(starttls, &good);
    assert_int_equal(mr_mail_send(&relay, &mail, &reply, &err), MR_OK);
    MR_AUTO_STR char *said = fake_smtp_said(starttls);
    assert_null(strstr(said, "AUTH"));
}

static void refusals_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        struct fake_smtp_script script;
        enum mr_status status;
        const char *code;
        int reply;
    } table[] = {
        {{.rcpt = "550 no such user"}, MR_INVALID, "recipient_refused", 550},
        {{.rcpt = "450 later"}, MR_UNAVAILABLE, NULL, 450},
        {{.end = "554 spam"}, MR_INVALID, "mail_refused", 554},
        {{.end = "451 later"}, MR_UNAVAILABLE, NULL, 451},
        {{.data = "554 no"}, MR_INVALID, "mail_refused", 554},
        {{.data = "451 later"}, MR_UNAVAILABLE, NULL, 451},
        {{.mail = "550 you may not"}, MR_DENIED, "sender_refused", 550},
        {{.mail = "421 later"}, MR_UNAVAILABLE, NULL, 421},
        {{.auth = "535 wrong"}, MR_UNAUTHENTICATED, "login_refused", 535},
        {{.greeting = "554 go away"}, MR_UNAVAILABLE, NULL, 554},
        {{.greeting = "421 busy"}, MR_UNAVAILABLE, NULL, 421},
        {{.starttls = "454 not now"}, MR_UNAVAILABLE, NULL, 454},
        {{.no_starttls = true}, MR_UNAVAILABLE, NULL, 250},
        {{.other_name = true}, MR_UNAVAILABLE, NULL, 220},
        {{.greeting = FAKE_SMTP_HANG_UP}, MR_UNAVAILABLE, NULL, 0},
        {{.rcpt = FAKE_SMTP_HANG_UP}, MR_UNAVAILABLE, NULL, -1},
        {{.end = FAKE_SMTP_HANG_UP}, MR_UNAVAILABLE, NULL, -1},
        {{.end = "250 taken", .quit = FAKE_SMTP_HANG_UP}, MR_OK, NULL, 250},
        {{.end = "250 taken", .quit = "500 what?"}, MR_OK, NULL, 250},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_mail_relay relay = relay_at(starttls);
        struct mr_err err = {0};
        int reply = -2;
        fake_smtp_script(starttls, &table[i].script);
        enum mr_status status = mr_mail_send(&relay, &mail, &reply, &err);
        if (status != table[i].status ||
            (table[i].code && strcmp(mr_code_name(err.code), table[i].code) != 0) ||
            (table[i].reply >= 0 && reply != table[i].reply))
            fail_msg("case %zu: %s %s, reply %d: %s", i, mr_status_name(status), mr_code_name(err.code),
                     reply, err.message);
        assert_null(strstr(err.message, "pass"));
        MR_AUTO_STR char *said = fake_smtp_said(starttls);
        if (table[i].script.no_starttls || table[i].script.other_name)
            assert_null(strstr(said, "AUTH"));
    }
}

static bool at_once(void *ctx)
{
    (void)ctx;
    return true;
}

static void silence_costs_the_timeout(void **state)
{
    (void)state;
    static const struct {
        struct fake_smtp_script script;
        enum mr_status status;
    } table[] = {
        {{.greeting = FAKE_SMTP_SILENT}, MR_TIMEOUT},
        {{.rcpt = FAKE_SMTP_SILENT}, MR_TIMEOUT},
        {{.end = FAKE_SMTP_SILENT}, MR_TIMEOUT},
        {{.quit = FAKE_SMTP_SILENT}, MR_OK}, /* the mail was taken: what comes after does not undo it */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_mail_relay relay = relay_at(starttls);
        struct mr_err err = {0};
        int reply = 0;
        relay.timeout_ms = 500;
        fake_smtp_script(starttls, &table[i].script);
        int64_t began = mr_time_monotonic_us();
        enum mr_status status = mr_mail_send(&relay, &mail, &reply, &err);
        if (status != table[i].status)
            fail_msg("case %zu: %s: %s", i, mr_status_name(status), err.message);
        assert_in_range((mr_time_monotonic_us() - began) / 1000, 400, 8000);
    }
    static const struct fake_smtp_script silent = {.greeting = FAKE_SMTP_SILENT};
    struct mr_mail_relay relay = relay_at(starttls);
    struct mr_err err = {0};
    int reply = 0;
    relay.timeout_ms = 60000;
    relay.canceled = at_once;
    fake_smtp_script(starttls, &silent);
    assert_int_equal(mr_mail_send(&relay, &mail, &reply, &err), MR_CANCELED);
}

static void a_relay_that_is_not_trusted_or_not_there(void **state)
{
    (void)state;
    static const struct fake_smtp_script good = {0};
    char nobody[64];
    snprintf(nobody, sizeof nobody, "smtp://127.0.0.1:%d", fake_closed_port());
    const struct {
        const char *url, *ca_file;
    } table[] = {{fake_smtp_url(starttls), ""},
                 {fake_smtp_url(implicit), NULL},
                 {fake_smtp_url(starttls), "missing.pem"},
                 {nobody, ""},
                 {"smtp://no-such-host.invalid", ""},
                 {"http://127.0.0.1/", ""}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_mail_relay relay = relay_at(starttls);
        struct mr_err err = {0};
        int reply = 0;
        relay.url = table[i].url;
        relay.ca_file = table[i].ca_file;
        fake_smtp_script(starttls, &good);
        assert_int_equal(mr_mail_send(&relay, &mail, &reply, &err), MR_UNAVAILABLE);
        MR_AUTO_STR char *said = fake_smtp_said(starttls);
        assert_null(strstr(said, "AUTH"));
    }
}

static void no_field_breaks_out_of_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *subject;
        enum mr_status status;
    } table[] = {
        {NULL, "ana@example.com\r\nBcc: eve@example.com", NULL, MR_INVALID},
        {NULL, "ana@example.com\nDATA", NULL, MR_INVALID},
        {NULL, "ana@example.com> SIZE=1", NULL, MR_INVALID},
        {NULL, "ana@example.com,eve@example.com", NULL, MR_INVALID},
        {NULL, "\"ana\"@example.com", NULL, MR_INVALID},
        {NULL, "ana@[127.0.0.1]", NULL, MR_INVALID},
        {NULL, "ana@exa mple.com", NULL, MR_INVALID},
        {NULL, "añá@example.com", NULL, MR_INVALID},
        {NULL, "ana", NULL, MR_INVALID},
        {NULL, "ana@", NULL, MR_INVALID},
        {NULL, "@example.com", NULL, MR_INVALID},
        {NULL, "ana@eve@example.com", NULL, MR_INVALID},
        {NULL, "", NULL, MR_INVALID},
        {"mediarun <m@example.com>", NULL, NULL, MR_INTERNAL},
        {"", NULL, NULL, MR_INTERNAL},
        {NULL, NULL, "ready\r\nBcc: eve@example.com", MR_INTERNAL},
        {NULL, NULL, "ready: añá", MR_INTERNAL},
    };
    static const struct fake_smtp_script good = {0};
    fake_smtp_script(starttls, &good);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_mail_relay relay = relay_at(starttls);
        struct mr_mail bad = mail;
        struct mr_err err = {0};
        int reply = 0;
        bad.from = table[i].from ? table[i].from : mail.from;
        bad.to = table[i].to ? table[i].to : mail.to;
        bad.subject = table[i].subject ? table[i].subject : mail.subject;
        if (mr_mail_send(&relay, &bad, &reply, &err) != table[i].status)
            fail_msg("case %zu: %s", i, err.message);
    }
    MR_AUTO_STR char *said = fake_smtp_said(starttls);
    assert_string_equal(said, "");
}

static char *text_for(const char *task, const char *public_url)
{
    MR_AUTO_JSON json_t *view = json_loads(task, 0, NULL);
    char *text = NULL;
    struct mr_err err = {0};
    assert_non_null(view);
    assert_int_equal(mr_mail_text(view, public_url, "TOKEN", &text, &err), MR_OK);
    return text;
}

static void the_text_links_each_file(void **state)
{
    (void)state;
    MR_AUTO_STR char *text =
        text_for("{\"id\":7,\"file_id\":\"F\",\"original_file\":\"Canción.wav\",\"original_format\":\"wav\","
                 "\"outputs\":[{\"n\":0,\"file_name\":\"a.mp3\",\"format\":\"mp3\"},"
                 "{\"n\":1,\"file_name\":\"b.mp3\",\"format\":\"mp3\"}]}",
                 "https://mr.example/base//");
    assert_string_equal(text,
                        "Hello,\r\n\r\nyour file (wav) has been converted:\r\n\r\n"
                        "mp3\r\nhttps://mr.example/base/api/files/F?token=TOKEN\r\n\r\n"
                        "mp3\r\nhttps://mr.example/base/api/files/F?token=TOKEN&n=1\r\n\r\n"
                        "No login is needed for 7 days: anybody who has a link can download the file.\r\n");
}

static void a_task_without_files_has_no_link(void **state)
{
    (void)state;
    MR_AUTO_STR char *text =
        text_for("{\"id\":7,\"kind\":\"insert_records\",\"outputs\":[]}", "https://mr.example");
    assert_string_equal(text, "Hello,\r\n\r\nyour task 7 is done.\r\n");
}

/* An extension comes from the name of the user's file. */
static void nothing_that_a_user_wrote_is_in_the_text(void **state)
{
    (void)state;
    static const char *const extensions[] = {
        "BUY NOW", "a\\r\\nBcc: x", "exämple", "https://evil.example", "longerthan8", "", "a.b", "<b>"};
    for (size_t i = 0; i < sizeof extensions / sizeof *extensions; i++) {
        char task[400];
        snprintf(task, sizeof task,
                 "{\"id\":7,\"file_id\":\"F\",\"original_file\":\"Buy now at "
                 "evil.example\",\"url\":\"https://evil.example\","
                 "\"original_format\":\"%s\",\"outputs\":[{\"n\":0,\"file_name\":\"Buy "
                 "now.mp3\",\"format\":\"mp3\"}]}",
                 extensions[i]);
        MR_AUTO_STR char *text = text_for(task, "https://mr.example");
        assert_string_equal(
            text, "Hello,\r\n\r\nyour file has been converted:\r\n\r\n"
                  "mp3\r\nhttps://mr.example/api/files/F?token=TOKEN\r\n\r\n"
                  "No login is needed for 7 days: anybody who has a link can download the file.\r\n");
    }
}

static void the_confirmation_has_one_link(void **state)
{
    (void)state;
    char *text = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_mail_confirmation_text("https://mr.example/", "TOKEN", &text, &err), MR_OK);
    assert_has(text, "\r\n\r\nhttps://mr.example/api/auth/confirm?token=TOKEN\r\n\r\n");
    assert_has(text, "within 24 hours");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_is_handed_over),
        cmocka_unit_test(without_a_user_nobody_logs_in),
        cmocka_unit_test(refusals_are_told_apart),
        cmocka_unit_test(silence_costs_the_timeout),
        cmocka_unit_test(a_relay_that_is_not_trusted_or_not_there),
        cmocka_unit_test(no_field_breaks_out_of_its_line),
        cmocka_unit_test(the_text_links_each_file),
        cmocka_unit_test(a_task_without_files_has_no_link),
        cmocka_unit_test(nothing_that_a_user_wrote_is_in_the_text),
        cmocka_unit_test(the_confirmation_has_one_link),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
