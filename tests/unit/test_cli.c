/* The command line's parts: arguments, state of uploads, and what it does when connections break. */
#include "client/api.h"
#include "client/commands.h"
#include "client/fetch.h"
#include "client/output.h"
#include "client/tasks.h"
#include "client/upload_send.h"
#include "client/upload_state.h"
#include "shared/base/clock.h"
#include "shared/base/crc32c.h"
#include "tests/unit/fake_http.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { WORDS_MAX = 12, MULTIPLE = 256 << 10, FILE_BYTES = MULTIPLE + 1000 };

static void arguments(void **state)
{
    (void)state;
    static const struct {
        const char *words[WORDS_MAX];
        enum mr_status status;
        const char *message; /* of the failure, in part */
    } cases[] = {
        {{"mediarun", "convert", "a.wav", "--to", "mp3"}, MR_OK, NULL},
        {{"mediarun", "convert", "-t", "mp3", "--", "-a.wav"}, MR_OK, NULL},
        {{"mediarun", "convert", "-", "--to=mp3", "-O", "a=1", "-Ob=2", "-fwjq"}, MR_OK, NULL},
        {{"mediarun", "login"}, MR_OK, NULL},
        {{"mediarun", "help", "ls"}, MR_OK, NULL},
        {{"mediarun", "--version"}, MR_OK, NULL},
        {{"mediarun", "rm", "--help"}, MR_OK, NULL},
        {{"mediarun"}, MR_INVALID, "a command is required"},
        {{"mediarun", ""}, MR_INVALID, "is not a command"},
        {{"mediarun", "admin"}, MR_INVALID, "admin needs ACTION [WORD]…"},
        {{"mediarun", "help", "x"}, MR_INVALID, "x is not a command"},
        {{"mediarun", "convert", "--to", "mp3"}, MR_INVALID, "convert needs FILE"},
        {{"mediarun", "convert", "a.wav"}, MR_INVALID, "--to FORMAT"},
        {{"mediarun", "convert", "a.wav", "--to"}, MR_INVALID, "--to must be followed by a value"},
        {{"mediarun", "convert", "a", "--to", "x", "-O", "a=1", "--preset", "p"}, MR_INVALID, "together"},
        {{"mediarun", "convert", "a", "--to", "x", "--no-wait", "-o", "b"}, MR_INVALID, "--no-wait"},
        {{"mediarun", "convert", "a", "--to", "x", "-O", "a=1", "-O", "a=2"},
         MR_INVALID,
         "option a is given twice"},
        {{"mediarun", "ls", "--watch"}, MR_INVALID, "--watch is not an option of ls"},
        {{"mediarun", "ls", "-n", "0"}, MR_INVALID, "--max must be"},
        {{"mediarun", "ls", "7"}, MR_INVALID, "ls takes no 7"},
        {{"mediarun", "login", "a", "b"}, MR_INVALID, "login takes no b"},
        {{"mediarun", "--json", "ls"}, MR_INVALID, "before its options"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO(mr_cli_arguments) struct mr_cli_arguments read = {0};
        struct mr_err err = {0};
        char *words[WORDS_MAX + 1] = {NULL};
        int count = 0;
        for (; count < WORDS_MAX && cases[i].words[count]; count++)
            words[count] = (char *)cases[i].words[count];
        enum mr_status status = mr_cli_arguments_read(count, words, &read, &err);
        if (status != cases[i].status || (status != MR_OK && !strstr(err.message, cases[i].message)))
            fail_msg("case %zu: %d %s", i, status, err.message);
    }
}

static void an_argument_after_its_options(void **state)
{
    (void)state;
    MR_AUTO(mr_cli_arguments) struct mr_cli_arguments read = {0};
    const char *words[] = {"mediarun", "convert", "a", "--to", "mp3", "b", "-o", "there", "--reuse", NULL};
    assert_int_equal(mr_cli_arguments_read(9, (char **)words, &read, NULL), MR_OK);
    assert_int_equal(read.command, MR_CLI_CONVERT);
    assert_int_equal(read.word_count, 2);
    assert_string_equal(read.words[1], "b");
    assert_string_equal(read.to, "mp3");
    assert_string_equal(read.output, "there");
    assert_false(read.force || read.watch || read.json);
    assert_true(read.reuse);
}

static void options(void **state)
{
    (void)state;
    static const struct {
        const char *given[4];
        const char *json; /* NULL: the last one is refused */
    } cases[] = {
        {{"bitrate=96000"}, "{\"bitrate\":96000}"},
        {{"loudness=-16.5", "mute=true"}, "{\"loudness\":-16.5,\"mute\":true}"},
        {{"resize.width=640", "resize.fit=pad"}, "{\"resize\":{\"width\":640,\"fit\":\"pad\"}}"},
        {{"resize={\"width\":2}"}, "{\"resize\":{\"width\":2}}"},
        {{"resize.aspect=16:9"}, "{\"resize\":{\"aspect\":\"16:9\"}}"},
        {{"audio=de", "background=#ffcc00", "x="},
         "{\"audio\":\"de\",\"background\":\"#ffcc00\",\"x\":\"\"}"},
        {{"a=b=c"}, "{\"a\":\"b=c\"}"},
        {{"a"}, NULL},
        {{"=1"}, NULL},
        {{"a=1", "a=1"}, NULL},
        {{"a=1", "a.b=1"}, NULL},
        {{"a.b=1", "a=1"}, NULL},
        {{"a=\xff"}, NULL},
        {{"\xff=1"}, NULL},
        {{"\xff.a=1"}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *made = json_object();
        enum mr_status status = MR_OK;
        for (size_t j = 0; cases[i].given[j]; j++)
            status = mr_cli_option_add(made, cases[i].given[j], NULL);
        MR_AUTO_STR char *text = json_dumps(made, MR_JSON_FLAGS);
        assert_int_equal(status, cases[i].json ? MR_OK : MR_INVALID);
        if (cases[i].json)
            assert_string_equal(text, cases[i].json);
    }
}

static void exit_statuses(void **state)
{
    (void)state;
    static const struct {
        enum mr_status status;
        enum mr_code code;
        enum mr_cli_exit expected;
    } cases[] = {
        {MR_INVALID, MR_CODE_NOT_MEDIA, MR_CLI_FAILED},
        {MR_NOT_FOUND, MR_CODE_NOT_FOUND, MR_CLI_FAILED},
        {MR_INVALID, MR_CODE_SERVICE_FAULT, MR_CLI_FAILED},
        {MR_UNAUTHENTICATED, MR_CODE_BAD_API_KEY, MR_CLI_REFUSED},
        {MR_DENIED, MR_CODE_OUT_OF_SCOPE, MR_CLI_REFUSED},
        {MR_TIMEOUT, MR_CODE_TIMEOUT, MR_CLI_UNREACHABLE},
        {MR_INVALID, MR_CODE_LOCAL_FILE, MR_CLI_LOCAL},
        {MR_CONFLICT, MR_CODE_OUTPUT_EXISTS, MR_CLI_LOCAL},
        {MR_CANCELED, MR_CODE_CANCELED, MR_CLI_INTERRUPTED},
        {MR_CONFLICT, MR_CODE_CONFLICT, MR_CLI_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct mr_err err = {.status = cases[i].status, .code = cases[i].code};
        assert_int_equal(mr_cli_exit_of(&err), cases[i].expected);
    }
    assert_int_equal(mr_cli_exit_join(MR_CLI_DONE, MR_CLI_LOCAL), MR_CLI_LOCAL);
    assert_int_equal(mr_cli_exit_join(MR_CLI_LOCAL, MR_CLI_LOCAL), MR_CLI_LOCAL);
    assert_int_equal(mr_cli_exit_join(MR_CLI_LOCAL, MR_CLI_FAILED), MR_CLI_FAILED);
    assert_int_equal(mr_cli_exit_join(MR_CLI_FAILED, MR_CLI_UNREACHABLE), MR_CLI_UNREACHABLE);
    for (size_t i = 0; mr_cli_exit_at(i); i++)
        assert_true(i == 0 || mr_cli_exit_at(i)->number > mr_cli_exit_at(i - 1)->number);
}

static void servers(void **state)
{
    (void)state;
    static const struct {
        const char *given, *expected; /* NULL: refused */
    } cases[] = {
        {"http://localhost:8080", "http://localhost:8080"},
        {"https://a.example/", "https://a.example"},
        {"https://a.example/media//", "https://a.example/media"},
        {"localhost:8080", NULL},
        {"ftp://a", NULL},
        {"http://u:p@a", NULL},
        {"http://a?b", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_STR char *server = NULL;
        assert_int_equal(mr_cli_server_of(cases[i].given, &server, NULL),
                         cases[i].expected ? MR_OK : MR_INVALID);
        if (cases[i].expected)
            assert_string_equal(server, cases[i].expected);
    }
}

static void output_paths(void **state)
{
    (void)state;
    static const struct {
        const char *wanted, *name, *expected; /* NULL: refused */
    } cases[] = {
        {NULL, "a.mp3", "a.mp3"},
        {"b.mp3", "a.mp3", "b.mp3"},
        {"no/", "a.mp3", "no/a.mp3"},
        {"there", "a.mp3", "there/a.mp3"},
        {NULL, "../../a.mp3", "a.mp3"},
        {NULL, "a\x1b[2J", "a_[2J"},
        {NULL, "", NULL},
        {NULL, "..", NULL},
        {"there", "a/", NULL},
    };
    assert_int_equal(mkdir("there", 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_STR char *path = NULL;
        enum mr_status status = mr_cli_output_path(cases[i].wanted, cases[i].name, &path, NULL);
        assert_int_equal(status, cases[i].expected ? MR_OK : MR_INVALID);
        if (cases[i].expected)
            assert_string_equal(path, cases[i].expected);
    }
    MR_AUTO_STR char *none = (char *)NULL;
    assert_int_equal(mr_cli_output_path("-", "a", &none, NULL), MR_OK);
    assert_null(none);
}

static void output_appears_whole_or_not_at_all(void **state)
{
    (void)state;
    struct mr_err err = {0};
    for (int round = 0; round < 2; round++) {
        MR_AUTO(mr_cli_output) struct mr_cli_output output = MR_CLI_OUTPUT_INIT;
        assert_int_equal(mr_cli_output_open("there/result", round > 0, &output, &err), MR_OK);
        assert_int_equal(write(output.fd, "x", 1), 1);
        if (round == 0)
            assert_int_equal(mr_cli_output_check("there/result", NULL), MR_OK);
        assert_int_equal(mr_cli_output_finish(&output, &err), MR_OK);
        assert_int_equal(mr_cli_output_check("there/result", &err), MR_CONFLICT);
    }
    MR_AUTO(mr_cli_output) struct mr_cli_output late = MR_CLI_OUTPUT_INIT;
    assert_int_equal(mr_cli_output_open("there/late", false, &late, &err), MR_OK);
    close(open("there/late", O_CREAT | O_WRONLY, 0600));
    assert_int_equal(mr_cli_output_finish(&late, &err), MR_CONFLICT);
    assert_int_equal(err.code, MR_CODE_OUTPUT_EXISTS);
    mr_cli_output_free(&late);
    assert_int_equal(mr_cli_output_open("nowhere/x", false, &late, &err), MR_INVALID);
    assert_int_equal(err.code, MR_CODE_LOCAL_FILE);
}

static void stored_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *range;
        int64_t expected; /* -1: refused */
    } cases[] = {{"", 0},           {"bytes=0-0", 1}, {"bytes=0-99", 100}, {"bytes=0-100", -1},
                 {"bytes=1-5", -1}, {"0-5", -1},      {"bytes=0-", -1},    {"bytes=0--1", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t stored = -1;
        assert_int_equal(mr_cli_stored_of(cases[i].range, 100, &stored), cases[i].expected >= 0);
        assert_int_equal(stored, cases[i].expected);
    }
    char crc[9];
    assert_true(mr_cli_crc32c_of("crc32c=AAAAAA==, md5=x", crc));
    assert_string_equal(crc, "AAAAAA==");
    assert_true(mr_cli_crc32c_of("md5=x,crc32c=yZRlqg==", crc));
    assert_false(mr_cli_crc32c_of("md5=x", crc));
    assert_false(mr_cli_crc32c_of("crc32c=short", crc));
}

/* A client with a server that plays a script. */
struct world {
    struct mr_cli_settings settings;
    struct mr_cli_arguments arguments;
    struct fake_http *fake;
    struct mr_http_client *http;
    struct mr_cli cli;
    struct mr_cli_input input;
    char bytes[FILE_BYTES];
};

static int begin(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    world->fake = fake_http_start();
    assert_int_equal(mr_http_client_new("test", &world->http, NULL), MR_OK);
    world->settings = (struct mr_cli_settings){.server = (char *)fake_http_url(world->fake),
                                               .state_directory = (char *)"kept/mediarun"};
    world->cli = (struct mr_cli){.settings = &world->settings,
                                 .arguments = &world->arguments,
                                 .http = world->http,
                                 .key = "mr_secret"};
    sigemptyset(&world->cli.signals);
    for (size_t i = 0; i < FILE_BYTES; i++)
        world->bytes[i] = (char)(i * 7 + i / 256);
    int fd = open("input", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_int_equal(write(fd, world->bytes, FILE_BYTES), FILE_BYTES);
    close(fd);
    world->input = MR_CLI_INPUT_INIT;
    assert_int_equal(mr_cli_input_open(&world->cli, "input", NULL, &world->input, NULL), MR_OK);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;
    mr_cli_input_free(&world->input);
    mr_http_client_free(world->http);
    fake_http_stop(world->fake);
    free(world);
    return 0;
}

static const struct mr_cli_session *session_of(struct world *world)
{
    static struct mr_cli_session session = {.upload_id = "00000000-0000-4000-8000-000000000000",
                                            .chunk_multiple = MULTIPLE};
    snprintf(session.url, sizeof session.url, "%s/session", world->settings.server);
    return &session;
}

static void upload_goes_on_after_a_cut_connection(void **state)
{
    struct world *world = *state;
    char crc[9], body[64];
    mr_crc32c_text(mr_crc32c(0, world->bytes, FILE_BYTES), crc);
    snprintf(body, sizeof body, "{\"crc32c\":\"%s\"}", crc);
    const struct fake_step steps[] = {
        {.status = 0, .end = FAKE_RESET},
        {.status = 503},
        {.status = 308, .headers = "Range: bytes=0-262143\r\n"},
        {.status = 200, .body = body},
    };
    FAKE_SCRIPT(world->fake, steps);
    assert_int_equal(mr_cli_upload_send(&world->cli, session_of(world), &world->input, true, NULL), MR_OK);
    assert_int_equal(fake_http_count(world->fake), 4);
    assert_true(fake_http_has_line(world->fake, 0, "Content-Range: bytes 0-263143/263144"));
    assert_true(fake_http_has_line(world->fake, 1, "Content-Range: bytes */263144"));
    assert_true(fake_http_has_line(world->fake, 3, "Content-Range: bytes 262144-263143/263144"));
    size_t len = 0;
    const char *rest = fake_http_body(world->fake, 3, &len);
    assert_int_equal(len, 1000);
    assert_memory_equal(rest, world->bytes + MULTIPLE, len);
    assert_null(strstr(fake_http_head(world->fake, 0), "mr_secret"));
}

static void upload_that_cannot_go_on(void **state)
{
    struct world *world = *state;
    static const struct {
        struct fake_step step;
        bool is_new;
        enum mr_code expected;
    } cases[] = {
        {{.status = 404}, false, MR_CODE_SESSION_LOST},
        {{.status = 410}, true, MR_CODE_SESSION_LOST},
        {{.status = 403}, true, MR_CODE_DENIED},
        {{.status = 200, .body = "{\"crc32c\":\"AAAAAA==\"}"}, true, MR_CODE_CORRUPTED},
        {{.status = 200, .body = "{\"crc32c\":\"AAAAAA==\"}"}, false, MR_CODE_CORRUPTED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        fake_http_script(world->fake, &cases[i].step, 1, false);
        assert_int_not_equal(
            mr_cli_upload_send(&world->cli, session_of(world), &world->input, cases[i].is_new, &err), MR_OK);
        assert_int_equal(err.code, cases[i].expected);
        assert_int_equal(fake_http_count(world->fake), 1);
    }
}

static void file_that_becomes_shorter(void **state)
{
    struct world *world = *state;
    struct mr_err err = {0};
    const struct fake_step steps[] = {{.status = 200}};
    assert_int_equal(truncate("input", 100), 0);
    FAKE_SCRIPT(world->fake, steps);
    assert_int_equal(mr_cli_upload_send(&world->cli, session_of(world), &world->input, true, &err),
                     MR_CONFLICT);
    assert_int_equal(err.code, MR_CODE_FILE_CHANGED);
    assert_int_equal(mr_cli_input_check(&world->input, &err), MR_CONFLICT);
}

static enum mr_status fetch(struct world *world, int64_t size, struct mr_err *err)
{
    MR_AUTO(mr_cli_output) struct mr_cli_output output = MR_CLI_OUTPUT_INIT;
    const struct mr_cli_fetch wanted = {.file_id = "f", .n = 2, .size = size};
    MR_TRY(mr_cli_output_open("fetched", true, &output, err));
    MR_TRY(mr_cli_fetch(&world->cli, &wanted, &output, err));
    return mr_cli_output_finish(&output, err);
}

static void assert_fetched(const char *expected)
{
    char content[64] = "";
    int fd = open("fetched", O_RDONLY);
    assert_true(read(fd, content, sizeof content - 1) >= 0);
    close(fd);
    assert_string_equal(content, expected);
}

static void download_goes_on_where_it_broke(void **state)
{
    struct world *world = *state;
    static const struct {
        struct fake_step steps[4];
        const char *second; /* a line of the second request */
        size_t count;
    } cases[] = {
        {{{.status = 200, .headers = "ETag: \"1\"\r\n", .body = "abcd", .announced = 8, .end = FAKE_CLOSE},
          {.status = 206, .headers = "ETag: \"1\"\r\n", .body = "efgh"}},
         "Range: bytes=4-",
         2},
        {{{.status = 200, .headers = "ETag: \"1\"\r\n", .body = "xxxx", .announced = 8, .end = FAKE_CLOSE},
          {.status = 206, .headers = "ETag: \"2\"\r\n", .body = "yyyy"},
          {.status = 200, .headers = "ETag: \"2\"\r\n", .body = "abcdefgh"}},
         "Range: bytes=4-",
         3},
        {{{.status = 200, .body = "xxxx", .announced = 8, .end = FAKE_CLOSE},
          {.status = 200, .body = "abcdefgh"}},
         "Range: bytes=4-",
         2},
        {{{.status = 200, .headers = "x-goog-hash: crc32c=AAAAAA==\r\n", .body = "abcdefgX"},
          {.status = 200, .headers = "x-goog-hash: crc32c=CpQhtw==\r\n", .body = "abcdefgh"}},
         "GET /api/files/f?n=2 HTTP/1.1",
         2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(world->fake, cases[i].steps, cases[i].count, false);
        assert_int_equal(fetch(world, 8, NULL), MR_OK);
        assert_int_equal(fake_http_count(world->fake), cases[i].count);
        assert_true(fake_http_has_line(world->fake, 1, cases[i].second));
        assert_fetched("abcdefgh");
    }
}

static void download_from_storage_has_no_key(void **state)
{
    struct world *world = *state;
    char location[200];
    snprintf(location, sizeof location, "Location: %s/signed\r\n", world->settings.server);
    const struct fake_step steps[] = {{.status = 302, .headers = location}, {.status = 200, .body = "ab"}};
    FAKE_SCRIPT(world->fake, steps);
    assert_int_equal(fetch(world, 2, NULL), MR_OK);
    assert_non_null(strstr(fake_http_head(world->fake, 0), "Bearer mr_secret"));
    assert_null(strstr(fake_http_head(world->fake, 1), "mr_secret"));
    assert_fetched("ab");
}

static void download_that_is_refused_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct mr_err err = {0};
    const struct fake_step steps[] = {
        {.status = 404, .body = "{\"detail\":\"task not found\",\"code\":\"not_found\"}"}};
    unlink("fetched");
    FAKE_SCRIPT(world->fake, steps);
    assert_int_equal(fetch(world, 2, &err), MR_NOT_FOUND);
    assert_string_equal(err.message, "task not found");
    assert_int_equal(mr_cli_output_check("fetched", NULL), MR_OK);
}

/* What a call does after an answer, or none. */
static void calls(void **state)
{
    struct world *world = *state;
    static const struct {
        struct mr_cli_call call;
        struct fake_step steps[3];
        size_t count;
        enum mr_status expected;
        enum mr_code code;
    } cases[] = {
        {{.method = "GET", .path = "/a"}, {{.status = 200, .body = "{}"}}, 1, MR_OK, MR_CODE_NONE},
        {{.method = "GET", .path = "/a"},
         {{.status = 503}, {.status = 200, .body = "{}"}},
         2,
         MR_OK,
         MR_CODE_NONE},
        {{.method = "POST", .path = "/a", .once = true},
         {{.status = 429, .headers = "Retry-After: 0\r\n"}, {.status = 200, .body = "{}"}},
         2,
         MR_OK,
         MR_CODE_NONE},
        {{.method = "POST", .path = "/a", .idempotency_key = "k"},
         {{.status = 0, .end = FAKE_RESET}, {.status = 201, .body = "{}"}},
         2,
         MR_OK,
         MR_CODE_NONE},
        {{.method = "POST", .path = "/a", .once = true},
         {{.status = 0, .end = FAKE_RESET}},
         1,
         MR_UNAVAILABLE,
         MR_CODE_UNAVAILABLE},
        {{.method = "POST", .path = "/a", .once = true},
         {{.status = 503}},
         1,
         MR_UNAVAILABLE,
         MR_CODE_UNAVAILABLE},
        {{.method = "GET", .path = "/a"},
         {{.status = 429, .headers = "Retry-After: 61\r\n"}},
         1,
         MR_EXHAUSTED,
         MR_CODE_EXHAUSTED},
        {{.method = "GET", .path = "/a"},
         {{.status = 401, .body = "{\"detail\":\"key: revoked\",\"code\":\"bad_api_key\"}"}},
         1,
         MR_UNAUTHENTICATED,
         MR_CODE_BAD_API_KEY},
        {{.method = "GET", .path = "/a"},
         {{.status = 400, .body = "{\"detail\":\"a\",\"code\":\"of_a_later_server\"}"}},
         1,
         MR_INVALID,
         MR_CODE_INVALID},
        {{.method = "GET", .path = "/a"}, {{.status = 302}}, 1, MR_UNAVAILABLE, MR_CODE_UNAVAILABLE},
        {{.method = "GET", .path = "/a"},
         {{.status = 200, .body = "<html>"}},
         1,
         MR_UNAVAILABLE,
         MR_CODE_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        MR_AUTO_JSON json_t *answer = NULL;
        struct mr_err err = {0};
        fake_http_script(world->fake, cases[i].steps, cases[i].count, false);
        enum mr_status status = mr_cli_call(&world->cli, &cases[i].call, &answer, &err);
        if (status != cases[i].expected || err.code != cases[i].code ||
            fake_http_count(world->fake) != cases[i].count)
            fail_msg("case %zu: %d %s after %zu requests", i, status, err.message,
                     fake_http_count(world->fake));
    }
    const struct fake_step gone[] = {{.status = 0, .end = FAKE_RESET}, {.status = 404}};
    const struct mr_cli_call call = {.method = "DELETE", .path = "/a"};
    FAKE_SCRIPT(world->fake, gone);
    assert_int_equal(mr_cli_call(&world->cli, &call, NULL, NULL), MR_OK); /* the first one deleted it */
}

static void server_that_never_answered(void **state)
{
    struct world *world = *state;
    struct mr_err err = {0};
    char server[64];
    const struct mr_cli_call call = {.method = "GET", .path = "/a"};
    snprintf(server, sizeof server, "http://127.0.0.1:%d", fake_closed_port());
    world->settings.server = server;
    int64_t began_us = mr_time_monotonic_us();
    assert_int_equal(mr_cli_call(&world->cli, &call, NULL, &err), MR_UNAVAILABLE);
    assert_true(mr_time_monotonic_us() - began_us < 5000000);
    assert_true(strncmp(err.message, server, strlen(server)) == 0);
}

#define PROCESSING "{\"id\":7,\"status\":\"processing\",\"progress\":10.0}"
#define PROCESSED  "{\"id\":7,\"status\":\"processed\",\"progress\":100.0}"

static void waits_by_events_or_by_asking(void **state)
{
    struct world *world = *state;
    static const struct fake_step streams[] = {
        {.status = 200,
         .body =
             "id: 1\nevent: progress\ndata: " PROCESSING "\n\n:\n\nevent: result\ndata: " PROCESSED "\n\n"},
        {.status = 200,
         .body = "event: state\ndata: " PROCESSING "\n\n",
         .announced = 9999,
         .end = FAKE_CLOSE},
        {.status = 429, .body = "{\"code\":\"quota_event_streams\"}"},
        {.status = 500},
        {.status = 200, .body = "data: \n\ndata: [1]\n\ndata: {\"progress\":\"x\"}\n\n\xff"},
    };
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        MR_AUTO_JSON json_t *task = NULL;
        const struct fake_step steps[] = {
            {.status = 200, .body = PROCESSING}, streams[i], {.status = 200, .body = PROCESSED}};
        FAKE_SCRIPT(world->fake, steps);
        assert_int_equal(mr_cli_task_wait(&world->cli, "7", "a.wav", &task, NULL), MR_OK);
        assert_string_equal(mr_cli_text(task, "status"), "processed");
        assert_true(fake_http_has_line(world->fake, 1, "GET /api/tasks/7/events HTTP/1.1"));
        assert_int_equal(fake_http_count(world->fake), 3);
    }
}

static void lists_page_by_page(void **state)
{
    struct world *world = *state;
    static const struct fake_step steps[] = {{.status = 200, .body = "[{\"id\":9},{\"id\":5}]"},
                                             {.status = 200, .body = "[]"}};
    world->arguments.max = 150;
    world->arguments.json = true;
    world->arguments.status = "failed,a b";
    FAKE_SCRIPT(world->fake, steps);
    assert_int_equal(mr_cli_list(&world->cli), MR_CLI_DONE);
    assert_true(
        fake_http_has_line(world->fake, 0, "GET /api/tasks?order=1&max=100&status=failed%2Ca%20b HTTP/1.1"));
    assert_true(fake_http_has_line(world->fake, 1,
                                   "GET /api/tasks?order=1&max=100&after=5&status=failed%2Ca%20b HTTP/1.1"));
}

static void state_of_an_upload(void **state)
{
    struct world *world = *state;
    MR_AUTO(mr_cli_upload_state) struct mr_cli_upload_state kept = MR_CLI_UPLOAD_STATE_INIT;
    MR_AUTO(mr_cli_upload_state) struct mr_cli_upload_state other = MR_CLI_UPLOAD_STATE_INIT;
    struct stat found;
    assert_int_equal(mr_cli_upload_state_open(&world->settings, &world->input, &kept, NULL), MR_OK);
    assert_false(kept.has_session || kept.is_changed);
    kept.session = *session_of(world);
    assert_int_equal(mr_cli_upload_state_save(&kept, &world->settings, &world->input, NULL), MR_OK);
    assert_int_equal(stat(kept.path, &found), 0);
    assert_int_equal(found.st_mode & 0777, 0600);

    assert_int_equal(mr_cli_upload_state_open(&world->settings, &world->input, &other, NULL), MR_OK);
    assert_int_equal(other.fd, -1); /* another program has it */
    mr_cli_upload_state_free(&other);
    mr_cli_upload_state_free(&kept);

    assert_int_equal(mr_cli_upload_state_open(&world->settings, &world->input, &kept, NULL), MR_OK);
    assert_true(kept.has_session && !kept.is_changed && !kept.session.is_sent);
    assert_string_equal(kept.session.url, session_of(world)->url);
    mr_cli_upload_state_free(&kept);

    world->input.modified_ns++;
    assert_int_equal(mr_cli_upload_state_open(&world->settings, &world->input, &kept, NULL), MR_OK);
    assert_true(kept.is_changed && !kept.has_session);
    assert_int_equal(ftruncate(kept.fd, 20), 0); /* a crash has cut it */
    mr_cli_upload_state_free(&kept);
    assert_int_equal(mr_cli_upload_state_open(&world->settings, &world->input, &kept, NULL), MR_OK);
    assert_false(kept.has_session || kept.is_changed);
    MR_AUTO_STR char *path = strdup(kept.path);
    mr_cli_upload_state_free(&kept);
    assert_int_equal(stat(path, &found), -1); /* there was nothing in it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments),
        cmocka_unit_test(an_argument_after_its_options),
        cmocka_unit_test(options),
        cmocka_unit_test(exit_statuses),
        cmocka_unit_test(servers),
        cmocka_unit_test(output_paths),
        cmocka_unit_test(output_appears_whole_or_not_at_all),
        cmocka_unit_test(stored_ranges),
        cmocka_unit_test_setup_teardown(upload_goes_on_after_a_cut_connection, begin, end),
        cmocka_unit_test_setup_teardown(upload_that_cannot_go_on, begin, end),
        cmocka_unit_test_setup_teardown(file_that_becomes_shorter, begin, end),
        cmocka_unit_test_setup_teardown(download_goes_on_where_it_broke, begin, end),
        cmocka_unit_test_setup_teardown(download_from_storage_has_no_key, begin, end),
        cmocka_unit_test_setup_teardown(download_that_is_refused_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(calls, begin, end),
        cmocka_unit_test_setup_teardown(server_that_never_answered, begin, end),
        cmocka_unit_test_setup_teardown(waits_by_events_or_by_asking, begin, end),
        cmocka_unit_test_setup_teardown(lists_page_by_page, begin, end),
        cmocka_unit_test_setup_teardown(state_of_an_upload, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
