/* The order of output frames, and what goes to storage for small and large outputs. */
#include "tests/unit/fixture_db.h"
#include "tests/unit/fixture_storage.h"
#include "worker/output_writer.h"
#include "worker/protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mr_worker worker;
static const struct mr_job job = {.worker = &worker};

static int setup(void **state)
{
    fixture_db_setup(state);
    fixture_storage_start("b", 0);
    worker.db = test_db;
    worker.cloud.storage = test_storage;
    return 0;
}

static int teardown(void **state)
{
    fixture_storage_stop();
    return fixture_db_teardown(state);
}

struct frame {
    int64_t offset;
    size_t len;
};

/* Writes the frames, all of them letters; the first refusal ends it. */
static enum mr_status write_frames(struct mr_output_writer *writer, const struct frame *frames,
                                   struct mr_err *err)
{
    static char bytes[MR_FRAME_MAX];
    memset(bytes, 'x', sizeof bytes);
    enum mr_status status = MR_OK;
    for (; status == MR_OK && frames->len; frames++)
        status = mr_output_writer_write(writer, frames->offset, bytes, frames->len, err);
    return status;
}

static void frames_out_of_order_are_refused(void **state)
{
    (void)state;
    static const struct frame table[][6] = {
        {{100, 10}, {120, 10}},          /* a gap in the body */
        {{100, 10}, {90, 10}},           /* backwards */
        {{100, 10}, {0, 50}, {110, 10}}, /* body after head */
        {{100, 10}, {0, 50}, {60, 10}},  /* a gap in the head */
        {{0, 10}, {0, 5}},               /* a head where none belongs */
        {{MR_HEAD_MAX + 1, 10}},         /* a head that would be too large */
        {{0, 10}, {0, 10}},              /* twice */
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_output_writer) struct mr_output_writer *writer = NULL;
        struct mr_err err = {0};
        assert_int_equal(mr_output_writer_new(&job, "results/bad", "audio/wav", &writer, &err), MR_OK);
        if (write_frames(writer, table[i], &err) != MR_INVALID)
            fail_msg("row %zu was taken", i);
        assert_string_equal(mr_code_name(err.code), "sandbox_protocol");
    }
}

static void unfinished_outputs_are_refused(void **state)
{
    (void)state;
    static const struct frame table[][3] = {{{0, 0}}, {{100, 10}}, {{100, 10}, {0, 99}}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        MR_AUTO(mr_output_writer) struct mr_output_writer *writer = NULL;
        struct mr_object object;
        struct mr_err err = {0};
        assert_int_equal(mr_output_writer_new(&job, "results/short", "audio/wav", &writer, &err), MR_OK);
        assert_int_equal(write_frames(writer, table[i], &err), MR_OK);
        assert_int_equal(mr_output_writer_finish(writer, &object, &err), MR_INVALID);
        assert_string_equal(mr_code_name(err.code), "sandbox_protocol");
    }
}

/* A refusal by storage is reported unchanged, and the ledger keeps the name that may have been stored. */
static void storage_refuses_and_the_ledger_knows(void **state)
{
    (void)state;
    static const struct frame frames[] = {{0, 10}, {0, 0}};
    static const struct fake_step denied[] = {{.status = 403, .body = "{}"}};
    MR_AUTO(mr_output_writer) struct mr_output_writer *writer = NULL;
    struct mr_object object;
    struct mr_err err = {0};
    FAKE_SCRIPT(test_fake, denied);
    assert_int_equal(mr_output_writer_new(&job, "results/down", "audio/wav", &writer, &err), MR_OK);
    assert_int_equal(write_frames(writer, frames, &err), MR_OK);
    assert_int_equal(mr_output_writer_finish(writer, &object, &err), MR_UNAVAILABLE);
    MR_AUTO_STR char *orphans =
        fixture_db_ask(test_db, "SELECT count(*) AS answer FROM stray_objects WHERE name = 'results/down'");
    assert_string_equal(orphans, "1");
}

/* What Cloud Storage composes must be its parts: another size or checksum is never committed. */
static void a_composed_object_is_compared_with_its_parts(void **state)
{
    (void)state;
    enum { HEAD = 100, FRAME = 64 << 10, FRAMES = 17, BODY = FRAME * FRAMES };
    static char bytes[HEAD + BODY];
    char head[300], body[300], whole[300];
    memset(bytes, 'x', sizeof bytes);
    fixture_object_json(head, sizeof head, bytes, HEAD);
    fixture_object_json(body, sizeof body, bytes, BODY);
    for (int damaged = 0; damaged < 2; damaged++) {
        MR_AUTO(mr_output_writer) struct mr_output_writer *writer = NULL;
        struct mr_object object;
        struct mr_err err = {0};
        bytes[HEAD] = damaged ? 'y' : 'x';
        fixture_object_json(whole, sizeof whole, bytes, sizeof bytes);
        const struct fake_step steps[] = {{.status = 200, .body = body},
                                          {.status = 200, .body = head},
                                          {.status = 200, .body = whole},
                                          {.status = 204},
                                          {.status = 204}};
        FAKE_SCRIPT(test_fake, steps);
        assert_int_equal(mr_output_writer_new(&job, "results/sum", "audio/wav", &writer, &err), MR_OK);
        for (int i = 0; i < FRAMES; i++)
            assert_int_equal(write_frames(writer, (struct frame[]){{HEAD + i * FRAME, FRAME}, {0, 0}}, &err),
                             MR_OK);
        assert_int_equal(write_frames(writer, (struct frame[]){{0, HEAD}, {0, 0}}, &err), MR_OK);
        enum mr_status status = mr_output_writer_finish(writer, &object, &err);
        assert_int_equal(status, damaged ? MR_UNAVAILABLE : MR_OK);
        if (damaged)
            assert_int_equal(err.code, MR_CODE_CORRUPTED);
        assert_int_equal(fake_http_count(test_fake), 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_out_of_order_are_refused),
        cmocka_unit_test(unfinished_outputs_are_refused),
        cmocka_unit_test(storage_refuses_and_the_ledger_knows),
        cmocka_unit_test(a_composed_object_is_compared_with_its_parts),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
