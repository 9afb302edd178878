/* The read-ahead over a scripted storage: what is asked for, in which order, and what a failure does. */
#include "tests/unit/fixture_storage.h"
#include "worker/read_ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { MIB = 1 << 20, BLOCKS = 6, TAIL = 1000, SIZE = BLOCKS * MIB + TAIL };

static char *content;
static char headers[BLOCKS + 1][200];

static int setup(void **state)
{
    (void)state;
    content = malloc(SIZE);
    for (int i = 0; i < SIZE; i++)
        content[i] = (char)(i * 31 + (i >> 12));
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
             "Content-Range: bytes %lld-%lld/%d\r\nx-goog-generation: 7\r\n", first,
             first + (long long)len - 1, SIZE);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_reads_through),
        cmocka_unit_test(it_jumps_and_remembers),
        cmocka_unit_test(a_failure_is_told_and_forgotten),
        cmocka_unit_test(a_lost_object_is_not_found),
        cmocka_unit_test(it_ends_while_it_loads),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
