/* The read-ahead over a scripted storage: what is asked for, in which order, and what a failure does. */
#include "shared/base/crc32c.h"
#include "tests/unit/fixture_storage.h"
#include "worker/read_ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { MIB = 1 << 20, BLOCKS = 6, TAIL = 1000, SIZE = BLOCKS * MIB + TAIL };

static char *content;
static char headers[BLOCKS + 1][300];
static char whole_crc[9];

static int setup(void **state)
{
    (void)state;
    content = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        content[i] = (char)(i * 31 + (i >> 12));
    mr_crc32c_text(mr_crc32c(0, content, SIZE), whole_crc);
    fixture_storage_start("b", 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_storage_stop();
    free(content);
    return 0;
}

static size_t block_len(int block)
{
    return block < BLOCKS ? MIB : TAIL;
}

/* The answer to a request for one block. */
static struct fake_step answer_of(int block)
{
    size_t len = block_len(block);
    long long first = (long long)block * MIB;
    snprintf(headers[block], sizeof headers[block],
             "Content-Range: bytes %lld-%lld/%d\r\nx-goog-generation: 7\r\n"
             "x-goog-hash: crc32c=%s\r\nx-goog-hash: md5=1B2M2Y8AsgTpgAmY7PhCfg==\r\n",
             first, first + (long long)len - 1, SIZE, whole_crc);
    return (struct fake_step){
        .status = 206, .headers = headers[block], .body = content + first, .body_len = len};
}

static void play(const int *blocks, size_t count)
{
    struct fake_step steps[16];
    for (size_t i = 0; i < count; i++)
        steps[i] = answer_of(blocks[i]);
    fake_http_script(test_fake, steps, count, false);
}

static struct mr_read_ahead *open_input(void)
{
    struct mr_read_ahead *input = NULL;
    struct mr_err err = {0};
    assert_int_equal(mr_read_ahead_new(test_storage, "inputs/x", 7, SIZE, &input, &err), MR_OK);
    return input;
}

static void assert_reads(struct mr_read_ahead *input, int64_t offset, size_t len)
{
    char *got = malloc(len);
    size_t done = 0;
    while (done < len) {
        size_t n = 0;
        struct mr_err err = {0};
        assert_int_equal(mr_read_ahead_read(input, offset + (int64_t)done, got + done, len - done, &n, &err),
                         MR_OK);
        assert_true(n > 0 && n <= len - done);
        done += n;
    }
    assert_memory_equal(got, content + offset, len);
    free(got);
}

static void it_reads_through(void **state)
{
    (void)state;
    static const int order[] = {0, 1, 2, 3, 4, 5, 6};
    play(order, 7);
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
    for (int64_t offset = 0; offset < SIZE; offset += 100000)
        assert_reads(input, offset, SIZE - offset < 100000 ? (size_t)(SIZE - offset) : 100000);
    assert_int_equal(fake_http_count(test_fake), 7); /* each block once */
    assert_non_null(strstr(fake_http_head(test_fake, 0), "generation=7"));
    char past[10];
    size_t n = 1;
    struct mr_err err = {0};
    assert_int_equal(mr_read_ahead_read(input, SIZE, past, sizeof past, &n, &err), MR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(mr_read_ahead_read(input, INT64_MAX, past, sizeof past, &n, &err), MR_OK);
    assert_int_equal(n, 0);
    assert_int_equal(mr_read_ahead_read(input, -1, past, sizeof past, &n, &err), MR_INVALID);
}

/* A look at the end and back, as demuxers do: the first blocks are still there. */
static void it_jumps_and_remembers(void **state)
{
    (void)state;
    static const int order[] = {6, 5};
    play(order, 2);
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
    assert_reads(input, SIZE - 128, 128);
    assert_reads(input, (int64_t)BLOCKS * MIB - 10, 20);
    assert_reads(input, SIZE - 128, 128);
    assert_int_equal(fake_http_count(test_fake), 2);
}

static void a_failure_is_told_and_forgotten(void **state)
{
    (void)state;
    struct fake_step steps[] = {{.status = 403, .body = "{}"}, answer_of(6)};
    FAKE_SCRIPT(test_fake, steps);
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
    char bytes[16];
    size_t n = 0;
    struct mr_err err = {0};
    assert_int_not_equal(mr_read_ahead_read(input, (int64_t)BLOCKS * MIB, bytes, sizeof bytes, &n, &err),
                         MR_OK);
    assert_true(err.message[0] != '\0');
    assert_reads(input, (int64_t)BLOCKS * MIB, 16);
}

static void a_lost_object_is_not_found(void **state)
{
    (void)state;
    static const struct fake_step gone[] = {{.status = 404, .body = "{}"}};
    FAKE_SCRIPT(test_fake, gone);
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
    char bytes[16];
    size_t n = 0;
    struct mr_err err = {0};
    assert_int_equal(mr_read_ahead_read(input, 0, bytes, sizeof bytes, &n, &err), MR_NOT_FOUND);
}

static void it_ends_while_it_loads(void **state)
{
    (void)state;
    static const int order[] = {0, 1};
    play(order, 2);
    for (int i = 0; i < 2; i++) {
        MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
        if (i == 0)
            assert_reads(input, 0, 1); /* the next block is on its way when the input is freed */
    }
}

/* Storage that sends these blocks, of which some are damaged, and then this part of the object, if any. */
struct verified {
    const char *name;
    int blocks[8];
    size_t count;
    int damaged;            /* the index in blocks; -1: none */
    int rest_from, rest_to; /* further blocks, in one answer */
    bool rest_damaged;
    int64_t max_bytes;
    enum mr_status expected;
};

static void play_verified(const struct verified *wanted, char *bad)
{
    struct fake_step steps[9];
    static char range[300];
    size_t count = wanted->count;
    for (size_t i = 0; i < count; i++) {
        steps[i] = answer_of(wanted->blocks[i]);
        if ((int)i != wanted->damaged)
            continue;
        char *copy = bad + SIZE;
        memcpy(copy, steps[i].body, steps[i].body_len);
        copy[steps[i].body_len - 1] ^= 1;
        steps[i].body = copy;
    }
    if (wanted->rest_to > wanted->rest_from) {
        long long first = (long long)wanted->rest_from * MIB;
        long long end = wanted->rest_to > BLOCKS ? SIZE : (long long)wanted->rest_to * MIB;
        snprintf(range, sizeof range, "Content-Range: bytes %lld-%lld/%d\r\nx-goog-hash: crc32c=%s\r\n",
                 first, end - 1, SIZE, whole_crc);
        memcpy(bad, content + first, (size_t)(end - first));
        bad[0] = (char)(wanted->rest_damaged ? ~bad[0] : bad[0]);
        steps[count++] = (struct fake_step){
            .status = 206, .headers = range, .body = bad, .body_len = (size_t)(end - first)};
    }
    fake_http_script(test_fake, steps, count, false);
}

static void it_verifies_what_was_read(void **state)
{
    (void)state;
    static const struct verified cases[] = {
        {"all, in order", {0, 1, 2, 3, 4, 5, 6}, 7, -1, 0, 0, false, 0, MR_OK},
        {"all, one damaged", {0, 1, 2, 3, 4, 5, 6}, 7, 3, 0, 0, false, 0, MR_UNAVAILABLE},
        {"the rest is read", {6}, 1, -1, 0, 6, false, 6 * MIB, MR_OK},
        {"damage shows with the rest", {6}, 1, 0, 0, 6, false, 6 * MIB, MR_UNAVAILABLE},
        {"the rest is too much: once more", {6}, 1, -1, 6, 7, false, 6 * MIB - 1, MR_OK},
        {"once more, and it differs", {6}, 1, 0, 6, 7, false, TAIL, MR_UNAVAILABLE},
        {"the second time differs", {6}, 1, -1, 6, 7, true, TAIL, MR_UNAVAILABLE},
        {"both are too much", {6}, 1, 0, 0, 0, false, TAIL - 1, MR_OK},
    };
    char *bad = malloc(SIZE + MIB);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct mr_err err = {0};
        char bytes[8];
        size_t n = 0;
        play_verified(&cases[i], bad);
        MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
        for (size_t k = 0; k < cases[i].count; k++)
            assert_int_equal(mr_read_ahead_read(input, (int64_t)cases[i].blocks[k] * MIB, bytes, 8, &n, &err),
                             MR_OK);
        enum mr_status status = mr_read_ahead_verify(input, cases[i].max_bytes, NULL, NULL, &err);
        if (status != cases[i].expected)
            fail_msg("%s: %s: %s", cases[i].name, mr_status_name(status), err.message);
        if (status != MR_OK)
            assert_int_equal(err.code, MR_CODE_CORRUPTED);
        assert_int_equal(fake_http_count(test_fake), cases[i].count + (cases[i].rest_to > 0));
    }
    free(bad);
}

static bool always(void *ctx)
{
    (void)ctx;
    return true;
}

static void verifying_can_be_canceled(void **state)
{
    (void)state;
    static const struct verified rest = {.blocks = {6}, .count = 1, .damaged = -1, .rest_to = 6};
    char *bad = malloc(SIZE + MIB), byte;
    size_t n = 0;
    struct mr_err err = {0};
    play_verified(&rest, bad);
    MR_AUTO(mr_read_ahead) struct mr_read_ahead *input = open_input();
    assert_int_equal(mr_read_ahead_read(input, (int64_t)BLOCKS * MIB, &byte, 1, &n, &err), MR_OK);
    assert_int_equal(mr_read_ahead_verify(input, SIZE, always, NULL, &err), MR_CANCELED);
    free(bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_through),
        cmocka_unit_test(it_jumps_and_remembers),
        cmocka_unit_test(a_failure_is_told_and_forgotten),
        cmocka_unit_test(a_lost_object_is_not_found),
        cmocka_unit_test(it_ends_while_it_loads),
        cmocka_unit_test(it_verifies_what_was_read),
        cmocka_unit_test(verifying_can_be_canceled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
