/* Confirmed mail addresses, against a real PostgreSQL: when a user is asked, what the link does, and that no other mail
 * goes to an address before. */
#include "shared/data/confirmations.h"

#include "shared/base/encoding.h"
#include "tests/unit/fixture_tasks.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { HOUR = 3600 };

static int64_t new_user(void)
{
    static int count;
    char name[32];
    snprintf(name, sizeof name, "user%d", ++count);
    return fixture_db_user(test_db, name);
}

/* Runs SQL about a user or a task, $1, and returns its "answer". */
static char *ask(const struct mr_statement *statement, int64_t id)
{
    char text[MR_INT64_TEXT_MAX];
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(id, text);
    if (mr_db_exec(test_db, statement, (const char *const[]){text}, &rows, &err) != MR_OK)
        fail_msg("%s", err.message);
    return strdup(mr_rows_count(rows) ? mr_rows_text(rows, 0, "answer") : "");
}

/* Moves what was asked into the past. */
static void age(int64_t user, const char *interval)
{
    static const struct mr_statement statements[] = {
        {"t_hour",
         "UPDATE deliveries SET created_at = created_at - interval '61 min' WHERE user_id = $1::bigint", 1},
        {"t_day",
         "UPDATE deliveries SET created_at = created_at - interval '25 h' WHERE user_id = $1::bigint", 1},
    };
    free(ask(&statements[strcmp(interval, "day") == 0], user));
}

static enum mr_confirmation_answer request(int64_t user, int64_t *ret_delivery, int64_t *ret_wait_s)
{
    enum mr_confirmation_answer answer = MR_CONFIRMATION_DONE;
    struct mr_message message;
    struct mr_err err = {0};
    if (mr_confirmation_ask(test_db, user, &answer, &message, ret_wait_s, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_string_equal(message.kind, MR_KIND_DELIVER);
    *ret_delivery = message.id;
    return answer;
}

static enum mr_delivery_claim claim(int64_t id, struct mr_delivery *ret)
{
    enum mr_delivery_claim outcome = MR_DELIVERY_NOT_DUE;
    struct mr_err err = {0};
    if (mr_delivery_claim(test_db, id, 60, 8, &outcome, ret, &err) != MR_OK)
        fail_msg("%s", err.message);
    return outcome;
}

static void send_token(const struct mr_delivery *delivery, char token[MR_SECRET_TOKEN_MAX])
{
    bool ours = false;
    assert_int_equal(mr_confirmation_token(test_db, delivery, token, &ours, NULL), MR_OK);
    assert_true(ours);
    assert_int_equal(strlen(token), MR_SECRET_TOKEN_MAX - 1);
}

static void expect_accepted(const char *token, int64_t user)
{
    int64_t id = 0;
    struct mr_err err = {0};
    enum mr_status status = mr_confirmation_accept(test_db, token, &id, &err);
    assert_int_equal(status, user ? MR_OK : MR_INVALID);
    assert_int_equal(id, user);
    if (!user)
        assert_string_equal(mr_code_name(err.code), "bad_confirmation");
}

static void a_link_confirms_once(void **state)
{
    (void)state;
    static const struct mr_statement lost = {
        "t_lost",
        "UPDATE deliveries SET lease_expires_at = now() - interval '1 s' WHERE user_id = $1::bigint", 1};
    int64_t user = new_user(), id = 0, wait_s = 0;
    char token[MR_SECRET_TOKEN_MAX], second[MR_SECRET_TOKEN_MAX];
    MR_AUTO(mr_delivery) struct mr_delivery delivery = {0};
    struct mr_delivery none = {0};
    assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_ASKED);
    assert_int_equal(claim(id, &delivery), MR_DELIVERY_OURS);
    assert_int_equal(delivery.channel, MR_CHANNEL_CONFIRMATION);
    assert_int_equal(delivery.user_id, user);
    assert_int_equal(delivery.task_id, 0);
    assert_non_null(strstr(delivery.target, "@example.com"));
    send_token(&delivery, token);
    expect_accepted("", 0);
    expect_accepted("x", 0);
    expect_accepted(token, user);
    expect_accepted(token, 0);
    assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_DONE);
    assert_int_equal(id, 0);
    /* A mail that was on its way is not sent any more; its token would do no harm. */
    send_token(&delivery, second);
    expect_accepted(second, user);
    free(ask(&lost, user));
    assert_int_equal(claim(delivery.id, &none), MR_DELIVERY_OUTDATED);
}

static void a_link_ends(void **state)
{
    (void)state;
    static const struct mr_statement expire = {
        "t_expire",
        "UPDATE deliveries SET token_expires_at = now() - interval '1 s' WHERE user_id = $1::bigint", 1};
    static const struct mr_statement move = {
        "t_move", "UPDATE users SET email = 'other' || email WHERE id = $1::bigint", 1};
    int64_t user = new_user(), id = 0, wait_s = 0;
    char token[MR_SECRET_TOKEN_MAX], newer[MR_SECRET_TOKEN_MAX];
    MR_AUTO(mr_delivery) struct mr_delivery delivery = {0};
    assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_ASKED);
    assert_int_equal(claim(id, &delivery), MR_DELIVERY_OURS);
    send_token(&delivery, token);
    send_token(&delivery, newer); /* of the next attempt */
    expect_accepted(token, 0);
    free(ask(&expire, user));
    expect_accepted(newer, 0);
    send_token(&delivery, token);
    free(ask(&move, user)); /* the mail went to another address */
    expect_accepted(token, 0);
    bool ours = true;
    delivery.fence--;
    assert_int_equal(mr_confirmation_token(test_db, &delivery, token, &ours, NULL), MR_OK);
    assert_false(ours);
}

static void nobody_is_asked_too_often(void **state)
{
    (void)state;
    int64_t user = new_user(), id = 0, wait_s = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_ASKED);
        assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_TOO_OFTEN);
        if (i < 9)
            assert_in_range(wait_s, HOUR - 5, 24 * HOUR);
        age(user, "hour");
        if (i % 3 == 2 && i < 9) { /* three within a day */
            assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_TOO_OFTEN);
            assert_in_range(wait_s, 20 * HOUR, 22 * HOUR);
            age(user, "day");
        }
    }
    age(user, "day");
    assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_TOO_OFTEN);
    assert_int_equal(wait_s, 0); /* never again */
    assert_int_equal(request(INT64_MAX, &id, &wait_s), MR_CONFIRMATION_DONE);
}

/* Ends a task of the user that owes a mail; returns "STATUS ERROR" of its mail, and how often the user was asked. */
static void end_task(int64_t user, const char *expected, int asked)
{
    static const struct mr_statement look = {
        "t_look",
        "SELECT d.status || coalesce(' ' || split_part(d.error, ':', 1), '') || ', asked ' || (SELECT "
        "count(*) FROM deliveries c"
        " WHERE c.user_id = t.user_id) AS answer FROM deliveries d JOIN tasks t ON t.id = d.task_id"
        " WHERE d.task_id = $1::bigint AND channel = 'mail'",
        1};
    struct mr_task_draft draft = task_draft(user);
    draft.notify_mail = true;
    MR_AUTO_JSON json_t *view = task_insert(&draft);
    int64_t id = json_integer_value(json_object_get(view, "id"));
    MR_AUTO(mr_claim) struct mr_claim lease = {0};
    assert_int_equal(task_claim(id, 1, &lease), MR_CLAIM_OURS);
    char object[64], text[200];
    snprintf(object, sizeof object, "outputs/%" PRId64, id);
    assert_true(task_commit(&lease, object));
    MR_AUTO_STR char *answer = ask(&look, id);
    snprintf(text, sizeof text, "%s, asked %d", expected, asked);
    assert_string_equal(answer, text);
}

static void no_mail_before_the_confirmation(void **state)
{
    (void)state;
    static const struct mr_statement confirm = {
        "t_confirm", "UPDATE users SET email_confirmed_at = now() WHERE id = $1::bigint", 1};
    int64_t user = new_user();
    end_task(user, "skipped the mail address is not confirmed", 1); /* the first one asks */
    end_task(user, "skipped the mail address is not confirmed", 1);
    age(user, "day");
    end_task(user, "skipped the mail address is not confirmed", 1); /* not for ever, when nobody answers */
    free(ask(&confirm, user));
    end_task(user, "pending", 1);
}

/* A mail that was due when the migration came, or when an operator took a confirmation back. */
static void a_mail_that_waits_needs_the_confirmation(void **state)
{
    (void)state;
    static const struct mr_statement confirm = {
        "t_set", "UPDATE users SET email_confirmed_at = now() WHERE id = $1::bigint", 1};
    static const struct mr_statement take_back = {
        "t_unset", "UPDATE users SET email_confirmed_at = NULL WHERE id = $1::bigint", 1};
    static const struct mr_statement find = {"t_find",
                                             "SELECT d.id AS answer FROM deliveries d JOIN tasks t ON t.id = "
                                             "d.task_id WHERE t.user_id = $1::bigint",
                                             1};
    int64_t user = new_user(), id = 0;
    struct mr_delivery none = {0};
    free(ask(&confirm, user));
    end_task(user, "pending", 0);
    free(ask(&take_back, user));
    MR_AUTO_STR char *text = ask(&find, user);
    assert_true(mr_parse_int64(text, 1, INT64_MAX, &id));
    assert_int_equal(claim(id, &none), MR_DELIVERY_OUTDATED);
}

static void the_sweep_publishes_what_was_asked(void **state)
{
    (void)state;
    int64_t user = new_user(), id = 0, wait_s = 0;
    struct mr_message due[100];
    size_t count = 0;
    bool found = false;
    assert_int_equal(request(user, &id, &wait_s), MR_CONFIRMATION_ASKED);
    age(user, "hour");
    assert_int_equal(mr_deliveries_due(test_db, 600, due, 100, &count, NULL), MR_OK);
    for (size_t i = 0; i < count; i++)
        found = found || due[i].id == id;
    assert_true(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_confirms_once),
        cmocka_unit_test(a_link_ends),
        cmocka_unit_test(nobody_is_asked_too_often),
        cmocka_unit_test(no_mail_before_the_confirmation),
        cmocka_unit_test(a_mail_that_waits_needs_the_confirmation),
        cmocka_unit_test(the_sweep_publishes_what_was_asked),
    };
    return cmocka_run_group_tests(tests, fixture_db_setup_users, fixture_db_teardown);
}
