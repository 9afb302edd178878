/* Uploads to a scripted Cloud Storage: in one request, in a session, and each way in which they can break. */
#include "shared/base/clock.h"
#include "shared/base/crc32c.h"
#include "shared/gcp/storage.h"
#include "tests/unit/fixture_storage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { CHUNK = 256 * 1024, BIG = 2 * CHUNK + 1000 };

struct fixture {
    char *data;         /* BIG bytes */
    char location[160]; /* a session's header line */
    char object[400];   /* the resource of BIG bytes */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    fixture_storage_start("bucket", CHUNK);
    f->data = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        f->data[i] = (char)(i * 7 + i / 256);
    snprintf(f->location, sizeof f->location, "Location: %s/session?upload_id=secret\r\n",
             fake_http_url(test_fake));
    fixture_object_json(f->object, sizeof f->object, f->data, BIG);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    fixture_storage_stop();
    free(f->data);
    free(f);
    return 0;
}

static void puts_in_one_request(void **state)
{
    (void)state;
    char json[300];
    fixture_object_json(json, sizeof json, "a\0b", 3);
    struct fake_step steps[] = {{.status = 200, .body = json}};
    FAKE_SCRIPT(test_fake, steps);
    struct mr_object object = {0};
    struct mr_err err = {0};
    assert_int_equal(mr_storage_put(test_storage, "d/n", "audio/mpeg", "a\0b", 3, &object, &err), MR_OK);
    assert_true(object.size == 3 && object.generation == 77);
    assert_true(
        fake_http_has_line(test_fake, 0,
                           "POST /upload/storage/v1/b/bucket/o?uploadType=multipart&ifGenerationMatch=0"
                           "&fields=size,generation,crc32c,contentType HTTP/1.1"));
    const char *type = strstr(fake_http_head(test_fake, 0), "boundary=\"");
    assert_non_null(type);
    char boundary[64], crc[9], expected[1000];
    snprintf(boundary, sizeof boundary, "%.*s", (int)strcspn(type + 10, "\""), type + 10);
    mr_crc32c_text(mr_crc32c(0, "a\0b", 3), crc);
    int head = snprintf(expected, sizeof expected,
                        "--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n"
                        "{\"name\":\"d/n\",\"contentType\":\"audio/mpeg\",\"crc32c\":\"%s\"}\r\n"
                        "--%s\r\nContent-Type: audio/mpeg\r\n\r\na.b\r\n--%s--\r\n",
                        boundary, crc, boundary, boundary);
    size_t len = 0;
    const char *body = fake_http_body(test_fake, 0, &len);
    assert_int_equal(len, head);
    *strstr(expected, "a.b\r\n--") = 'a';
    strstr(expected, "a.b\r\n--")[1] = '\0';
    assert_memory_equal(body, expected, len);
    assert_int_equal(mr_storage_put(test_storage, "n", "a/b\r\nX: y", "x", 1, &object, &err), MR_INVALID);
}

static void puts_despite_failures(void **state)
{
    (void)state;
    char good[300], other[300];
    fixture_object_json(good, sizeof good, "hello", 5);
    fixture_object_json(other, sizeof other, "jello", 5);
    const struct {
        const char *name;
        struct fake_step steps[4];
        size_t count;
        enum mr_status expected;
    } cases[] = {
        {"503 then 200", {{.status = 503}, {.status = 200, .body = good}}, 2, MR_OK},
        {"429 then 200", {{.status = 429}, {.status = 200, .body = good}}, 2, MR_OK},
        {"exists", {{.status = 412}}, 1, MR_UNAVAILABLE},
        {"our own lost success",
         {{.end = FAKE_RESET}, {.status = 412}, {.status = 200, .body = good}},
         3,
         MR_OK},
        {"someone else's object",
         {{.end = FAKE_RESET}, {.status = 412}, {.status = 200, .body = other}},
         3,
         MR_UNAVAILABLE},
        {"gone again", {{.end = FAKE_RESET}, {.status = 412}, {.status = 404}}, 3, MR_UNAVAILABLE},
        {"wrong checksum, deleted", {{.status = 200, .body = other}, {.status = 204}}, 2, MR_UNAVAILABLE},
        {"refused by the server",
         {{.status = 400, .body = "{\"error\":{\"message\":\"crc\"}}"}},
         1,
         MR_UNAVAILABLE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        struct mr_object object = {0};
        struct mr_err err = {0};
        enum mr_status status = mr_storage_put(test_storage, "n", "a/b", "hello", 5, &object, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        assert_int_equal(fake_http_count(test_fake), cases[i].count);
        assert_int_equal(object.size, status == MR_OK ? 5 : 0);
    }
}

/* Writes len bytes in parts of an odd size and finishes. */
static enum mr_status upload(struct fixture *f, size_t len, struct mr_object *ret, struct mr_err *err)
{
    MR_AUTO(mr_upload) struct mr_upload *up = NULL;
    enum mr_status status = mr_upload_begin(test_storage, "out/n", "audio/mpeg", &up, err);
    for (size_t at = 0; at < len && status == MR_OK; at += 30011) {
        size_t part = len - at < 30011 ? len - at : 30011;
        status = mr_upload_write(up, f->data + at, part, err);
    }
    if (status == MR_OK)
        assert_int_equal(mr_upload_size(up), len);
    return status == MR_OK ? mr_upload_finish(up, ret, err) : status;
}

static void small_uploads_take_one_request(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, CHUNK - 1, CHUNK};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char json[300];
        fixture_object_json(json, sizeof json, f->data, sizes[i]);
        struct fake_step steps[] = {{.status = 200, .body = json}};
        FAKE_SCRIPT(test_fake, steps);
        struct mr_object object = {0};
        struct mr_err err = {0};
        if (upload(f, sizes[i], &object, &err) != MR_OK)
            fail_msg("%zu bytes: %s", sizes[i], err.message);
        assert_int_equal(object.size, sizes[i]);
        assert_int_equal(fake_http_count(test_fake), 1);
        assert_non_null(strstr(fake_http_head(test_fake, 0), "uploadType=multipart"));
    }
}

#define SENT(i, from, to, total)                                                                             \
    {                                                                                                        \
        i, "Content-Range: bytes " #from "-" #to "/" #total                                                  \
    }
#define C1_END "bytes=0-262143"
#define C2_END "bytes=0-524287"
#define STORED(range)                                                                                        \
    {                                                                                                        \
        .status = 308, .headers = "Range: " range "\r\n"                                                     \
    }

/* 0: session; then chunks of 262144 and the rest, up to 525288 bytes. */
static void large_uploads_take_a_session(void **state)
{
    struct fixture *f = *state;
    struct fake_step begin = {.status = 200, .headers = f->location};
    struct fake_step done = {.status = 200, .body = f->object};
    struct fake_step c1 = STORED(C1_END), c2 = STORED(C2_END), none = {.status = 308};
    struct fake_step half = STORED("bytes=0-131071"), most = STORED("bytes=0-393215");
    struct fake_step nearly = STORED("bytes=0-525287");
    struct fake_step lost = {.end = FAKE_RESET}, busy = {.status = 503}, cancel = {.status = 499};
    const struct {
        const char *name;
        struct fake_step steps[9];
        size_t count;
        enum mr_status expected;
        struct {
            size_t i;
            const char *line;
        } lines[4];
    } cases[] = {
        {"straight",
         {begin, c1, c2, done},
         4,
         MR_OK,
         {SENT(1, 0, 262143, *), SENT(2, 262144, 524287, *), SENT(3, 524288, 525287, 525288)}},
        {"session refused once", {busy, begin, c1, c2, done}, 5, MR_OK, {{0, NULL}}},
        {"308 without Range: nothing stored, sent again",
         {begin, none, c1, c2, done},
         5,
         MR_OK,
         {SENT(1, 0, 262143, *), SENT(2, 0, 262143, *)}},
        {"short Range: goes on from there",
         {begin, half, most, done},
         4,
         MR_OK,
         {SENT(2, 131072, 393215, *), SENT(3, 393216, 525287, 525288)}},
        {"chunk lost, nothing had arrived",
         {begin, lost, none, c1, c2, done},
         6,
         MR_OK,
         {{2, "Content-Range: bytes */*"}, SENT(3, 0, 262143, *)}},
        {"503, but all had arrived",
         {begin, busy, c1, c2, done},
         5,
         MR_OK,
         {{2, "Content-Range: bytes */*"}, SENT(3, 262144, 524287, *)}},
        {"lost final answer", {begin, c1, c2, lost, done}, 5, MR_OK, {{4, "Content-Range: bytes */525288"}}},
        {"lost final chunk",
         {begin, c1, c2, lost, c2, done},
         6,
         MR_OK,
         {{4, "Content-Range: bytes */525288"}, SENT(5, 524288, 525287, 525288)}},
        {"all stored but not final",
         {begin, c1, c2, nearly, done},
         5,
         MR_OK,
         {{4, "Content-Range: bytes */525288"}}},
        {"412 of our own success",
         {begin, c1, c2, lost, {.status = 412}, done},
         6,
         MR_OK,
         {{5, "GET /storage/v1/b/bucket/o/out%2Fn HTTP/1.1"}}},
        {"410 after our own success", {begin, c1, c2, lost, {.status = 410}, done}, 6, MR_OK, {{0, NULL}}},
        {"exists", {begin, c1, c2, {.status = 412}, cancel}, 5, MR_UNAVAILABLE, {{0, NULL}}},
        {"session gone",
         {begin, c1, {.status = 410}, cancel},
         4,
         MR_UNAVAILABLE,
         {{3, "DELETE /session?upload_id=secret HTTP/1.1"}, {3, "Content-Length: 0"}}},
        {"session forgot bytes", {begin, c1, half, cancel}, 4, MR_UNAVAILABLE, {{0, NULL}}},
        {"session invents bytes", {begin, nearly, cancel}, 3, MR_UNAVAILABLE, {{0, NULL}}},
        {"unreadable Range", {begin, STORED("bytes=5-9"), cancel}, 3, MR_UNAVAILABLE, {{0, NULL}}},
        {"forbidden", {begin, {.status = 403}, cancel}, 3, MR_UNAVAILABLE, {{0, NULL}}},
        {"no session URI", {{.status = 200}}, 1, MR_UNAVAILABLE, {{0, NULL}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_http_script(test_fake, cases[i].steps, cases[i].count, false);
        struct mr_object object = {0};
        struct mr_err err = {0};
        enum mr_status status = upload(f, BIG, &object, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        if (fake_http_count(test_fake) != cases[i].count)
            fail_msg("%s: %zu requests", cases[i].name, fake_http_count(test_fake));
        for (size_t k = 0; k < 4 && cases[i].lines[k].line; k++)
            assert_true(fake_http_has_line(test_fake, cases[i].lines[k].i, cases[i].lines[k].line));
        assert_null(strstr(err.message, "secret"));
        assert_int_equal(object.size, status == MR_OK ? BIG : 0);
    }
}

static void sends_every_byte_and_its_checksum(void **state)
{
    struct fixture *f = *state;
    struct fake_step steps[] = {{.status = 200, .headers = f->location},
                                STORED("bytes=0-99999"), /* as no server does, but as one may */
                                STORED("bytes=0-362143"),
                                {.status = 201, .body = f->object}};
    FAKE_SCRIPT(test_fake, steps);
    struct mr_object object = {0};
    struct mr_err err = {0};
    assert_int_equal(upload(f, BIG, &object, &err), MR_OK);
    static const size_t starts[] = {0, 100000, 362144};
    for (size_t i = 0; i < 3; i++) {
        size_t len = 0;
        const char *body = fake_http_body(test_fake, i + 1, &len);
        assert_int_equal(len, i < 2 ? CHUNK : BIG - 362144);
        assert_memory_equal(body, f->data + starts[i], len);
        assert_null(strstr(fake_http_head(test_fake, i + 1), "Authorization"));
    }
    char hash[64], crc[9];
    mr_crc32c_text(mr_crc32c(0, f->data, BIG), crc);
    snprintf(hash, sizeof hash, "x-goog-hash: crc32c=%s", crc);
    assert_true(fake_http_has_line(test_fake, 3, hash));
    assert_null(strstr(fake_http_head(test_fake, 2), "x-goog-hash"));
}

static void refuses_a_wrong_object(void **state)
{
    struct fixture *f = *state;
    char wrong[400];
    f->data[0] ^= 1;
    fixture_object_json(wrong, sizeof wrong, f->data, BIG);
    f->data[0] ^= 1;
    struct fake_step steps[] = {{.status = 200, .headers = f->location}, STORED(C1_END),  STORED(C2_END),
                                {.status = 200, .body = wrong},          {.status = 204}, {.status = 404}};
    FAKE_SCRIPT(test_fake, steps);
    struct mr_object object = {0};
    struct mr_err err = {0};
    assert_int_equal(upload(f, BIG, &object, &err), MR_UNAVAILABLE);
    assert_string_equal(mr_code_name(err.code), "corrupted");
    assert_true(fake_http_has_line(test_fake, 4, "DELETE /storage/v1/b/bucket/o/out%2Fn HTTP/1.1"));
}

static void wait_for_requests(size_t count)
{
    const int64_t deadline_us = mr_time_monotonic_us() + 20 * 1000000;
    while (fake_http_count(test_fake) < count && mr_time_monotonic_us() < deadline_us)
        usleep(1000);
    assert_true(fake_http_count(test_fake) >= count);
}

/* A chunk is filled while the one before is sent, and freeing the upload ends a request that gets no answer. */
static void one_chunk_is_sent_while_the_next_is_filled(void **state)
{
    struct fixture *f = *state;
    struct fake_step steps[] = {{.status = 200, .headers = f->location}, {.status = 0}, {.status = 499}};
    FAKE_SCRIPT(test_fake, steps);
    struct mr_upload *up = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_upload_begin(test_storage, "n", "a/b", &up, &err), MR_OK);
    assert_int_equal(mr_upload_write(up, f->data, 2 * CHUNK, &err), MR_OK);
    wait_for_requests(2);
    assert_int_equal(fake_http_count(test_fake), 2);
    assert_int_equal(mr_upload_size(up), 2 * CHUNK);
    const int64_t began_us = mr_time_monotonic_us();
    mr_upload_free(up);
    assert_true(mr_time_monotonic_us() - began_us < 10 * 1000000);
    assert_int_equal(fake_http_count(test_fake), 3);
    assert_true(fake_http_has_line(test_fake, 2, "DELETE /session?upload_id=secret HTTP/1.1"));
}

static void aborting_cancels_the_session(void **state)
{
    struct fixture *f = *state;
    struct fake_step steps[] = {{.status = 200, .headers = f->location}, STORED(C1_END), {.status = 499}};
    FAKE_SCRIPT(test_fake, steps);
    struct mr_upload *up = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_upload_begin(test_storage, "n", "a/b", &up, &err), MR_OK);
    assert_int_equal(mr_upload_write(up, f->data, CHUNK + 1, &err), MR_OK);
    wait_for_requests(2);
    mr_upload_free(up);
    assert_int_equal(fake_http_count(test_fake), 3);
    assert_true(fake_http_has_line(test_fake, 2, "DELETE /session?upload_id=secret HTTP/1.1"));

    FAKE_SCRIPT(test_fake, steps); /* nothing was sent, nothing is to be canceled */
    assert_int_equal(mr_upload_begin(test_storage, "n", "a/b", &up, &err), MR_OK);
    assert_int_equal(mr_upload_write(up, f->data, CHUNK, &err), MR_OK);
    mr_upload_free(up);
    assert_int_equal(fake_http_count(test_fake), 0);
}

/* The failure of a chunk is returned when the next one is full, or at the end. */
static void a_failed_write_ends_the_upload(void **state)
{
    struct fixture *f = *state;
    static const struct fake_step steps[] = {{.status = 403}, {.status = 200, .body = "{}"}};
    for (size_t more = 0; more <= CHUNK; more += CHUNK) {
        FAKE_SCRIPT(test_fake, steps);
        MR_AUTO(mr_upload) struct mr_upload *up = NULL;
        struct mr_object object = {0};
        struct mr_err err = {0};
        assert_int_equal(mr_upload_begin(test_storage, "n", "a/b", &up, &err), MR_OK);
        assert_int_equal(mr_upload_write(up, f->data, CHUNK + 1, &err), MR_OK);
        if (more)
            assert_int_equal(mr_upload_write(up, f->data, more, &err), MR_UNAVAILABLE);
        else
            assert_int_equal(mr_upload_finish(up, &object, &err), MR_UNAVAILABLE);
        assert_int_equal(mr_upload_write(up, f->data, 1, &err), MR_INTERNAL);
        assert_int_equal(mr_upload_finish(up, &object, &err), MR_INTERNAL);
        assert_int_equal(fake_http_count(test_fake), 1);
    }
}

int main(void)
{
#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH_SERVER(puts_in_one_request),
        WITH_SERVER(puts_despite_failures),
        WITH_SERVER(small_uploads_take_one_request),
        WITH_SERVER(large_uploads_take_a_session),
        WITH_SERVER(sends_every_byte_and_its_checksum),
        WITH_SERVER(refuses_a_wrong_object),
        WITH_SERVER(one_chunk_is_sent_while_the_next_is_filled),
        WITH_SERVER(aborting_cancels_the_session),
        WITH_SERVER(a_failed_write_ends_the_upload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
