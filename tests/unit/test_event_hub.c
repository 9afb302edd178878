/* The event hub, against a real PostgreSQL: what streams receive, in which order, and when they end. */
#include "web/event_hub.h"

#include "shared/base/clock.h"
#include "shared/base/encoding.h"
#include "shared/base/json.h"
#include "shared/data/events.h"
#include "tests/unit/event_reader.h"
#include "tests/unit/fixture_db.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000, HOUR = 3600, MAX_STREAMS = 12, MAX_PER_USER = 8, MAX_QUEUED = 256 << 10 };

static struct mr_log quiet;
static const struct mr_quotas quotas = {.limits = {[MR_QUOTA_EVENT_STREAMS] = MAX_PER_USER}};

static int set_up_all(void **state)
{
    fixture_db_setup(state);
    quiet = mr_log_init("test", MR_LOG_CRITICAL);
    return 0;
}

struct fixture {
    struct mr_event_hub *hub;
    int64_t user, other, witness;
    int witnessed; /* the stream of the witness: see settle() */
};

static struct mr_event_hub *start_hub(const char *listen_on, int heartbeat_ms)
{
    struct mr_event_hub_options options = {.db = test_db,
                                           .conninfo = listen_on,
                                           .log = &quiet,
                                           .max_streams = MAX_STREAMS,
                                           .quotas = &quotas,
                                           .max_queued = MAX_QUEUED,
                                           .heartbeat_ms = heartbeat_ms};
    struct mr_event_hub *hub = NULL;
    struct mr_err err = {0};
    if (mr_event_hub_start(&options, &hub, &err) != MR_OK)
        fail_msg("%s", err.message);
    return hub;
}

static const struct mr_statement statements[] = {
    {"t_create",
     "INSERT INTO tasks (file_id, user_id, new_format, original_file) SELECT gen_random_uuid(), $1::bigint,"
     " 'mp3', 'a.wav' RETURNING id AS number",
     1},
    {"t_create_many",
     "INSERT INTO tasks (file_id, user_id) SELECT gen_random_uuid(), $1::bigint FROM generate_series(1, "
     "$2::int) RETURNING id AS number",
     2},
    {"t_claim",
     "UPDATE tasks SET status = 'processing', lease_expires_at = now(), progress = 0 WHERE id = $1::bigint"
     " RETURNING event_id AS number",
     1},
    {"t_progress", "UPDATE tasks SET progress = $2::int WHERE id = $1::bigint RETURNING event_id AS number",
     2},
    {"t_finish",
     "UPDATE tasks SET status = 'processed', lease_expires_at = NULL, progress = 1000 WHERE id = $1::bigint"
     " RETURNING event_id AS number",
     1},
    {"t_redo",
     "UPDATE tasks SET status = 'uploaded', generation = generation + 1, progress = 0 WHERE id = $1::bigint"
     " RETURNING event_id AS number",
     1},
    {"t_delete", "DELETE FROM tasks WHERE id = $1::bigint RETURNING id AS number", 1},
    {"t_event", "SELECT event_id AS number FROM tasks WHERE id = $1::bigint", 1},
    /* Without a new event: the trigger looks at status, progress and generation alone. */
    {"t_age",
     "UPDATE tasks SET changed_at = now() - make_interval(secs => $2::int) WHERE user_id = $1::bigint"
     " RETURNING id AS number",
     2},
    {"t_outputs",
     "INSERT INTO outputs (task_id, n, object, object_generation, file_name, format, content_type, size)"
     " SELECT $1::bigint, n, $1 || '/' || n, 1, 'a part of the song ' || n || '.mp3', 'mp3', 'audio/mpeg', 7"
     " FROM generate_series(1, $2::int) n RETURNING n AS number",
     2},
    {"t_kill",
     "SELECT count(pg_terminate_backend(pid)) AS number FROM pg_stat_activity"
     " WHERE datname = current_database() AND application_name = 'task_events'",
     0},
    {"t_key", "SELECT pg_notify('task_events', $1 || ' 0 0 access') IS NULL AS number", 1},
};
enum statement { CREATE, CREATE_MANY, CLAIM, PROGRESS, FINISH, REDO, DELETE, EVENT, AGE, OUTPUTS, KILL, KEY };

static int64_t do_in(struct mr_db_tx *tx, enum statement which, int64_t first, int64_t second)
{
    char a[MR_INT64_TEXT_MAX], b[MR_INT64_TEXT_MAX];
    const char *params[] = {a, b};
    struct mr_err err = {0};
    MR_AUTO(mr_rows) struct mr_rows *rows = NULL;
    mr_int64_text(first, a);
    mr_int64_text(second, b);
    enum mr_status status = tx ? mr_db_tx_exec(tx, &statements[which], params, &rows, &err)
                               : mr_db_exec(test_db, &statements[which], params, &rows, &err);
    if (status != MR_OK)
        fail_msg("%s", err.message);
    return mr_rows_count(rows) ? mr_rows_int64(rows, 0, "number") : 0;
}

static int64_t act(enum statement which, int64_t task_or_user)
{
    return do_in(NULL, which, task_or_user, 0);
}

static int open_with(struct mr_event_hub *hub, struct mr_event_subscription subscription)
{
    struct mr_event_stream *stream = NULL;
    struct mr_err err = {0};
    int pair[2];
    if (mr_event_hub_reserve(hub, &subscription, &stream, &err) != MR_OK)
        fail_msg("%s", err.message);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
    setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    mr_event_hub_attach(hub, stream, pair[0]);
    return pair[1];
}

static int64_t an_hour_from_now(void)
{
    return mr_time_now_us() / 1000000 + HOUR;
}

static int open_task(struct mr_event_hub *hub, int64_t user_id, int64_t task_id)
{
    return open_with(hub, (struct mr_event_subscription){
                              .user_id = user_id, .task_id = task_id, .expires_s = an_hour_from_now()});
}

static int open_all(struct mr_event_hub *hub, int64_t user_id, int64_t seen, bool resumes)
{
    return open_with(
        hub, (struct mr_event_subscription){
                 .user_id = user_id, .seen = seen, .resumes = resumes, .expires_s = an_hour_from_now()});
}

static int open_now(struct mr_event_hub *hub, int64_t user_id)
{
    int64_t last = 0;
    assert_int_equal(mr_events_last(test_db, &last, NULL), MR_OK);
    return open_all(hub, user_id, last, false);
}

static int set_up(void **state)
{
    static int count;
    struct fixture *fixture = calloc(1, sizeof *fixture);
    int64_t *users[] = {&fixture->user, &fixture->other, &fixture->witness};
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "user%d", ++count);
        *users[i] = fixture_db_user(test_db, name);
    }
    fixture->hub = start_hub(test_conninfo, HOUR * 1000);
    fixture->witnessed = open_now(fixture->hub, fixture->witness);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    mr_event_hub_free(fixture->hub);
    close(fixture->witnessed);
    free(fixture);
    return 0;
}

/* Returns when the hub has taken all notifications of what was done before: they come in order. */
static void settle(struct fixture *fixture)
{
    expect_at_last(fixture->witnessed, "state", act(CREATE, fixture->witness));
}

static void a_task_from_first_to_last(void **state)
{
    struct fixture *f = *state;
    int64_t task = act(CREATE, f->user);
    int fd = open_task(f->hub, f->user, task);
    struct event event = expect(fd, "state", task, "uploaded");
    assert_int_equal(event.id, act(EVENT, task));
    int64_t claimed = act(CLAIM, task);
    assert_int_equal(expect(fd, "state", task, "processing").id, claimed);
    int64_t advanced = do_in(NULL, PROGRESS, task, 505);
    event = expect(fd, "progress", task, "processing");
    assert_int_equal(event.id, advanced);
    assert_true(event.progress > 50.4 && event.progress < 50.6);
    int64_t finished = act(FINISH, task);
    assert_int_equal(expect(fd, "result", task, "processed").id, finished);
    expect_end(fd);
}

static void a_finished_task_is_told_and_that_is_all(void **state)
{
    struct fixture *f = *state;
    int64_t task = act(CREATE, f->user);
    act(CLAIM, task);
    act(FINISH, task);
    int fd = open_task(f->hub, f->user, task);
    expect(fd, "result", task, "processed");
    expect_end(fd);
}

static void a_deleted_task_ends_its_stream(void **state)
{
    struct fixture *f = *state;
    int64_t task = act(CREATE, f->user);
    settle(f);
    int fd = open_task(f->hub, f->user, task), all = open_now(f->hub, f->user);
    int64_t first = expect(fd, "state", task, "uploaded").id;
    act(DELETE, task);
    assert_true(expect(fd, "deleted", task, "").id > first);
    expect_end(fd);
    expect(all, "deleted", task, "");
    int late = open_task(f->hub, f->user, task); /* deleted between the handler's look and the stream */
    expect(late, "deleted", task, "");
    expect_end(late);
    close(all);
}

static void only_this_task_is_told(void **state)
{
    struct fixture *f = *state;
    int64_t one = act(CREATE, f->user), two = act(CREATE, f->user);
    int fd = open_task(f->hub, f->user, two);
    expect(fd, "state", two, "uploaded");
    act(CLAIM, one);
    act(FINISH, one);
    act(CLAIM, two);
    expect(fd, "state", two, "processing");
    close(fd);
}

static void all_tasks_from_now_on(void **state)
{
    struct fixture *f = *state;
    int64_t before = act(CREATE, f->user);
    settle(f);
    int mine = open_now(f->hub, f->user), theirs = open_now(f->hub, f->other);
    int64_t task = act(CREATE, f->user), foreign = act(CREATE, f->other);
    struct event created = expect(mine, "state", task, "uploaded");
    act(CLAIM, task);
    do_in(NULL, PROGRESS, before, 1);
    struct event claimed = expect(mine, "state", task, "processing");
    struct event progress = expect(mine, "progress", before, "uploaded");
    assert_true(created.id < claimed.id && claimed.id < progress.id);
    act(CLAIM, before);
    act(FINISH, before);
    expect_at_last(mine, "result", before);
    act(REDO, before);
    expect(mine, "state", before, "uploaded");
    act(DELETE, foreign);
    expect(theirs, "state", foreign, "uploaded");
    expect(theirs, "deleted", foreign, "");
    close(mine);
    close(theirs);
}

static void a_return_replays_the_newest_states(void **state)
{
    struct fixture *f = *state;
    int64_t old = act(CREATE, f->user);
    do_in(NULL, AGE, f->user, 60);
    int64_t last = act(CREATE, f->user), seen = act(EVENT, last);
    int64_t failed = act(CREATE, f->user), finished = act(CREATE, f->user);
    act(CREATE, f->other);
    act(CLAIM, finished);
    act(CLAIM, failed);
    act(FINISH, finished);
    settle(f);
    int fd = open_all(f->hub, f->user, seen, true);
    assert_true(expect(fd, "state", failed, "processing").id > seen);
    expect(fd, "result", finished, "processed");
    act(CLAIM, old);
    expect(fd, "state", old, "processing");
    close(fd);
}

/* A transaction that took its number first commits last: it is sent late, and sent again to clients that were away. */
static void numbers_that_become_visible_late(void **state)
{
    struct fixture *f = *state;
    struct mr_db_tx *tx = NULL;
    struct mr_err err = {0};
    int64_t slow = act(CREATE, f->user);
    int fd = open_now(f->hub, f->user);
    assert_int_equal(mr_db_begin(test_db, &tx, &err), MR_OK);
    do_in(tx, CLAIM, slow, 0);
    int64_t fast = act(CREATE, f->user);
    int64_t seen = expect(fd, "state", fast, "uploaded").id;
    assert_int_equal(mr_db_commit(&tx, &err), MR_OK);
    assert_int_equal(expect(fd, "state", slow, "processing").id, seen); /* ids never fall */
    settle(f);
    assert_true(act(EVENT, slow) < seen);
    int back = open_all(f->hub, f->user, seen, true);
    assert_int_equal(expect(back, "state", slow, "processing").id, seen);
    close(back);
    do_in(NULL, AGE, f->user, 60); /* years later, nothing else having happened, it still is */
    back = open_all(f->hub, f->user, seen, true);
    expect(back, "state", slow, "processing");
    close(back);
    close(fd);
}

static void a_long_replay_comes_in_pages(void **state)
{
    enum { TASKS = 333 };
    struct fixture *f = *state;
    int64_t first = do_in(NULL, CREATE_MANY, f->user, TASKS);
    int64_t seen = act(EVENT, first) - 1;
    settle(f);
    int fd = open_all(f->hub, f->user, seen, true);
    for (int64_t i = 0; i < TASKS; i++) {
        struct event event = expect(fd, "state", first + i, "uploaded");
        assert_int_equal(event.id, seen + 1 + i);
        if (i == 100) /* not yet there: sent when its turn comes, or earlier; not lost */
            act(CLAIM, first);
    }
    expect(fd, "state", first, "processing");
    close(fd);
}

static void a_burst_on_one_task_ends_in_its_last_state(void **state)
{
    struct fixture *f = *state;
    int64_t task = act(CREATE, f->user);
    settle(f);
    int fd = open_now(f->hub, f->user), one = open_task(f->hub, f->user, task);
    act(CLAIM, task);
    for (int64_t i = 1; i <= 80; i++) /* all of it has room in the queue */
        do_in(NULL, PROGRESS, task, i);
    int64_t last = act(FINISH, task), before = 0;
    for (struct event event = {0}; event.id != last;) {
        event = next_event(fd);
        assert_true(event.id > before);
        before = event.id;
    }
    assert_int_equal(expect_at_last(one, "result", task).id, last);
    expect_end(one);
    close(fd);
}

static void a_client_that_does_not_read_is_cut_off(void **state)
{
    struct fixture *f = *state;
    struct mr_event_hub *hub = start_hub(test_conninfo, 50);
    int slow = open_now(hub, f->user), quick = open_now(hub, f->user);
    struct pollfd hangup = {.fd = slow, .events = POLLRDHUP};
    for (int i = 0; i < 1000 && poll(&hangup, 1, 0) == 0; i++)
        expect_at_last(quick, "state", act(CREATE, f->user));
    assert_int_equal(poll(&hangup, 1, PATIENCE_MS), 1);
    expect_at_last(quick, "state", act(CREATE, f->user));
    mr_event_hub_free(hub);
    close(slow);
    close(quick);
}

/* More at once than the queue holds, while the client is busy elsewhere: it is not cut off, and misses
 * nothing. */
static void a_burst_does_not_cut_a_client_off(void **state)
{
    enum { TASKS = 1000 };
    struct fixture *f = *state;
    bool told[TASKS] = {false};
    settle(f);
    int fd = open_now(f->hub, f->user);
    expect(fd, "state", act(CREATE, f->user), "uploaded"); /* it is live */
    int64_t first = do_in(NULL, CREATE_MANY, f->user, TASKS), before = 0;
    settle(f);
    act(DELETE, first);
    settle(f);
    for (int count = 1; count < TASKS;) {
        struct event event = next_event(fd);
        assert_int_not_equal(event.id, -1);
        assert_true(event.id >= before);
        before = event.id;
        bool *mine = &told[event.task - first];
        count += !*mine && event.task != first;
        *mine = true;
    }
    close(fd);
}

/* 600 outputs are 130 kB of JSON. */
static void a_task_too_large_for_an_event_is_named(void **state)
{
    static const struct {
        int outputs;
        bool partial;
    } table[] = {{100, false}, {600, true}, {1500, true}};
    struct fixture *f = *state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t task = act(CREATE, f->user);
        int all = open_now(f->hub, f->user), one = open_task(f->hub, f->user, task);
        expect(one, "state", task, "uploaded");
        act(CLAIM, task);
        do_in(NULL, OUTPUTS, task, table[i].outputs);
        act(FINISH, task);
        int late = open_task(f->hub, f->user, task);
        const int fds[] = {all, one, late};
        for (size_t stream = 0; stream < 3; stream++) {
            struct event event = expect_at_last(fds[stream], "result", task);
            assert_string_equal(event.status, "processed");
            assert_int_equal(event.partial, table[i].partial);
            assert_int_equal(event.outputs, table[i].partial ? 0 : table[i].outputs);
        }
        expect_end(one);
        expect_end(late);
        close(all);
    }
}

static void expect_refusal(struct mr_event_hub *hub, int64_t user_id, bool is_exempt, const char *code)
{
    struct mr_event_subscription subscription = {
        .user_id = user_id, .expires_s = an_hour_from_now(), .is_exempt = is_exempt};
    struct mr_event_stream *stream = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_event_hub_reserve(hub, &subscription, &stream, &err), MR_EXHAUSTED);
    assert_string_equal(mr_code_name(err.code), code);
}

/* 12 places: 8 for one user, and the last three are for users without a stream. The witness has one. */
static void places_are_limited_and_given_back(void **state)
{
    struct fixture *f = *state;
    struct mr_event_subscription operator= {
        .user_id = f->user, .expires_s = an_hour_from_now(), .is_exempt = true};
    struct mr_event_stream *stream = NULL;
    int fds[MAX_STREAMS - 1];
    for (int i = 0; i < MAX_PER_USER; i++)
        fds[i] = open_now(f->hub, f->user);
    expect_refusal(f->hub, f->user, false, "quota_event_streams");
    fds[MAX_PER_USER] = open_now(f->hub, f->other);
    expect_refusal(f->hub, f->other, false, "too_many_streams");
    for (int i = MAX_PER_USER + 1; i < MAX_STREAMS - 1; i++)
        fds[i] = open_with(f->hub, operator);
    expect_refusal(f->hub, f->user, true, "too_many_streams");
    expect_refusal(f->hub, INT64_MAX, false, "too_many_streams");
    close(fds[0]);
    for (int tries = 0; mr_event_hub_reserve(f->hub, &operator, & stream, NULL) != MR_OK; tries++) {
        assert_true(tries < PATIENCE_MS);
        poll(NULL, 0, 1);
    }
    expect_refusal(f->hub, f->user, true, "too_many_streams");
    mr_event_hub_cancel(f->hub, stream);
    assert_int_equal(mr_event_hub_reserve(f->hub, &operator, & stream, NULL), MR_OK);
    mr_event_hub_cancel(f->hub, stream);
    for (int i = 1; i < MAX_STREAMS - 1; i++)
        close(fds[i]);
}

static void an_expired_token_ends_its_stream(void **state)
{
    struct fixture *f = *state;
    int64_t now_s = mr_time_now_us() / 1000000;
    int fd = open_with(f->hub, (struct mr_event_subscription){.user_id = f->user, .expires_s = now_s + 1});
    int other = open_now(f->hub, f->user);
    expect_end(fd);
    expect(other, "state", act(CREATE, f->user), "uploaded");
    close(other);
}

static void expect_heartbeats(int fd)
{
    MR_AUTO(mr_buf) struct mr_buf line = MR_BUF_INIT(1000);
    for (int beats = 0; beats < 3;) {
        assert_true(read_event_line(fd, &line));
        beats += strcmp(mr_buf_str(&line), ":") == 0;
    }
}

static void a_revoked_permission_ends_the_streams_of_its_user(void **state)
{
    struct fixture *f = *state;
    struct mr_event_subscription subscription = {.user_id = f->user, .expires_s = an_hour_from_now()};
    struct mr_event_stream *reserved = NULL;
    struct mr_err err = {0};
    int pair[2];
    int fd = open_now(f->hub, f->user), other = open_now(f->hub, f->other);
    settle(f);
    assert_int_equal(mr_event_hub_reserve(f->hub, &subscription, &reserved, &err), MR_OK);
    act(KEY, f->user);
    expect_end(fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    mr_event_hub_attach(f->hub, reserved, pair[0]);
    expect_end(pair[1]);
    expect(other, "state", act(CREATE, f->other), "uploaded");
    close(other);
}

static void hearts_beat_without_a_database(void **state)
{
    struct fixture *f = *state;
    static const char *const places[] = {NULL, "host=/nowhere"};
    for (size_t i = 0; i < 2; i++) {
        struct mr_event_hub *hub = start_hub(places[i] ? places[i] : test_conninfo, 20);
        int fd = open_all(hub, f->user, 0, false);
        expect_heartbeats(fd);
        mr_event_hub_free(hub);
        expect_end(fd);
    }
}

/* Ends the listening connection, when it is there again: events that a client reads can be from before it was. */
static void kill_listening_connection(void)
{
    for (int tries = 0; act(KILL, 0) != 1; tries++) {
        assert_true(tries < PATIENCE_MS);
        poll(NULL, 0, 1);
    }
}

static void nothing_is_lost_with_the_listening_connection(void **state)
{
    struct fixture *f = *state;
    int64_t task = act(CREATE, f->user), gone = act(CREATE, f->user);
    int all = open_now(f->hub, f->user), one = open_task(f->hub, f->user, task),
        deleted = open_task(f->hub, f->user, gone);
    expect(one, "state", task, "uploaded");
    expect(deleted, "state", gone, "uploaded");
    for (int i = 0; i < 3; i++) {
        int64_t other = act(CREATE, f->user);
        expect_at_last(all, "state", other);
        kill_listening_connection();
        act(CLAIM, other);
        act(FINISH, other);
        expect_at_last(all, "result", other);
    }
    act(CLAIM, task);
    kill_listening_connection();
    act(FINISH, task);
    act(DELETE, gone);
    expect_at_last(all, "result", task);
    expect_at_last(one, "result", task);
    expect_end(one);
    expect(deleted, "deleted", gone, "");
    expect_end(deleted);
    close(all);
}

static void foreign_notifications_do_no_harm(void **state)
{
    struct fixture *f = *state;
    int fd = open_now(f->hub, f->user);
    free(fixture_db_ask(test_db, "SELECT pg_notify('task_events', 'nonsense'), pg_notify('task_events', '')"
                                 ", pg_notify('task_events', '1 2 3 unheard-of'), 1 AS answer"));
    expect(fd, "state", act(CREATE, f->user), "uploaded");
    close(fd);
}

static void a_stop_ends_all(void **state)
{
    struct fixture *f = *state;
    struct mr_event_subscription subscription = {.user_id = f->user, .expires_s = an_hour_from_now()};
    struct mr_event_stream *late = NULL, *later = NULL;
    struct mr_err err = {0};
    int pair[2], fd = open_now(f->hub, f->user);
    assert_int_equal(mr_event_hub_reserve(f->hub, &subscription, &late, &err), MR_OK);
    mr_event_hub_stop(f->hub);
    expect_end(fd);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    mr_event_hub_attach(f->hub, late, pair[0]);
    expect_end(pair[1]);
    assert_int_equal(mr_event_hub_reserve(f->hub, &subscription, &later, &err), MR_UNAVAILABLE);
    mr_event_hub_stop(f->hub);
}

static void payloads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        struct mr_event_notice notice;
        enum mr_status status;
    } table[] = {
        {"1 2 3 state", {1, 2, 3, MR_CHANGED_STATE}, MR_OK},
        {"9223372036854775807 2 3 progress", {INT64_MAX, 2, 3, MR_CHANGED_PROGRESS}, MR_OK},
        {"1 2 3 deleted", {1, 2, 3, MR_CHANGED_DELETED}, MR_OK},
        {"", {0}, MR_INVALID},
        {"1 2 3", {0}, MR_INVALID},
        {"1 2 3 ", {0}, MR_INVALID},
        {"1 2 state", {0}, MR_INVALID},
        {"1 2 3 stated", {0}, MR_INVALID},
        {"a 2 3 state", {0}, MR_INVALID},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct mr_event_notice notice = {0};
        assert_int_equal(mr_event_notice_parse(table[i].text, &notice, NULL), table[i].status);
        assert_int_equal(notice.user_id, table[i].notice.user_id);
        assert_int_equal(notice.task_id, table[i].notice.task_id);
        assert_int_equal(notice.event_id, table[i].notice.event_id);
        assert_int_equal(notice.change, table[i].notice.change);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(payloads),
        TEST(a_task_from_first_to_last),
        TEST(a_finished_task_is_told_and_that_is_all),
        TEST(a_deleted_task_ends_its_stream),
        TEST(only_this_task_is_told),
        TEST(all_tasks_from_now_on),
        TEST(a_return_replays_the_newest_states),
        TEST(numbers_that_become_visible_late),
        TEST(a_long_replay_comes_in_pages),
        TEST(a_burst_on_one_task_ends_in_its_last_state),
        TEST(a_client_that_does_not_read_is_cut_off),
        TEST(a_burst_does_not_cut_a_client_off),
        TEST(a_task_too_large_for_an_event_is_named),
        TEST(places_are_limited_and_given_back),
        TEST(an_expired_token_ends_its_stream),
        TEST(a_revoked_permission_ends_the_streams_of_its_user),
        TEST(hearts_beat_without_a_database),
        TEST(nothing_is_lost_with_the_listening_connection),
        TEST(foreign_notifications_do_no_harm),
        TEST(a_stop_ends_all),
    };
    return cmocka_run_group_tests(tests, set_up_all, fixture_db_teardown);
}
